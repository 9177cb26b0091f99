"""The published OpenAPI document as a judge: every JSON answer must be as it says."""

import re
from collections.abc import Mapping
from typing import Any

import httpx2
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

Json = Mapping[str, Any]


class Contract:
    """What the product publishes about itself."""

    def __init__(self, document: Json) -> None:
        self.document = document

    async def check(self, response: httpx2.Response) -> None:
        """Raise AssertionError where a JSON answer is not what the document promises."""
        kind = response.headers.get("content-type", "").partition(";")[0]
        if kind in {"text/event-stream", "application/x-ndjson"}:
            return
        await response.aread()
        request = response.request
        self.validate(request.method, request.url.path, response.status_code, kind, response.json())

    def validate(self, method: str, path: str, status: int, kind: str, body: object) -> None:
        """Hold one answer against the document."""
        schema = self._schema(method, path, status, kind)
        errors = [
            f"{'/'.join(map(str, error.absolute_path))}: {error.message}"
            for error in Draft202012Validator(
                {**schema, "components": self.document["components"]}
            ).iter_errors(body)
        ]
        assert not errors, f"{method} {path} {status}: {errors}"

    def _path(self, path: str) -> Json:
        """The methods at an address, which may be one of many: `/v1/conversations/{id}`."""
        paths: Mapping[str, Json] = self.document["paths"]
        for template, methods in paths.items():
            if re.fullmatch(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template)), path):
                return methods
        return {}

    def _schema(self, method: str, path: str, status: int, kind: str) -> Json:
        operation = self._path(path).get(method.lower())
        if operation is None:
            # An address or a method that is not there: the answer has the shape of its neighbours.
            assert status in {401, 404, 405}, f"{method} {path} answers {status}"
            if path.startswith("/v1/"):
                assert kind == "application/json"
                vendor = "Anthropic" if path.startswith("/v1/messages") else "OpenAI"
                return {"$ref": f"#/components/schemas/{vendor}Error"}
            assert kind == "application/problem+json"
            return {"$ref": "#/components/schemas/Problem"}
        described = operation["responses"].get(str(status))
        assert described is not None, f"{method} {path}: {status} is not in the document"
        content = described["content"]
        if not content:
            return {}
        assert kind in content, f"{method} {path} {status}: {kind} is not in the document"
        found: Json = content[kind]["schema"]
        return found
