"""Requests on record: the decision with its reason, before a change and after everything else."""

import asyncio
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import Response
from typing_extensions import override

from actors.audit import AuditUnavailable
from actors.sealing.errors import ClearRefused
from deployments.ingress.route_audit import is_change
from deployments.ingress.routes import Call
from deployments.security.principal import Principal
from deployments.security.request_ids import REQUEST_ID
from deployments.security.trail import STRANGERS_PER_MINUTE, Deed, Trail
from tests.audit_world import AuditWorld
from tests.unit.ingress.audit_table import KEY, Table
from tests.unit.ingress.test_routes import the_real_table

ASK = {"message": "hello"}


@pytest.fixture
def world(tmp_path: Path) -> AuditWorld:
    return AuditWorld(tmp_path)


def test_every_change_an_administrator_makes_is_one_that_must_be_on_record() -> None:
    """By the rule, not by a list somebody forgets to extend."""
    watched = {f"{op.method} {op.path}" for op in the_real_table() if is_change(op)}
    assert watched >= {
        "PUT /admin/budgets/{id}", "DELETE /admin/budgets/{id}", "POST /admin/platforms/breaker",
    }  # fmt: skip
    for op in the_real_table():
        changes = op.method != "GET" and op.path.startswith("/admin/")
        assert is_change(op) or not changes, f"{op.method} {op.path}"


def test_every_change_that_is_told_something_says_on_record_what() -> None:
    """Before it begins; what a directory's provider changes is said by whoever changed it."""
    for op in the_real_table():
        if is_change(op) and op.body is not None and not op.path.startswith("/scim/v2/"):
            assert op.intent is not None, f"{op.method} {op.path}"


async def test_a_decision_is_recorded_with_its_permission_and_its_reason(world: AuditWorld) -> None:
    """Allowed by which role, denied for want of which permission, refused because nobody is known."""
    table = Table()
    async with world.trail() as trail, table.client(trail) as http:
        good = await http.get("/v3/things/dec_0123456789abcdef01234567")
        await http.get("/v3/things/1", headers={"authorization": "Bearer nothing"})
        await http.get("/v3/things/1", headers={"authorization": "Bearer no"})
        await http.get("/healthz")
    told = [
        (row["tenant"], row["subject"], row["credential"], row["outcome"], row["permission"],
         row["reason"], row["status"])
        for row in world.records()
        if row["action"] == "GET /v3/things/{id}"
    ]  # fmt: skip
    assert told == [
        ("acme", KEY, "api_key", "done", "platforms:read", "roles:admin", 200),
        ("acme", KEY, "api_key", "denied", "platforms:read", "forbidden", 403),
        ("", "", "none", "denied", "platforms:read", "unauthenticated", 401),
    ]
    first = next(row for row in world.records() if row["outcome"] == "done")
    assert first["object"] == "dec_0123456789abcdef01234567"
    assert first["request"] == good.headers[REQUEST_ID]
    assert not any("healthz" in str(row["action"]) for row in world.records())


async def test_a_permission_that_a_constraint_withholds_is_denied_with_the_reason(
    world: AuditWorld,
) -> None:
    """So whoever reads the log can tell it from one that nobody gave."""

    class Withheld(Table):
        @override
        async def authenticate(self, request: Request) -> Principal:
            return Principal(
                "acme", KEY, frozenset({"admin"}), withheld={"platforms:read": "sign_on_too_old"}
            )

    async with world.trail() as trail, Withheld().client(trail) as http:
        assert (await http.get("/v3/things/1")).status_code == 403
    reasons = [row["reason"] for row in world.records() if row["outcome"] == "denied"]
    assert reasons == ["withheld:sign_on_too_old"]


async def test_a_text_in_clear_that_is_refused_is_on_record_with_its_place(
    world: AuditWorld,
) -> None:
    """The caller is told that something is wrong, and neither what nor where."""

    class Planted(Table):
        @override
        async def handler(self, call: Call) -> Response:
            raise ClearRefused("acme", "turn.text")

    async with world.trail() as trail, Planted().client(trail) as http:
        answer = await http.get("/v3/things/1")
    assert (answer.status_code, answer.json()["code"]) == (500, "clear_refused")
    assert "turn" not in answer.text
    rows = [row for row in world.records() if row["action"] == "GET /v3/things/{id}"]
    told = [(row["outcome"], row["reason"], row["status"]) for row in rows]
    assert told == [("failed", "clear_refused:turn.text", 500)]


async def test_a_change_is_on_disk_before_it_begins_and_its_end_follows(world: AuditWorld) -> None:
    """Under one request id, in this order."""
    table = Table()
    async with world.trail() as trail, table.client(trail) as http:
        answer = await http.put("/admin/things/one", json=ASK)
        begun = [row for row in world.records() if row["outcome"] == "begun"]
        assert [row["request"] for row in begun] == [answer.headers[REQUEST_ID]]
    rows = [row for row in world.records() if row["request"] == answer.headers[REQUEST_ID]]
    assert [(row["outcome"], row["status"]) for row in rows] == [("begun", 0), ("done", 200)]


