"""What can go wrong while somebody says who they are."""

from routing.errors import SupportMaxError


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
