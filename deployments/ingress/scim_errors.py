"""Our errors as RFC 7644, 3.12 has them."""

from collections.abc import Mapping

import orjson
from starlette.responses import Response

from actors.database.directory_rows import NameTaken, NotSought
from deployments.ingress import problem
from deployments.ingress.routes import ErrorShape
from deployments.ingress.scim_schema import MEDIA_TYPE, ScimErrorBody
from deployments.scim.errors import ScimError
from routing.errors import RequestError

_SCHEMA = "urn:ietf:params:scim:api:messages:2.0:Error"
_KINDS: Mapping[str, str] = {
    "malformed_json": "invalidSyntax",
    "invalid_request": "invalidSyntax",
    "unknown_member": "invalidValue",
    "group_full": "invalidValue",
    "directory_full": "invalidValue",
}
"""scimTypes by our codes, where there is one for the same thing."""
_HEADERS = ("www-authenticate", "retry-after", "connection")


def response(error: Exception) -> Response:
    """`error` as an HTTP response."""
    match error:
        case ScimError(status=status, kind=kind, detail=detail):
            return _response(status, kind, detail, {})
        case NameTaken(attribute=attribute):
            return _response(409, "uniqueness", f"Somebody else has this {attribute}.", {})
        case NotSought(attribute=attribute):
            return _response(400, "invalidFilter", f"{attribute} is not compared like that.", {})
        case _:
            pass
    usual = problem.response(error)
    headers = {name: usual.headers[name] for name in _HEADERS if name in usual.headers}
    told = orjson.loads(usual.body)
    # 422 is not among the statuses of RFC 7644.
    is_ours = isinstance(error, RequestError) and usual.status_code == 422
    status = 400 if is_ours else usual.status_code
    return _response(status, _KINDS.get(told["code"], ""), told["detail"], headers)


def _response(status: int, kind: str, detail: str, headers: Mapping[str, str]) -> Response:
    body = {"schemas": [_SCHEMA], "status": str(status), "detail": detail}
    if kind:
        body["scimType"] = kind
    return Response(orjson.dumps(body), status, dict(headers), media_type=MEDIA_TYPE)


SCIM_ERRORS = ErrorShape(response, ScimErrorBody, MEDIA_TYPE, unmet="400")
