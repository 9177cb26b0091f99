"""What the routes of sign-on take, beside a password, and what they answer."""

from pydantic import BaseModel


class LogoutForm(BaseModel):
    """What an identity provider posts to end sessions (OpenID Connect Back-Channel Logout 1.0)."""

    logout_token: str


class SamlAnswer(BaseModel):
    """The form with which a browser comes back from an identity provider of SAML."""

    SAMLResponse: str
    RelayState: str | None = None


class SamlMessage(BaseModel):
    """A request to end sessions, or the answer to one of ours: one of the two."""

    SAMLRequest: str | None = None
    SAMLResponse: str | None = None
    RelayState: str | None = None


class Redirect(BaseModel):
    """Where the browser goes next; None where it may stay."""

    redirect: str | None


class SignedOff(BaseModel):
    """How many sessions ended."""

    ended: int


class Permissions(BaseModel):
    """Who is calling and what they may do. `csrf_token` is for changes by cookie."""

    tenant: str
    subject: str
    roles: list[str]
    permissions: list[str]
    csrf_token: str | None
    expires_at: str | None
