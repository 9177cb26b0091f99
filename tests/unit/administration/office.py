"""The routes of administration over a real database, files that can be edited, and processes that watch."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from starlette.requests import Request

from actors.database import open_database
from actors.database.engine import Database
from actors.database.platform_settings import PlatformSettingsStore
from actors.database.role_assignments import RoleAssignments
from deployments.boot import Boot
from deployments.ingress import api
from deployments.ingress.in_force import InForce, in_force
from deployments.ingress.platform_settings import PlatformSettingsRoutes
from deployments.ingress.roles import RoleRoutes
from deployments.security.principal import Principal
from deployments.security.rbac import Roles, load_roles
from routing.clock import SystemClock

PATH = "/admin/platforms/configure"
PLATFORMS = ("openai", "anthropic", "azure_openai")
FILE = """\
platforms:
  openai:
    api_key: sk-of-the-file-0001
    model: gpt-6.1-terra
    max_tokens: 4000
  anthropic:
    api_key: sk-of-the-file-0002
  azure_openai:
    api_key: 0123456789abcdef
    endpoint: https://example.openai.azure.com
    deployment: support
    base_model: gpt-6-luna
routing:
  fallback_platforms: [anthropic]
assistants:
  clerk:
    model: azure_openai
    instructions: Answer briefly.
"""


@dataclass
class Office:
    """Who asks is `role@tenant` in the place of a key, or what `people` has under that name."""

    file: Path
    database: Database
    desk: InForce
    app: Any
    people: dict[str, Principal] = field(default_factory=dict)

    async def ask(
        self, method: str, path: str, body: object = None, who: str = "admin@northwind"
    ) -> tuple[int, dict[str, Any]]:
        """The status and the body of an answer."""
        transport = httpx2.ASGITransport(self.app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://x") as client:
            headers = {"Authorization": f"Bearer {who}", "Content-Type": "application/json"}
            content = None if body is None else json.dumps(body)
            answer = await client.request(method, path, headers=headers, content=content)
        return answer.status_code, answer.json()

    async def configure(self, **body: object) -> dict[str, Any]:
        """A change that is made."""
        status, answer = await self.ask("POST", PATH, body)
        assert status == 200, answer
        return answer

    async def refused(self, status: int, **body: object) -> str:
        """What is said of a change that is not."""
        found, answer = await self.ask("POST", PATH, body)
        assert found == status, answer
        return str(answer["detail"])


@asynccontextmanager
async def office(
    home: Path,
    *,
    reachable: Sequence[str] = PLATFORMS,
    text: str = FILE,
    roles: Roles | None = None,
) -> AsyncIterator[Office]:
    """An office that has just opened, on the database in `home`."""
    file, clock = home / "supportmax.yaml", SystemClock()
    file.write_text(text)
    boot = Boot(home, "production", (file,))
    database = open_database(home / "office.sqlite")
    await database.migrate()
    desk = await in_force(boot, PlatformSettingsStore(database), reachable, clock)
    made = Office(file, database, desk, None)
    known = load_roles() if roles is None else roles

    async def authenticate(request: Request) -> Principal:
        who = request.headers["authorization"].removeprefix("Bearer ")
        if who in made.people:
            return made.people[who]
        role, _, tenant = who.partition("@")
        return Principal(tenant, f"key:{role}", frozenset({role}), known.grants[role])

    rows = [
        *PlatformSettingsRoutes(boot, desk, frozenset({"northwind"}), clock).operations(),
        *RoleRoutes(known, RoleAssignments(database), clock).operations(),
    ]
    made.app = api.application(rows, authenticate, known.permissions, 1_048_576)
    desk.start(lambda _: None)
    try:
        yield made
    finally:
        await desk.aclose()
        await database.aclose()
