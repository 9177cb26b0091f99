"""What the routes of sign-on answer."""

from pydantic import BaseModel


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
