"""A tenant's directory as its identity provider reaches it: two replicas over one database."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from starlette.applications import Starlette

from actors.database import Accounts, Database, open_database
from config.settings import Settings
from deployments.boot import Boot
from deployments.ingress import api
from deployments.ingress.auth_entry import AuthEntry
from deployments.security.pepper import make_pepper, read_pepper
from routing.clock import ManualClock
from tests.audit_world import AuditWorld
from tests.contract.sign_on_world import PROBES, SITE, MovableClock, settings_for
from tests.identity_provider import Idp
from tests.unit.sealing.keyed import LocalProvider, ring_over

CORE = "urn:ietf:params:scim:schemas:core:2.0"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
RULES = [
    {"group": "Support Agents", "role": "agent"},
    {"group": "Support Leads", "role": "supervisor"},
]
PLAIN = {"provider": "oidc", "issuer": "https://login.acme.test", "client_id": "a"}


def directory_settings(*idps: Idp, **scim: Any) -> Settings:
    """The tenants `acme` and `acme1` have providers that keep directories."""
    if idps:
        settings = settings_for(*idps, roles=[]).model_dump(mode="json")
        for idp, sso in zip(
            idps, (settings["sso"], *settings["sso_providers"].values()), strict=True
        ):
            sso["client_secret"] = "a-secret-of-the-test"  # noqa: S105
            assert sso["issuer"] == idp.issuer
    else:
        other = {**PLAIN, "issuer": "https://login.other.test", "tenant": "acme1"}
        settings = {"sso": {**PLAIN, "tenant": "acme"}, "sso_providers": {"other-1": other}}
    names = ["oidc", *settings["sso_providers"]]
    settings["scim"] = [{"provider": name, "roles": RULES, **scim} for name in names]
    return Settings.model_validate(settings)


@dataclass
class Directory:
    """The product as identity providers, people and programs see it; `other` is a second replica."""

    http: httpx2.AsyncClient
    other: httpx2.AsyncClient
    app: Starlette
    database: Database
    clock: MovableClock
    entries: tuple[AuthEntry, AuthEntry] = field(repr=False)
    audit: AuditWorld = field(repr=False)
    folder: Path = field(repr=False)

    async def key(
        self, *roles: str, tenant: str = "acme", owner: str | None = None
    ) -> dict[str, str]:
        """The header of a key that was made on the machine, or by a person."""
        accounts = Accounts(self.database, read_pepper(self.folder / "api-keys.pepper"))
        made = await accounts.create_key(
            tenant, "test", frozenset(roles), self.clock.now(), created_by=owner
        )
        return {"authorization": f"Bearer {made.secret}"}

    def browser(self, replica: httpx2.AsyncClient | None = None) -> httpx2.AsyncClient:
        """A browser without any cookies yet."""
        transport = (self.http if replica is None else replica)._transport
        headers = {"sec-fetch-site": "same-origin"}
        return httpx2.AsyncClient(transport=transport, base_url=SITE, headers=headers)


class Scim:
    """An identity provider's client, with its key."""

    def __init__(self, http: httpx2.AsyncClient, key: dict[str, str]) -> None:
        self.http = http
        self.headers = {**key, "content-type": "application/scim+json"}

    async def ask(
        self, method: str, path: str, body: object = None, **headers: str
    ) -> httpx2.Response:
        return await self.http.request(
            method, f"/scim/v2{path}", json=body, headers={**self.headers, **headers}
        )

    async def person(self, name: str, **attributes: object) -> dict[str, Any]:
        """Somebody who was let in."""
        body = {"schemas": [f"{CORE}:User"], "userName": name, "externalId": name, **attributes}
        answer = await self.ask("POST", "/Users", body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def group(self, name: str, *members: str) -> dict[str, Any]:
        """A group of these ids."""
        body = {
            "schemas": [f"{CORE}:Group"],
            "displayName": name,
            "members": [{"value": each} for each in members],
        }
        answer = await self.ask("POST", "/Groups", body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def patch(self, path: str, *operations: Mapping[str, object]) -> httpx2.Response:
        return await self.ask("PATCH", path, {"schemas": [PATCH], "Operations": list(operations)})

    async def found(self, kind: str, text: str) -> list[dict[str, Any]]:
        """What a filter finds."""
        answer = await self.http.get(
            f"/scim/v2/{kind}", params={"filter": text}, headers=self.headers
        )
        assert answer.status_code == 200, answer.text
        return list(answer.json()["Resources"])


@asynccontextmanager
async def directory(
    folder: Path, settings: Settings, database: Database | None = None
) -> AsyncIterator[Directory]:
    """Two replicas over one database, sealed as the product's is; a fresh file unless another is given."""
    boot = Boot(home=folder, profile="development")
    make_pepper(boot.key_pepper)
    kept = open_database(folder / "site.db") if database is None else database
    await kept.migrate()
    kept.sealing = ring_over(kept, LocalProvider(), ManualClock())
    clock, audit = MovableClock(), AuditWorld(folder)
    async with audit.trail() as trail:
        entries = tuple(AuthEntry(boot, settings, kept, clock, trail) for _ in range(2))
        apps = [
            api.application(
                [*each.operations(), *PROBES],
                each.authentication,
                each.permissions,
                1 << 20,
                trail,
            )
            for each in entries
        ]
        clients = [
            httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url=SITE)
            for app in apps
        ]
        yield Directory(
            clients[0], clients[1], apps[0], kept, clock, (entries[0], entries[1]), audit, folder
        )
        for client in clients:
            await client.aclose()
        for entry in entries:
            await entry.aclose()
    if database is None:
        await kept.aclose()
