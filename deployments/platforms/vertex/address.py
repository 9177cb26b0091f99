"""Google's own address of a location, which is part of the host's name."""

LOCATION = "global"
_MULTI_REGIONS = ("us", "eu")


def base_url(location: str) -> str:
    """Where a location is served. Said aloud, or the SDK would ask the environment."""
    if location == LOCATION:
        return "https://aiplatform.googleapis.com/"
    if location in _MULTI_REGIONS:
        return f"https://aiplatform.{location}.rep.googleapis.com/"
    return f"https://{location}-aiplatform.googleapis.com/"
