"""What exactly was granted, set or made stands on record, in words of ours and before it is done."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest
from starlette.requests import Request

from actors.audit import AuditUnavailable
from actors.database import Accounts, open_database
from actors.database.role_assignments import RoleAssignments
from deployments.ingress import api, routes
from deployments.ingress.auth_keys import KeyRoutes
from deployments.ingress.breakers import Breakers
from deployments.ingress.region_operations import region_operations
from deployments.ingress.regions import Regions
from deployments.ingress.roles import RoleRoutes
from deployments.ingress.routes import Call, Operation
from deployments.ingress.schema import ChatBody, Health
from deployments.security.principal import Principal
from deployments.security.rbac import load_roles
from deployments.security.trail import Deed, Trail
from routing.clock import ManualClock
from tests.audit_world import AuditWorld
from tests.unit.ingress.test_breakers import CATALOG, Board
from tests.unit.routing.worlds import NOW

ROLES = load_roles()
EVE = "/admin/roles/assignments/okta:eve"
CARD = "4111-1111-1111-1111"
ADMIN = Principal("acme", "okta:root", frozenset({"admin"}), ROLES.grants["admin"])


@dataclass
class World:
    http: httpx2.AsyncClient
    audit: AuditWorld

    def told(self, outcome: str, action: str) -> list[str]:
        rows = self.audit.records()
        return [
            str(row["reason"])
            for row in rows
            if (row["outcome"], row["action"]) == (outcome, action)
        ]


async def authenticate(_: Request) -> Principal:
    return ADMIN


async def answer(call: Call) -> Any:
    call.words.append("late")
    return routes.reply({"status": "ok"})


def noted(call: Call) -> list[str]:
    return ["amount:5", f"said:{call.body.message}"]


@asynccontextmanager
async def world_in(folder: Path) -> AsyncIterator[World]:
    audit, clock = AuditWorld(folder), ManualClock(NOW)
    database = open_database(folder / "x.sqlite")
    await database.migrate()
    nobody: Any = cast("Any", None)
    table = [
        *RoleRoutes(ROLES, RoleAssignments(database), clock).operations(),
        *KeyRoutes(Accounts(database), ROLES.grants, ROLES.limits, clock).operations(),
        *region_operations(
            Breakers(Board(clock), CATALOG, frozenset({"acme"}), clock), Regions(nobody)
        ),
        Operation("PUT", "/admin/noted", "Note", "budgets:configure", "admin", "action", answer,
                  Health, ChatBody, intent=noted),
    ]  # fmt: skip
    async with audit.trail() as trail:
        app = api.application(table, authenticate, ROLES.permissions, 10_000, trail)
        transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://supportmax") as http:
            yield World(http, audit)
            # What was noted is on disk after a commit.
            await trail.commit(ADMIN, Deed("test.end", "stated"))
    await database.aclose()


async def test_the_roles_that_are_given_and_those_that_were_had_are_on_record(
    tmp_path: Path,
) -> None:
    """So two changes of one person that give different roles never leave equal records."""
    async with world_in(tmp_path) as world:
        for roles in (["agent"], ["agent", "supervisor"]):
            given = await world.http.put(EVE, json={"roles": roles})
            assert given.status_code == 200, given.text
        assert (await world.http.delete(EVE)).status_code == 200
        unknown = await world.http.put(EVE, json={"roles": [CARD]})
        assert unknown.status_code == 422
    put, delete = (
        "PUT /admin/roles/assignments/{subject}",
        "DELETE /admin/roles/assignments/{subject}",
    )
    assert world.told("begun", put) == [
        "roles:admin gives:agent",
        "roles:admin gives:agent gives:supervisor",
        "roles:admin",
    ]
    assert world.told("done", put) == [
        "roles:admin gives:agent",
        "roles:admin gives:agent gives:supervisor had:agent",
    ]
    assert world.told("done", delete) == ["roles:admin had:agent had:supervisor"]
    assert world.told("failed", put) == ["unknown_role"]
    assert CARD not in world.audit.everything().decode()


async def test_who_asks_for_more_than_they_have_is_denied_on_record_and_not_failed(
    tmp_path: Path,
) -> None:
    """What the handler alone can see is a denial like the row's; what is not there is none."""
    async with world_in(tmp_path) as world:
        refused = await world.http.put(EVE, json={"roles": ["provisioner"]})
        assert refused.status_code == 403, refused.text
        own = await world.http.put(
            f"/admin/roles/assignments/{ADMIN.subject}", json={"roles": ["agent"]}
        )
        assert own.status_code == 403
        assert (await world.http.delete(EVE)).status_code == 404
    put, delete = (
        "PUT /admin/roles/assignments/{subject}",
        "DELETE /admin/roles/assignments/{subject}",
    )
    assert world.told("denied", put) == ["forbidden", "forbidden"]
    assert world.told("failed", put) == []
    assert world.told("failed", delete) == ["not_found"]


