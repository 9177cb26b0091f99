"""Searching: rows follow the chains by themselves, and a tenant's auditor sees that tenant alone."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import orjson
import pytest
from starlette.requests import Request

from actors.audit import AuditRecord
from actors.audit.indexing import Indexing, index_all, index_chain
from actors.database import Database, open_database
from actors.database.audit_events import AuditEvents, AuditQuery
from deployments.ingress import api
from deployments.ingress.audit import NEXT, AuditRoutes
from deployments.ingress.routes import Operation
from deployments.security.principal import Principal
from deployments.security.trail import Trail
from tests.audit_world import AuditWorld

MAY = frozenset({"audit:read"})
EVERYTHING = AuditQuery()


@pytest.fixture
def world(tmp_path: Path) -> AuditWorld:
    return AuditWorld(tmp_path)


@pytest.fixture(params=["sqlite", "postgresql"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    where = tmp_path / "audit.db" if request.param == "sqlite" else None
    database = open_database(where or request.getfixturevalue("postgres_server"))
    await database.migrate()
    yield database
    await database.aclose()


def said(world: AuditWorld, number: int, tenant: str, outcome: str = "done") -> AuditRecord:
    at_ms = int(world.clock.now() * 1000) + number
    return AuditRecord(
        at_ms, tenant, f"PUT /admin/{number % 3}", outcome,  # type: ignore[arg-type]
        subject=f"key:{number % 2}", object=world.keys.pseudonym(f"budget-{number}"),
    )  # fmt: skip


def written(world: AuditWorld, count: int = 12) -> None:
    """Records of two tenants and of nobody's, in two chains of several files."""
    for name in ("node-one", "node-two"):
        chain = world.chain(name, file_max=2_000)
        for number in range(count):
            chain.append([said(world, number, tenant) for tenant in ("acme", "rival", "")])
        chain.close()
    world.clock.advance(60)


async def test_rows_are_brought_up_to_the_chains_and_a_second_time_changes_nothing(
    world: AuditWorld, database: Database
) -> None:
    """Over files and chains, from where they were read to; also by two at once."""
    events = AuditEvents(database)
    written(world)
    await asyncio.gather(index_all(world.root, events), index_all(world.root, events))
    assert await index_all(world.root, events) == 0
    assert len(await events.search("acme", EVERYTHING, None, 1000)) == 24
    chain = world.chain("node-one")
    chain.append([said(world, 99, "acme")])
    chain.close()
    assert await index_all(world.root, events) == 2
    assert len(await events.search("acme", EVERYTHING, None, 1000)) == 25


async def test_what_is_not_sealed_is_not_found(world: AuditWorld, database: Database) -> None:
    """A write under way may yet be undone."""
    events = AuditEvents(database)
    chain = world.chain()
    chain.append([said(world, 1, "acme")])
    chain.close()
    lines = world.file().read_bytes().splitlines(keepends=True)
    world.file().write_bytes(b"".join(lines[:-1]))
    await index_chain(world.root / "node-test-1", events)
    assert await events.search("acme", EVERYTHING, None, 10) == []


async def test_a_process_indexes_what_it_writes(world: AuditWorld, database: Database) -> None:
    """And what others of this machine left, when it begins."""
    events = AuditEvents(database)
    written(world, 2)
    log = world.log()
    indexing = Indexing(log, world.root, events, world.clock)
    indexing.start()
    await log.commit(said(world, 7, "acme"))
    async with asyncio.timeout(10):
        while len(await events.search("acme", EVERYTHING, None, 10)) < 5:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    await log.aclose()
    await indexing.aclose()
    [last] = await events.search("", AuditQuery(action="audit.closed"), None, 1)
    assert last.chain == "node-test-3"


async def test_old_rows_go_and_the_chains_keep_theirs(
    world: AuditWorld, database: Database
) -> None:
    """What is searched is bounded; what is kept is not ours to delete."""
    events = AuditEvents(database)
    written(world, 3)
    await index_all(world.root, events)
    gone = await events.prune(int(world.clock.now() * 1000))
    assert gone == 3 * 3 * 2 + 2
    assert await events.search(None, EVERYTHING, None, 10) == []
    assert world.faults() == []


