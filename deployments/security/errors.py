"""What can go wrong while somebody says who they are."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from routing.errors import AccessError, SupportMaxError

if TYPE_CHECKING:
    from deployments.security.principal import Principal


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


class TurnedAway(AccessError):
    """Somebody is not let in who proved who they are. The caller is told what a stranger is.

    `who` and `why`, a stable word, are for the record of their tenant.
    """

    def __init__(
        self,
        detail: str,
        who: "Principal",
        why: str,
        code: Literal["unauthenticated", "address_not_allowed"] = "unauthenticated",
    ) -> None:
        super().__init__(code, detail)
        self.args = (detail, who, why, code)
        self.who = who
        self.why = why


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