async def test_a_keys_id_and_all_that_it_may_do_are_on_record(tmp_path: Path) -> None:
    async with world_in(tmp_path) as world:
        body = {"name": CARD, "roles": ["agent"], "scopes": ["chat:create"], "expires_in_s": 60}
        made = (await world.http.post("/admin/keys", json=body)).json()
        one = f"/admin/keys/{made['id']}"
        new = (await world.http.post(f"{one}/rotate", json={"overlap_s": 0})).json()
        await world.http.delete(f"/admin/keys/{new['id']}")
        unknown = {"name": "x", "roles": [CARD], "scopes": [CARD]}
        assert (await world.http.post("/admin/keys", json=unknown)).status_code == 422
        listed = (await world.http.get("/admin/keys")).json()["keys"]
    gives = "roles:admin gives:agent scope:chat:create expires_in_s:60"
    assert world.told("begun", "POST /admin/keys") == [gives, "roles:admin"]
    assert world.told("done", "POST /admin/keys") == [f"{gives} key:{made['id']}"]
    assert world.told("done", "POST /admin/keys/{id}/rotate") == [
        f"roles:admin overlap_s:0 key:{new['id']} replaces:key:{made['id']}"
    ]
    assert world.told("done", "DELETE /admin/keys/{id}") == [f"roles:admin key:{new['id']}"]
    assert CARD not in world.audit.everything().decode()
    # Whose a key is can be seen where keys are.
    assert {row["owner"] for row in listed} == {ADMIN.person}


async def test_which_breaker_is_held_how_is_on_record_and_nothing_of_one_that_is_none(
    tmp_path: Path,
) -> None:
    async with world_in(tmp_path) as world:
        for target, state in (("openai", "open"), ("openai", "auto"), (CARD, "open")):
            body = {"target": target, "state": state, "reason": CARD}
            await world.http.post("/admin/platforms/breaker", json=body)
    told = ["roles:admin openai:open", "roles:admin openai:auto"]
    assert world.told("begun", "POST /admin/platforms/breaker") == [*told, "roles:admin"]
    assert world.told("done", "POST /admin/platforms/breaker") == told
    assert CARD not in world.audit.everything().decode()


async def test_words_are_on_disk_with_the_intent_and_what_is_no_word_of_ours_is_a_pseudonym(
    tmp_path: Path,
) -> None:
    """The last line, should a handler ever pass on what a caller wrote."""
    async with world_in(tmp_path) as world:
        said = "ann@example.org wrote"
        await world.http.put("/admin/noted", json={"message": said})
    begun, done = (world.told(outcome, "PUT /admin/noted")[0] for outcome in ("begun", "done"))
    assert begun.startswith("roles:admin amount:5 ")
    assert done == f"{begun} late"
    assert "ann" not in world.audit.everything().decode()


async def test_words_without_end_are_cut_and_the_cut_is_said(tmp_path: Path) -> None:
    """A line of the log has a bound."""
    audit = AuditWorld(tmp_path)
    async with audit.trail() as trail:
        words = tuple(f"word:{'x' * 100}{number}" for number in range(100))
        await trail.commit(ADMIN, Deed("test.many", "stated", reason="roles:admin", words=words))
    (reason,) = [str(row["reason"]) for row in audit.records() if row["action"] == "test.many"]
    kept = reason.split(" ")
    assert len(reason) < 2_200
    assert kept[-1] == f"more:{100 - (len(kept) - 2)}"


async def test_what_cannot_be_put_on_record_with_its_words_is_not_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world_in(tmp_path) as world:

        async def full(self: Trail, principal: Principal, deed: Deed) -> None:
            raise AuditUnavailable("the disk is full")

        with monkeypatch.context() as patched:
            patched.setattr(Trail, "commit", full)
            refused = await world.http.put(EVE, json={"roles": ["agent"]})
        assert refused.status_code == 503
        assert (await world.http.get(EVE)).status_code == 404
