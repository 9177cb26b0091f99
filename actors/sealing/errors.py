"""What can go wrong between a text and its key."""

from routing.errors import SupportMaxError


class SealBroken(SupportMaxError):
    """What is kept is not what was sealed in this place, or its key was destroyed; nobody can read it."""

    code = "unreadable"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class ClearRefused(SealBroken):
    """A text is kept in clear where every text is sealed: somebody else wrote it, and nobody is shown it."""

    code = "clear_refused"

    def __init__(self, tenant: str, place: str) -> None:
        super().__init__(f"{place} holds a text that is not sealed")
        self.args = (tenant, place)  # with these it is made again in another process
        self.tenant = tenant
        self.place = place


class ProviderRefused(SupportMaxError):
    """Whoever holds the key-encryption key says no: access is withdrawn, or the blob is not of this key."""

    code = "key_provider_refused"

    def __init__(self, provider: str, detail: str) -> None:
        super().__init__(provider, detail)
        self.provider = provider
        self.detail = detail


class ProviderUnavailable(SupportMaxError):
    """Whoever holds the key-encryption key did not answer in time, or asks us to come back later."""

    code = "key_provider_unavailable"

    def __init__(self, provider: str, detail: str, retry_after_s: float | None = None) -> None:
        super().__init__(provider, detail, retry_after_s)
        self.provider = provider
        self.detail = detail
        self.retry_after_s = retry_after_s