@pytest.fixture
async def http(world: AuditWorld, tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    database = open_database(tmp_path / "http.db")
    await database.migrate()
    events = AuditEvents(database)
    written(world)
    await index_all(world.root, events)

    async def authenticate(request: Request) -> Principal:
        return Principal(request.headers["x-tenant"], "key:auditor", frozenset(), MAY)

    async with world.trail() as trail:
        app = api.application(_rows(events, trail, world), authenticate, MAY, 1_000)
        transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(
            transport=transport, base_url="http://supportmax", headers={"x-tenant": "acme"}
        ) as client:
            yield client
    await database.aclose()


def _rows(events: AuditEvents, trail: Trail, world: AuditWorld) -> list[Operation]:
    return AuditRoutes(events, trail, world.clock).operations()


async def pages(http: httpx2.AsyncClient, **asked: str) -> AsyncIterator[dict[str, object]]:
    cursor: dict[str, str] = {}
    while True:
        answer = (await http.get("/v3/audit", params={**asked, **cursor})).json()
        for row in answer["records"]:
            yield row
        if answer["next"] is None:
            return
        cursor = {"cursor": answer["next"]}


async def test_pages_follow_one_another_without_a_gap_or_a_double(http: httpx2.AsyncClient) -> None:
    """Newest first, also where many records have one millisecond and page ends fall anywhere."""
    for limit in ("1", "5", "24", "1000"):
        rows = [row async for row in pages(http, limit=limit)]
        assert len(rows) == 24
        assert len({row["id"] for row in rows}) == 24
        assert [row["at"] for row in rows] == sorted((row["at"] for row in rows), reverse=True)  # type: ignore[type-var]


async def test_filters_find_what_they_say(http: httpx2.AsyncClient, world: AuditWorld) -> None:
    """By action, subject, outcome, time, and an object by the name that is nowhere in the log."""
    begun = world.clock.now() - 60
    moment = f"2026-01-01T00:00:00.0{5:02}Z"
    assert begun == 1_767_225_600.0
    for asked, count in (
        ({"action": "PUT /admin/1"}, 8),
        ({"subject": "key:1"}, 12),
        ({"outcome": "denied"}, 0),
        ({"object": "budget-3"}, 2),
        ({"object": "budget-33"}, 0),
        ({"since": moment}, 14),
        ({"until": moment, "subject": "key:0"}, 6),
    ):
        assert len([row async for row in pages(http, **asked)]) == count, asked


async def test_an_auditor_sees_their_own_tenant_whatever_they_ask(http: httpx2.AsyncClient) -> None:
    """Not by a cursor of another tenant's page, and not what belongs to nobody."""
    theirs = (await http.get("/v3/audit?limit=3", headers={"x-tenant": "rival"})).json()
    mine = (await http.get("/v3/audit", params={"cursor": theirs["next"], "limit": "1000"})).json()
    assert {row["id"] for row in mine["records"]}.isdisjoint(row["id"] for row in theirs["records"])
    everything = (await http.get("/v3/audit?limit=1000")).json()["records"]
    assert len(everything) == 24
    assert not {row["id"] for row in mine["records"]} - {row["id"] for row in everything}
    assert (await http.get("/v3/audit", headers={"x-tenant": "new"})).json()["records"] == []
    refused = await http.get("/v3/audit?tenant=rival")
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")


SPOILT = [
    "x", "W10=", "bnVsbA==", "WzEsMiwzXQ==", "WzFlOTksICJhIiwgMV0=", "é",
    "WzE3NjcyMjU2MDAwMDAsICJhIiwgdHJ1ZV0=", "WzE3NjcyMjU2MDAwMDAwMDAwMDAwMDAwMDAsICJhIiwgMV0=",
]  # fmt: skip


@pytest.mark.parametrize("cursor", SPOILT)
async def test_a_cursor_that_is_none_is_refused(http: httpx2.AsyncClient, cursor: str) -> None:
    """With 422, never a 500."""
    answer = await http.get("/v3/audit", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


@pytest.mark.parametrize(
    "asked", [{"limit": "0"}, {"limit": "1001"}, {"limit": "x"}, {"since": "soon"},
              {"outcome": "good"}, {"format": "xml"}],
)  # fmt: skip
async def test_what_cannot_be_meant_is_refused(
    http: httpx2.AsyncClient, asked: dict[str, str]
) -> None:
    """And says where."""
    assert (await http.get("/v3/audit", params=asked)).status_code == 422


async def test_the_export_has_what_the_schema_requires(http: httpx2.AsyncClient) -> None:
    """OCSF 1.6: of API Activity actor, api and source; type_uid is the class and the activity."""
    answer = await http.get("/v3/audit", params={"format": "ocsf", "limit": "10"})
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.headers[NEXT]
    events = [orjson.loads(line) for line in answer.content.splitlines()]
    assert len(events) == 10
    for event in events:
        assert event["class_uid"] == 6003
        assert event["category_uid"] == 6
        assert event["type_uid"] == 600303
        assert event["metadata"]["version"] == "1.6.0"
        assert event["metadata"]["tenant_uid"] == "acme"
        assert event["metadata"]["product"]["name"]
        assert {"actor", "api", "src_endpoint", "severity_id", "time"} <= set(event)
        assert event["api"]["operation"].startswith("PUT ")
        assert event["actor"]["user"]["uid"].startswith("key:")


async def test_a_chain_somebody_wrote_into_keeps_no_other_from_being_found(
    world: AuditWorld, database: Database
) -> None:
    """An entry without its number, or of no kind: `verify` says what is wrong, the others are sought."""
    events = AuditEvents(database)
    written(world)
    for name, member in (("node-one-1", b'"n":'), ("node-two-2", b'"k":')):
        path = world.file(chain=name)
        path.write_bytes(path.read_bytes().replace(member, b'"x":', 1))
    chain = world.chain("node-zero")
    chain.append([said(world, 1, "acme")])
    chain.close()
    assert await index_all(world.root, events) > 0
    assert len(await events.search("acme", EVERYTHING, None, 1000)) == 1
