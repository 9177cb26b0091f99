"""The ways in as one replica composes them, over a database of its own, and a browser in front."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from pydantic import BaseModel
from starlette.responses import Response
from typing_extensions import override

from actors.database import Database, open_database
from config.settings import Settings
from deployments.boot import Boot
from deployments.ingress import api, routes
from deployments.ingress.auth_entry import AuthEntry
from deployments.ingress.routes import Call, Operation
from deployments.security.pepper import make_pepper
from routing.clock import SystemClock
from tests.audit_world import AuditWorld
from tests.identity_provider import CLIENT, SECRET, Idp

SITE = "https://support.acme.test"
API = "https://api.acme.test"


class MovableClock(SystemClock):
    """The machine's clock, which a test may put forward."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    @override
    def monotonic(self) -> float:
        """Seconds."""
        return super().monotonic() + self.ahead_s

    @override
    def now(self) -> float:
        """Seconds since the epoch."""
        return super().now() + self.ahead_s


@dataclass
class Site:
    """SupportMax as browsers and programs see it."""

    http: httpx2.AsyncClient
    entry: AuthEntry
    database: Database
    clock: MovableClock
    settings: Settings = field(repr=False)
    audit: AuditWorld

    def browser(self) -> httpx2.AsyncClient:
        """A browser without any cookies yet."""
        return httpx2.AsyncClient(
            transport=self.http._transport, base_url=SITE, headers={"sec-fetch-site": "same-origin"}
        )


class Probed(BaseModel):
    """Who asked."""

    status: str


async def _echo(call: Call) -> Response:
    return routes.reply({"status": call.principal.subject})


PROBES = [
    Operation("GET", "/probe", "Read", "platforms:read", "read", "access", _echo, Probed),
    Operation("POST", "/probe", "Change", "chat:create", "admin", "action", _echo, Probed),
]


def settings_for(*idps: Idp, **changed: Any) -> Settings:
    """The first under `sso`, the others by the names other-1, other-2."""
    every = [
        {
            "provider": "oidc",
            "issuer": idp.issuer,
            "tenant": f"acme{number or ''}",
            "client_id": CLIENT,
            "client_secret": SECRET,
            "public_url": SITE,
            "audiences": [API],
            "token_types": ["JWT"],
            "roles": [{"claim": "groups", "equals": "AGENTS", "role": "agent"}],
            **changed,
        }
        for number, idp in enumerate(idps)
    ]
    others = {f"other-{number}": each for number, each in enumerate(every) if number}
    return Settings.model_validate({"sso": every[0], "sso_providers": others})


@asynccontextmanager
async def site(
    folder: Path, settings: Settings, transport: httpx2.AsyncBaseTransport | None = None
) -> AsyncIterator[Site]:
    """One replica over a fresh database; `transport` leads to the providers."""
    boot = Boot(home=folder, profile="development")
    make_pepper(boot.key_pepper)
    database = open_database(folder / "site.db")
    await database.migrate()
    clock = MovableClock()
    audit = AuditWorld(folder)
    async with audit.trail() as trail:
        entry = AuthEntry(boot, settings, database, clock, trail, transport)
        app = api.application(
            [*entry.operations(), *PROBES], entry.authentication, entry.permissions, 1 << 20
        )
        inside = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=inside, base_url=SITE) as http:
            yield Site(http, entry, database, clock, settings, audit)
    await entry.aclose()
    await database.aclose()
