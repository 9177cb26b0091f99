"""/v3/users/{user_id}/data and /admin/holds: for who may, of their own tenant, and on record."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import orjson
import pytest
from starlette.requests import Request

from actors.database import Database
from actors.memory import Memory
from config.retention import RetentionSettings
from deployments.ingress import api
from deployments.ingress.user_data import UserDataRoutes
from deployments.security.principal import Principal
from deployments.user_data.desk import UserDataDesk
from deployments.user_data.erasing import ERASED
from routing.clock import ManualClock
from tests.audit_world import AuditWorld
from tests.people_world import ANN, EVERYBODY, everything

PERMISSIONS = frozenset({"users:erase", "users:export_own", "users:hold", "customers:any"})
OWN = frozenset({"users:export_own"})
ADMIN = Principal("acme", "key:0123456789abcdef", permissions=PERMISSIONS)


@asynccontextmanager
async def asking(
    database: Database, memory: Memory, audit: AuditWorld, principal: Principal = ADMIN
) -> AsyncIterator[httpx2.AsyncClient]:
    async def authenticate(request: Request) -> Principal:
        return principal

    clock = ManualClock()
    async with audit.trail() as trail:
        desk = UserDataDesk(database, database, memory.erasure, RetentionSettings(), trail, clock)
        table = UserDataRoutes(desk, "eu", clock).operations()
        app = api.application(table, authenticate, PERMISSIONS, 1_000, trail)
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://t") as http:
            yield http


async def test_an_export_comes_whole_over_http(
    database: Database, memory: Memory, audit: AuditWorld
) -> None:
    async with asking(database, memory, audit) as http:
        answer = await http.get(f"/v3/users/{ANN.user}/data")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    *lines, last = answer.content.splitlines(keepends=True)
    told = orjson.loads(last)["manifest"]
    assert told["sha256"] == hashlib.sha256(b"".join(lines)).hexdigest()


async def test_an_erasure_answers_with_its_counts_and_where_they_are_on_record(
    database: Database, memory: Memory, audit: AuditWorld
) -> None:
    async with asking(database, memory, audit) as http:
        answer = await http.delete(f"/v3/users/{ANN.user}/data")
        again = (await http.delete(f"/v3/users/{ANN.user}/data")).json()
    body = answer.json()
    assert answer.status_code == 200
    assert body["region"] == "eu"
    assert (body["complete"], body["state"]) == (True, "settling")
    assert body["erased"]["turns"] == 1
    assert body["kept"]["invoices"] == {
        "records": 1,
        "why": "Amounts that accounts must keep; whose they were is replaced by a pseudonym.",
    }
    assert (again["erased"], again["kept"]) == (body["erased"], body["kept"])
    # Under whose request it is on record, and not under the one that only asked again.
    assert again["proof"] == body["proof"]
    told = orjson.dumps(
        {"erased": body["erased"], "kept": body["kept"]}, option=orjson.OPT_SORT_KEYS
    )
    digest = hashlib.sha256(told).hexdigest()
    assert body["proof"] == {
        "request_id": answer.headers["x-supportmax-request"], "action": ERASED, "sha256": digest,
    }  # fmt: skip
    mine = [
        (record["action"], record["outcome"], record["reason"])
        for record in audit.records()
        if record["request"] == body["proof"]["request_id"]
    ]
    assert mine[0][:2] == ("DELETE /v3/users/{user_id}/data", "begun")
    assert (ERASED, "done", f"sha256:{digest}") in mine
    assert mine[-1][:2] == ("DELETE /v3/users/{user_id}/data", "done")


async def test_who_may_only_have_their_own_gets_their_own_and_nobody_elses(
    database: Database, memory: Memory, audit: AuditWorld
) -> None:
    customer = Principal("acme", ANN.user, permissions=OWN)
    async with asking(database, memory, audit, customer) as http:
        assert (await http.get(f"/v3/users/{ANN.user}/data")).status_code == 200
        assert (await http.get("/v3/users/bob-8e/data")).status_code == 404
        assert (await http.delete(f"/v3/users/{ANN.user}/data")).status_code == 403
        assert (await http.put(f"/admin/holds/{ANN.user}")).status_code == 403


@pytest.mark.parametrize(
    ("caller", "user"),
    [
        (Principal("acme", ANN.user, permissions=PERMISSIONS), ANN.user),
        (Principal("acme", ANN.user, permissions=PERMISSIONS), ANN.user.swapcase()),
        (Principal("acme", "key:1", permissions=PERMISSIONS, owner=ANN.user), ANN.user),
        (ADMIN, ADMIN.subject),
        (ADMIN, "key:of-somebody-else"),
        (ADMIN, "os:0"),
    ],
    ids=[
        "oneself",
        "oneself in capitals",
        "the maker of the key",
        "the key itself",
        "another key",
        "the machine",
    ],
)
async def test_nobody_erases_what_says_that_they_did_it(
    database: Database, memory: Memory, audit: AuditWorld, caller: Principal, user: str
) -> None:
    """Or who asked for a call could approve it, and repeat what was done under a key."""
    before = await everything(database)
    async with asking(database, memory, audit, caller) as http:
        refused = await http.delete(f"/v3/users/{user}/data")
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert await everything(database) == before
    said = [record["outcome"] for record in audit.records() if "data" in str(record["action"])]
    assert said == ["begun", "denied"]


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_another_tenants_person_and_nobody_are_told_apart_by_nothing(
    database: Database, memory: Memory, audit: AuditWorld, method: str
) -> None:
    before = await everything(database)
    stranger = Principal("initech", ADMIN.subject, permissions=PERMISSIONS)
    async with asking(database, memory, audit, stranger) as http:
        answers = [
            await http.request(method, f"/v3/users/{user}/data")
            for user in (*(one.user for one in EVERYBODY), "nobody", "x" * 513)
        ]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1
    assert await everything(database) == before


async def test_somebody_whose_id_has_a_slash_is_reached_by_it(
    database: Database, memory: Memory, audit: AuditWorld
) -> None:
    """As base64 has it, which is what some providers call people by; written as %2F, or as it is."""
    async with asking(database, memory, audit) as http:
        for written in ("adfs:ab%2Fcd+e%3D%3D", "adfs:ab/cd+e=="):
            hold = f"/admin/holds/{written}"
            placed = await http.put(hold)
            assert (placed.status_code, placed.json()["user_id"]) == (200, "adfs:ab/cd+e==")
            data = f"/v3/users/{written}/data"
            assert (await http.delete(data)).json()["code"] in {"legal_hold", "not_found"}
            assert (await http.get(data)).json()["code"] == "not_found"
            assert (await http.delete(hold)).json()["lifted"] is True
        mine = Principal("acme", "adfs:ab/cd", permissions=OWN)
    async with asking(database, memory, audit, mine) as http:
        assert (await http.delete("/v3/users/adfs:ab%2Fcd/data")).status_code == 403
        # Nobody is called nothing, and what only looks like the row is none.
        for nobodys in ("/v3/users//data", "/v3/users/data"):
            assert (await http.get(nobodys)).status_code == 404


async def test_a_hold_is_placed_shown_kept_to_and_lifted(
    database: Database, memory: Memory, audit: AuditWorld
) -> None:
    hold, data = f"/admin/holds/{ANN.user}", f"/v3/users/{ANN.user}/data"
    async with asking(database, memory, audit) as http:
        assert (await http.get(hold)).status_code == 404
        placed = (await http.put(hold)).json()
        assert placed["placed_by"] == ADMIN.subject
        assert (await http.get(hold)).json() == placed == (await http.put(hold)).json()
        refused = await http.delete(data)
        assert (refused.status_code, refused.json()["code"]) == (409, "legal_hold")
        assert (await http.delete(hold)).json() == {"user_id": ANN.user, "lifted": True}
        assert (await http.delete(hold)).status_code == 404
        assert (await http.delete(data)).status_code == 200
        late = await http.put(hold)
        assert (late.status_code, late.json()["code"]) == (409, "being_erased")


async def test_where_nothing_can_be_put_on_record_nothing_is_shown_or_erased(
    database: Database, memory: Memory, audit: AuditWorld
) -> None:
    audit.root.rmdir()
    audit.root.write_text("not a folder")
    before = await everything(database)
    async with asking(database, memory, audit) as http:
        for method in ("GET", "DELETE"):
            answer = await http.request(method, f"/v3/users/{ANN.user}/data")
            assert (answer.status_code, answer.json()["code"]) == (503, "audit_unavailable")
    assert await everything(database) == before
