"""What can go wrong while somebody says who they are."""

import math
from collections.abc import Mapping

from routing.errors import AccessError, SupportMaxError


class TokenRefused(SupportMaxError):
    """A token is not what it has to be. `reason` is one of a few words, and repeats nothing of it."""

    code = "invalid_token"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class IdentityProviderUnavailable(SupportMaxError):
    """An identity provider's keys or addresses cannot be read just now; nobody was let in."""

    code = "identity_provider_unavailable"

    def __init__(self, provider: str, detail: str) -> None:
        super().__init__(provider, detail)
        self.provider = provider
        self.detail = detail


class RateLimited(AccessError):
    """A limit is used up for the moment; `headers` say which, and when it is not."""

    def __init__(self, detail: str, retry_after_s: float, headers: Mapping[str, str]) -> None:
        super().__init__("rate_limited", detail, retry_after_s)
        self.args = (detail, retry_after_s, headers)
        self.headers = headers

    @property
    def retry_after_header(self) -> str:
        """Whole seconds, rounded up."""
        return str(max(1, math.ceil(self.retry_after_s or 0.0)))
