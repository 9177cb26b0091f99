"""A table with a row of every level, over an audit log that is real."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from deployments.ingress import api, routes
from deployments.ingress.routes import PUBLIC, Call, Operation
from deployments.ingress.schema import ChatBody
from deployments.security.principal import Principal
from deployments.security.trail import Trail
from routing.errors import AccessError, RequestError, Violation

PERMISSIONS = frozenset({"chat:create", "platforms:read", "budgets:configure"})
KEY = "key:0123456789abcdef"


class Said(BaseModel):
    """What every row answers."""

    said: str


class Table:
    """Rows, and what their handlers did."""

    def __init__(self, subject: str = KEY) -> None:
        self.done: list[str] = []
        self._subject = subject

    async def handler(self, call: Call) -> Response:
        """Do it; a body that says so goes wrong, and repeats what it was given."""
        said = "" if call.body is None else call.body.message
        self.done.append(call.request.method)
        if "refuse" in said:
            raise RequestError("invalid_request", said, (Violation("/message", said),))
        if "break" in said:
            raise KeyError(said)
        return routes.reply({"said": said})

    async def authenticate(self, request: Request) -> Principal:
        match request.headers.get("authorization"):
            case "Bearer all":
                return Principal("acme", self._subject, frozenset({"admin"}), PERMISSIONS)
            case "Bearer nothing":
                return Principal("acme", self._subject, frozenset({"customer"}))
            case other:
                raise AccessError("unauthenticated", f"Not {other}.")

    def rows(self) -> list[Operation]:
        do = self.handler
        return [
            Operation("GET", "/healthz", "Up", PUBLIC, "health", "none", do, Said),
            Operation("GET", "/v3/things/{id}", "Read", "platforms:read", "read", "access", do, Said),
            Operation("POST", "/v3/chat", "Ask", "chat:create", "chat", "action", do, Said, ChatBody),
            Operation("PUT", "/admin/things/{id}", "Change", "budgets:configure", "admin", "action",
                      do, Said, ChatBody),
            Operation("DELETE", "/admin/things/{id}", "End", "budgets:configure", "admin", "action",
                      do, Said),
        ]  # fmt: skip

    @asynccontextmanager
    async def client(self, trail: Trail) -> AsyncIterator[httpx2.AsyncClient]:
        app = api.application(self.rows(), self.authenticate, PERMISSIONS, 10_000, trail)
        transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
        headers = {"authorization": "Bearer all"}
        async with httpx2.AsyncClient(
            transport=transport, base_url="http://supportmax", headers=headers
        ) as client:
            yield client
