"""OpenAPI 3.1, written from the route table."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic.json_schema import JsonSchemaMode, models_json_schema

from deployments.ingress.pages import HTML
from deployments.ingress.parameters import Parameter
from deployments.ingress.route_audit import is_change
from deployments.ingress.routes import FORM, JSON, PUBLIC, Operation, OwnBody

if TYPE_CHECKING:
    from pydantic import BaseModel

_Schemas = Mapping[Any, dict[str, Any]]
_TEXT: Mapping[str, object] = {"schema": {"type": "string"}}
# Which ones are of use its handler says; none is longer than a line of a request.
_HEADER: Mapping[str, object] = {"type": "string", "minLength": 1}
_IDEMPOTENCY: Mapping[str, str] = {
    "Idempotency-Key": "A repeat with the same key and body gets the first answer."
}
_HEADERS: Mapping[str, object] = {
    name: {"description": meaning, "schema": {"type": "string"}}
    for name, meaning in (
        ("RateLimit", "The nearest limit: its name, r left of it, and t seconds until it is whole"),
        ("RateLimit-Policy", "The same limit: q at once, which come back within w seconds"),
        ("Retry-After", "After so many whole seconds it may be asked again"),
    )
}
_LIMITS: Mapping[str, object] = {
    name: {"$ref": f"#/components/headers/{name}"} for name in ("RateLimit", "RateLimit-Policy")
}
_REFUSED = {**_LIMITS, "Retry-After": {"$ref": "#/components/headers/Retry-After"}}


def document(operations: Sequence[Operation], version: str) -> dict[str, object]:
    """The whole document as JSON-able data."""
    wanted: list[tuple[type[BaseModel], JsonSchemaMode]] = []
    for op in operations:
        wanted.append((op.errors.body, "serialization"))
        if op.body is not None:
            wanted.append((op.body, "validation"))
        if op.own_body is not None:
            wanted.append((op.own_body.model, "validation"))
        if op.answer is not None:
            wanted.append((op.answer, "serialization"))
    schemas, definitions = models_json_schema(
        list(dict.fromkeys(wanted)), ref_template="#/components/schemas/{model}"
    )
    paths: dict[str, dict[str, object]] = {}
    for op in operations:
        paths.setdefault(op.path, {})[op.method.lower()] = _operation(op, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "SupportMax",
            "version": version,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": paths,
        "components": {
            "schemas": definitions.get("$defs", {}),
            "headers": _HEADERS,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "session": {"type": "apiKey", "in": "cookie", "name": "__Host-supportmax"},
            },
        },
    }


def _operation(op: Operation, schemas: _Schemas) -> dict[str, object]:
    described: dict[str, object] = {
        "summary": op.summary,
        "operationId": op.method.lower() + re.sub(r"[^a-z0-9]+", "_", op.path.lower()),
        "x-permission": op.permission,
        "x-rate-class": op.rate,
        "x-audit": op.audit,
        "responses": _responses(op, schemas),
    }
    if op.permission != PUBLIC:
        described["security"] = [{"bearer": []}, {"apiKey": []}, {"session": []}]
    if (taken := _taken(op)) is not None:
        schema = schemas[(taken.model, "validation")]
        described["requestBody"] = {
            "required": taken.required,
            "content": {taken.media_type: {"schema": schema}},
        }
    parameters = [*_parameters(op)]
    if parameters:
        described["parameters"] = parameters
    return described


def _responses(op: Operation, schemas: _Schemas) -> dict[str, object]:
    """Every answer a route has, by its status."""
    responses: dict[str, object] = {
        "200": {"description": "Done", "content": _content(op, schemas), "headers": _LIMITS}
    }
    for status, meaning in op.further.items():
        if int(status) < 400:
            responses[status] = {"description": meaning}
    for status, meaning in sorted(_failures(op).items()):
        responses[status] = {
            "description": meaning,
            "content": {
                op.errors.media_type: {"schema": schemas[(op.errors.body, "serialization")]},
                **({HTML: _TEXT} if op.in_browser else {}),
            },
            "headers": _REFUSED if status == "429" else _LIMITS,
        }
    return responses


def _content(op: Operation, schemas: _Schemas) -> dict[str, object]:
    """What an answer that is as it should be may have for a body, by its media type."""
    content: dict[str, object] = {}
    if op.answer is not None:
        content[op.media_type] = {"schema": schemas[(op.answer, "serialization")]}
    elif op.media_type != JSON:
        content[op.media_type] = _TEXT
    if op.streams:
        content["text/event-stream"] = _TEXT
    if op.lines:
        content[op.lines] = _TEXT
    return content


def _taken(op: Operation) -> OwnBody | None:
    """The body of a route, whoever reads it."""
    return op.own_body if op.body is None else OwnBody(op.body, op.media_type)


def _parameters(op: Operation) -> Iterator[dict[str, object]]:
    """What a route takes beside its body."""
    for name in re.findall(r"{(\w+)}", op.path):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
    headers = {name: Parameter(meaning, _HEADER) for name, meaning in _headers(op).items()}
    for place, taken in (("header", headers), ("query", op.query)):
        for name, each in taken.items():
            yield {
                "name": name,
                "in": place,
                "required": False,
                "description": each.meaning,
                "schema": dict(each.schema),
            }


def _headers(op: Operation) -> Mapping[str, str]:
    return op.headers or (_IDEMPOTENCY if op.rate == "chat" else {})


def _failures(op: Operation) -> dict[str, str]:
    """The statuses a route may end in, and what each means there."""
    failures = {
        "403": "Nobody is served at this address",
        "413": "Too large",
        "429": "A limit is used up: RateLimit says which",
        "500": "A mistake of ours",
    }
    if op.permission != PUBLIC:
        failures |= {
            "401": "No valid key", "403": "Not allowed", "421": "Another region serves the tenant",
            "503": "Not at the moment: a part of SupportMax is away",
        }  # fmt: skip
    if is_change(op):
        failures.setdefault("503", "Nothing can be put on record, so nothing is done")
    failures |= _failures_of_body(op)
    if op.rate == "chat":
        failures |= {
            "404": "Not this tenant's conversation, or no such model",
            "429": "Too much at once, or a budget is spent", "502": "The platform says our request was wrong",
            "503": "No platform can answer now", "504": "Too late",
        }  # fmt: skip
    if op.query:
        failures[op.errors.unmet] = "A parameter is not what it can be"
    if op.conflict:
        failures |= {"409": op.conflict}
        failures.setdefault(op.errors.unmet, "Cannot be met as it is")
    if "Idempotency-Key" in _headers(op):
        failures |= {"409": "The same request is under way"}
    if "{" in op.path:
        failures |= {"404": "Not this tenant's, or unknown"}
    if op.rate == "health":
        failures |= {"503": "Not ready"}
    failures |= {status: meaning for status, meaning in op.further.items() if int(status) >= 400}
    return failures


def _failures_of_body(op: Operation) -> dict[str, str]:
    """What a route refuses of a body, or for one."""
    taken = _taken(op)
    if taken is None:
        return {}
    failures = {"408": "Its body came too slowly", "415": f"Not {taken.media_type} by its type"}
    if taken.media_type != FORM:
        failures["400"] = "Not JSON"
        failures[op.errors.unmet] = "Cannot be met as it is; every violated limit is named"
    return failures
