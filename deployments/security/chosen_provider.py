"""Which provider somebody signs on with, among those of every kind: never one that they did not choose."""

from collections.abc import Collection

from routing.errors import RequestError


def chosen_provider(
    asked: str | None, browsers: Collection[str], directories: Collection[str]
) -> str:
    """The one of `browsers` that is led to; the only provider there is needs no name.

    `browsers` have pages of their own (OpenID Connect, SAML); `directories` are told a name and a
    password here.

    Raises:
        RequestError: `unknown_provider`, naming all there are, where there is none of that name, or
            several and none is named; `invalid_request` where a directory is named.
    """
    every = [*browsers, *directories]
    name = every[0] if asked is None and len(every) == 1 else asked
    if name is not None and name in browsers:
        return name
    if name is not None and name in directories:
        message = f"{name} is a directory: POST provider, username and password as JSON."
        raise RequestError("invalid_request", message)
    if not every:
        message = "Nobody signs on here: sso and sso_providers of the configuration name no provider to sign on with."
        raise RequestError("unknown_provider", message)
    raise RequestError("unknown_provider", f"Say provider, one of: {', '.join(sorted(every))}.")
