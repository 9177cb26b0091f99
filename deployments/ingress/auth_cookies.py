"""Our two cookies, as browsers guard them best: `__Host-` keeps every other host from setting them."""

from starlette.requests import Request
from starlette.responses import Response

SESSION = "__Host-supportmax"
"""A session; its life is the database's to end."""
BROWSER = "__Host-supportmax-sign-on"
"""Which browser began to sign on."""
FORM_BROWSER = "__Host-supportmax-saml"
"""The same, for providers that answer with a form. It opens nothing by itself."""
# A secret has 43 characters.
_LENGTH_MAX = 100


def read_cookie(request: Request, name: str) -> str | None:
    """What the browser sent under a name; None if nothing, or more than one thing."""
    found: list[str] = []
    for line in request.headers.getlist("cookie"):
        for part in line.split(";"):
            key, _, value = part.strip().partition("=")
            if key == name:
                found.append(value)
    return found[0] if len(found) == 1 and 0 < len(found[0]) <= _LENGTH_MAX else None


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


def drop_cookie(response: Response, name: str) -> None:
    """Take it away again."""
    response.delete_cookie(name, path="/", secure=True, httponly=True, samesite="lax")
