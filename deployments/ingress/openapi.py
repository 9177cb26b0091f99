"""OpenAPI 3.1, written from the route table."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from deployments.ingress.routes import PUBLIC, Operation
from deployments.ingress.schema import Problem

_Schemas = Mapping[Any, dict[str, Any]]
_PROBLEM: tuple[type[BaseModel], JsonSchemaMode] = (Problem, "serialization")


def document(operations: Sequence[Operation], version: str) -> dict[str, object]:
    """The whole document as JSON-able data."""
    wanted: list[tuple[type[BaseModel], JsonSchemaMode]] = [_PROBLEM]
    for op in operations:
        if op.body is not None:
            wanted.append((op.body, "validation"))
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
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
    }


def _operation(op: Operation, schemas: _Schemas) -> dict[str, object]:
    content: dict[str, object] = {}
    if op.answer is not None:
        content["application/json"] = {"schema": schemas[(op.answer, "serialization")]}
    if op.streams:
        content["text/event-stream"] = {"schema": {"type": "string"}}
    responses: dict[str, object] = {"200": {"description": "Done", "content": content}}
    for status, meaning in sorted(_failures(op).items()):
        responses[status] = {
            "description": meaning,
            "content": {"application/problem+json": {"schema": schemas[_PROBLEM]}},
        }
    described: dict[str, object] = {
        "summary": op.summary,
        "operationId": op.method.lower() + re.sub(r"[^a-z0-9]+", "_", op.path.lower()),
        "x-permission": op.permission,
        "x-rate-class": op.rate,
        "x-audit": op.audit,
        "responses": responses,
    }
    if op.permission != PUBLIC:
        described["security"] = [{"bearer": []}, {"apiKey": []}]
    if op.body is not None:
        schema = schemas[(op.body, "validation")]
        described["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema}},
        }
    names = re.findall(r"{(\w+)}", op.path)
    if names:
        described["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in names
        ]
    if op.rate == "chat":
        described["parameters"] = [
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "description": "A repeat with the same key and body gets the first answer.",
                "schema": {"type": "string", "minLength": 1, "maxLength": 128},
            }
        ]
    return described


def _failures(op: Operation) -> dict[str, str]:
    """The statuses a route may end in, and what each means there."""
    failures = {"500": "A mistake of ours"}
    if op.permission != PUBLIC:
        failures |= {"401": "No valid key", "403": "Not allowed"}
    if op.body is not None:
        failures |= {
            "400": "Not JSON", "413": "Too large", "415": "Not JSON by its type",
            "422": "Cannot be met as it is; every violated limit is named",
        }  # fmt: skip
    if op.rate == "chat":
        failures |= {
            "404": "Not this tenant's conversation", "409": "The same request is under way",
            "429": "Too much at once", "502": "The platform says our request was wrong",
            "503": "No platform can answer now", "504": "Too late",
        }  # fmt: skip
    if "{" in op.path:
        failures |= {"404": "Not this tenant's, or unknown"}
    if op.rate == "health":
        failures |= {"503": "Not ready"}
    return failures
