"""A refusal as a page, for people whom a sign-on led here and who would read JSON in their browser."""

import html
from typing import TYPE_CHECKING

import orjson
from starlette.responses import HTMLResponse, Response

from deployments.security.trail import request_id

if TYPE_CHECKING:
    from starlette.requests import Request

HTML = "text/html"
# Nothing is loaded, sent or framed, whatever stands in it.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
}
_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<h1>{title}</h1>
<p>{detail}</p>
<p>For whoever you ask about it: <code>{request}</code></p>
</html>
"""


def readable(request: "Request", refusal: Response) -> Response:
    """`refusal`, a problem document, as who asked reads it: a page where they take one, with the same status."""
    if not _takes_pages(request):
        refusal.headers["Vary"] = "Accept"
        return refusal
    told = orjson.loads(refusal.body)
    words = {"title": told["title"], "detail": told["detail"], "request": request_id.get()}
    page = _PAGE.format(**{name: html.escape(str(word)) for name, word in words.items()})
    usual = {
        name: value
        for name, value in refusal.headers.items()
        if name not in {"content-type", "content-length"}
    }
    return HTMLResponse(page, refusal.status_code, {**usual, **_HEADERS, "Vary": "Accept"})


def _takes_pages(request: "Request") -> bool:
    """Whether pages are named among what is taken; programs name JSON, or take anything."""
    for each in ",".join(request.headers.getlist("accept")).split(","):
        kind, *parameters = (part.strip().lower() for part in each.split(";"))
        if kind == HTML:
            return not any(
                part.replace(" ", "") in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
                for part in parameters
            )
    return False
