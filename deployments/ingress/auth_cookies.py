"""Our cookies, as browsers guard them best: `__Host-` keeps every other host from setting them."""

from starlette.requests import Request
from starlette.responses import Response

from deployments.security.attempts import Keepsake

SESSION = "__Host-supportmax"
"""A session; its life is the database's to end."""
ATTEMPT = "__Host-supportmax-sign-on-"
"""What the cookies of attempts to sign on begin with: one for each, sealed."""
FORM_ATTEMPT = "__Host-supportmax-saml-"
"""The same, for providers that answer with a form."""
# A secret has 43 characters.
_LENGTH_MAX = 100
# What browsers keep at most of one, and more of them than one ever has to hold.
_SEALED_MAX = 4096
_HELD_MAX = 32


def read_cookie(request: Request, name: str) -> str | None:
    """What the browser sent under a name; None if nothing, or more than one thing."""
    found = [value for key, value in _pairs(request) if key == name]
    return found[0] if len(found) == 1 and 0 < len(found[0]) <= _LENGTH_MAX else None


def read_cookies(request: Request, prefix: str) -> dict[str, str]:
    """What the browser sent under names that begin so; nothing that stands there twice."""
    found = dict[str, list[str]]()
    for key, value in _pairs(request):
        if key.startswith(prefix) and len(value) <= _SEALED_MAX and len(found) < _HELD_MAX:
            found.setdefault(key, []).append(value)
    return {key: values[0] for key, values in found.items() if len(values) == 1}


def set_cookie(
    response: Response,
    name: str,
    secret: str,
    life_s: float | None = None,
    *,
    with_forms: bool = False,
) -> None:
    """Give the browser a secret; without a life it ends with the browser.

    Lax: it comes along when somebody follows a link to us, and with nothing else from elsewhere.
    `with_forms`: also with a form that another site sends here, as SAML does.
    """
    response.set_cookie(
        name,
        secret,
        max_age=None if life_s is None else int(life_s),
        path="/",
        secure=True,
        httponly=True,
        samesite="none" if with_forms else "lax",
    )


def keep(response: Response, kept: Keepsake, life_s: float, *, with_forms: bool = False) -> None:
    """Give the browser something to keep, and take away what it need not keep any more."""
    for name in kept.dropped:
        drop_cookie(response, name)
    set_cookie(response, kept.name, kept.value, life_s, with_forms=with_forms)


def drop_cookie(response: Response, name: str) -> None:
    """Take it away again."""
    response.delete_cookie(name, path="/", secure=True, httponly=True, samesite="lax")


def _pairs(request: Request) -> list[tuple[str, str]]:
    found = list[tuple[str, str]]()
    for line in request.headers.getlist("cookie"):
        for part in line.split(";"):
            key, _, value = part.strip().partition("=")
            found.append((key, value))
    return found
