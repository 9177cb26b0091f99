"""What requests of sign-on bring, read strictly, and what is said of every answer to them."""

from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from deployments.ingress.auth_cookies import SESSION, drop_cookie, set_cookie
from deployments.ingress.parameters import Parameter, text
from deployments.ingress.routes import FORM
from deployments.security.attempts import Finished
from routing.errors import RequestError

# RFC 6749 bounds none of them; a code has up to 2 KB, an explanation a few lines.
_VALUE_MAX = 4096
_FIELDS_MAX = 10
STATE_MAX = 128
"""Characters of the name of an attempt; ours have 43."""


def told(meaning: str, most: int) -> Parameter:
    """A parameter as somebody else's server writes it, who may leave it empty."""
    return text(meaning, most, least=0)


def single(request: Request) -> dict[str, str]:
    """The query, of which nothing may stand twice: two readers would read two things.

    Raises:
        RequestError: not so.
    """
    pairs = request.query_params.multi_items()
    found = dict(pairs)
    if len(found) != len(pairs) or any(len(value) > _VALUE_MAX for value in found.values()):
        raise RequestError("invalid_request", "Each parameter is said once, and is short.")
    return found


def media_type(request: Request) -> str:
    """What kind of body the request says it has; empty without."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a form that stand in it once.

    Raises:
        RequestError: it is no form.
    """
    if media_type(request) != FORM:
        raise RequestError("unsupported_media_type", "Send a form.")
    try:
        fields = parse_qs((await request.body()).decode("ascii"), max_num_fields=_FIELDS_MAX)
    except ValueError:
        return {}
    return {name: values[0] for name, values in fields.items() if len(values) == 1}


def welcomed(finished: Finished) -> Response:
    """Somebody is signed on: their session, and on to where they wanted to go."""
    response = RedirectResponse(finished.next, 303)
    set_cookie(response, SESSION, finished.session)
    for name in finished.spent:
        drop_cookie(response, name)
    return private(response)


def private(response: Response) -> Response:
    """The answer, for nobody else to keep or to learn of."""
    response.headers["Cache-Control"] = "no-store"
    # An address with a code in it is nobody else's to see.
    response.headers["Referrer-Policy"] = "no-referrer"
    return response