async def test_when_it_cannot_be_recorded_a_change_is_not_made_and_a_chat_is(
    world: AuditWorld,
) -> None:
    """503 with a code, the handler never called; and all goes on as soon as it can be."""
    table = Table()
    async with world.trail() as trail, table.client(trail) as http:
        away = world.root.with_name("away")
        world.root.rename(away)
        for method in ("PUT", "DELETE"):
            sent = ASK if method == "PUT" else None
            answer = await http.request(method, "/admin/things/one", json=sent)
            assert (answer.status_code, answer.json()["code"]) == (503, "audit_unavailable")
            assert str(world.root) not in answer.text
            assert int(answer.headers["retry-after"]) > 0
        assert table.done == []
        assert (await http.post("/v3/chat", json=ASK)).status_code == 200
        assert (await http.get("/v3/things/1")).status_code == 200
        assert table.done == ["POST", "GET"]
        away.rename(world.root)
        assert (await http.put("/admin/things/one", json=ASK)).status_code == 200
    actions = [row["action"] for row in world.records() if row["tenant"]]
    assert actions == [
        "POST /v3/chat", "GET /v3/things/{id}", "PUT /admin/things/{id}", "PUT /admin/things/{id}",
    ]  # fmt: skip


async def test_a_change_that_goes_wrong_is_recorded_as_begun_and_failed(world: AuditWorld) -> None:
    """By the code of its error, never by its words."""
    table = Table()
    async with world.trail() as trail, table.client(trail) as http:
        await http.put("/admin/things/one", json={"message": "refuse this"})
        await http.put("/admin/things/one", json={"message": "break this"})
        await http.put("/admin/things/one", json={"colour": "blue"})
    told = [(row["outcome"], row["reason"]) for row in world.records() if row["tenant"]]
    assert told == [
        ("begun", "roles:admin"), ("failed", "invalid_request"),
        ("begun", "roles:admin"), ("failed", "internal_error"),
        ("failed", "invalid_request"),
    ]  # fmt: skip


async def test_strangers_do_not_fill_the_disk(world: AuditWorld) -> None:
    """What callers nobody knows try is recorded one by one up to a bound, then as a number."""
    async with world.trail() as trail:
        nobody = Principal("", "")
        for _ in range(STRANGERS_PER_MINUTE + 250):
            trail.note(nobody, Deed("POST /v3/chat", "denied", reason="unauthenticated"))
        await trail.commit(nobody, Deed("POST /auth/sso/login", "begun"))
        world.clock.advance(61)
        trail.note(nobody, Deed("POST /v3/chat", "denied", reason="unauthenticated"))
    rows = world.records()
    assert sum(row["action"] == "POST /v3/chat" for row in rows) == STRANGERS_PER_MINUTE + 1
    assert [row["count"] for row in rows if row["action"] == "audit.strangers"] == [251]


async def test_strangers_who_knock_at_a_tenants_provider_do_not_fill_the_disk(
    world: AuditWorld,
) -> None:
    """A refused sign-on is in the tenant's name, and still anybody's to cause."""
    async with world.trail() as trail:
        for _ in range(STRANGERS_PER_MINUTE + 50):
            trail.sign_on_refused("acme", "entra", "malformed")
        somebody = Principal("acme", "key:1")
        trail.note(somebody, Deed("GET /v3/budgets", "done"))
    actions = [row["action"] for row in world.records()]
    assert actions.count("auth.sign_on") == STRANGERS_PER_MINUTE
    assert "GET /v3/budgets" in actions


async def test_of_strangers_beyond_the_bound_nothing_is_begun_that_cannot_be_recorded(
    world: AuditWorld,
) -> None:
    """A flood does not open what a full disk closes."""
    nobody, begun = Principal("", ""), Deed("POST /auth/sso/login", "begun")
    async with world.trail() as trail:
        for _ in range(STRANGERS_PER_MINUTE):
            trail.note(nobody, begun)
        away = world.root.with_name("away")
        world.root.rename(away)
        for who in (Principal("acme", "key:1"), nobody):
            with pytest.raises(AuditUnavailable):
                await trail.commit(who, begun)
        away.rename(world.root)


async def test_sign_on_is_on_record_before_there_is_a_session(world: AuditWorld) -> None:
    """And refused where it cannot be; who was not let in, and who left, is recorded all the same."""
    somebody = Principal("acme", "entra:1b4e28ba-2fa1-11d2-883f-0016d3cca427")
    async with world.trail() as trail:
        await trail.signed_on(somebody, "entra")
        trail.sign_on_refused("acme", "entra", "nonce")
        trail.signed_off(somebody, "entra")
    told = [(row["action"], row["outcome"], row["subject"]) for row in world.records()][1:-1]
    assert told == [
        ("auth.sign_on", "done", somebody.subject),
        ("auth.sign_on", "denied", ""),
        ("auth.sign_off", "done", somebody.subject),
    ]


async def test_a_name_that_is_not_ours_is_a_pseudonym_and_can_be_sought(world: AuditWorld) -> None:
    """The same each time; only who knows the name finds it."""
    async with world.trail() as trail:
        trail.note(Principal("acme", "okta:ann@acme.test"), Deed("X", "done", "ann@acme.test"))
        assert isinstance(trail, Trail)
        sought = trail.sought("ann@acme.test")
    row = world.records()[1]
    assert row["object"] in sought
    assert str(row["object"]).startswith("h:")
    assert row["subject"] != row["object"]
    assert b"ann" not in world.everything()


async def test_two_requests_at_once_keep_their_own_ids(world: AuditWorld) -> None:
    """The id travels with the request and not with the process."""
    table = Table()
    async with world.trail() as trail, table.client(trail) as http:
        answers = await asyncio.gather(
            *(http.put(f"/admin/things/{n}", json=ASK) for n in range(20))
        )
    ids = [answer.headers[REQUEST_ID] for answer in answers]
    assert len(set(ids)) == 20
    recorded = [str(row["request"]) for row in world.records() if row["tenant"]]
    assert sorted(recorded) == sorted(ids * 2)
