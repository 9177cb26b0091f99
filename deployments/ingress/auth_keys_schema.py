"""API keys as callers see them; the secret is in one answer and never again."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from deployments.security.client_address import networks_of

# Ten years: a key that shall live longer says so by having no end.
_LIFE_MAX_S = 10 * 366 * 86_400
# A week is enough to change every program over; two keys open meanwhile.
_OVERLAP_MAX_S = 7 * 86_400


def _network(text: str) -> str:
    networks_of([text])
    return text


Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]
Network = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_network)]
Life = Annotated[int, Field(ge=60, le=_LIFE_MAX_S)]


class _Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class KeyBody(_Body):
    """A key to be made: what it is for, and what it may do at the most."""

    name: Name
    roles: list[Name] = Field(min_length=1, max_length=16)
    scopes: list[Name] | None = Field(default=None, min_length=1, max_length=64)
    networks: list[Network] | None = Field(default=None, min_length=1, max_length=64)
    expires_in_s: Life | None = None


class RotateBody(_Body):
    """How long the old key opens beside the new one."""

    overlap_s: int = Field(default=86_400, ge=0, le=_OVERLAP_MAX_S)
    expires_in_s: Life | None = None


class KeyRow(BaseModel):
    """A key without its secret. `owner` made it, themselves or by a key of theirs; null: the machine did."""

    id: str
    name: str
    owner: str | None
    roles: list[str]
    scopes: list[str] | None
    networks: list[str] | None
    state: Literal["live", "expired", "revoked"]
    family: str | None
    created_at: str
    expires_at: str | None
    revoked_at: str | None


class NewKey(KeyRow):
    """A key just made. `secret` cannot be shown again."""

    secret: str


class KeyList(BaseModel):
    """Every key of the tenant, newest first."""

    keys: list[KeyRow]
