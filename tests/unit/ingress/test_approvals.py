"""/v3/approvals over a real desk: what is shown to whom, and what a human's word sets going."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from starlette.requests import Request

from deployments.ingress import api
from deployments.ingress.approval_schema import ApprovalList, ApprovalRow
from deployments.ingress.approvals import ApprovalRoutes
from deployments.ingress.gateway_operations import approval_operations
from deployments.mcp_gateway.business.approval_queue import LIVES_S
from deployments.security.principal import Principal
from routing.errors import AccessError
from routing.message import Json
from tests.unit.tools.desk import ROLES, Desk, calling, opened, person, said

LARGE: dict[str, Json] = {"invoice_id": "INV-2026-0001", "reason": "GOODWILL", "amount_usd": 500.5}


async def authenticate(request: Request) -> Principal:
    """The key says role, name and tenant."""
    role, _, rest = request.headers.get("x-api-key", "").partition(".")
    name, _, tenant = rest.partition(".")
    if role not in ROLES.grants:
        raise AccessError("unauthenticated", "no key")
    return person(role, name, tenant or "northwind")


@dataclass
class World:
    desk: Desk
    client: httpx2.AsyncClient

    async def get(self, path: str, key: str = "supervisor.sue") -> httpx2.Response:
        return await self.client.get(path, headers={"x-api-key": key})

    async def say(self, path: str, body: Any, key: str = "supervisor.sue") -> httpx2.Response:
        return await self.client.post(path, json=body, headers={"x-api-key": key})

    async def waiting(self) -> str:
        outcome = await self.desk.call(calling(customer="user_128"), "refund_invoice", LARGE)
        assert outcome.needs_approval is not None
        return f"/v3/approvals/{outcome.needs_approval.id}"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with opened(tmp_path / "desk.db") as desk:
        routes = ApprovalRoutes(desk.approvals, desk.gateway, desk.clock)
        app = api.application(approval_operations(routes), authenticate, ROLES.permissions, 10_000)
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://t") as client:
            yield World(desk, client)


async def test_what_waits_is_shown_exactly_as_it_will_run(world: World) -> None:
    path = await world.waiting()
    body = (await world.get("/v3/approvals?state=waiting")).json()
    Draft202012Validator(ApprovalList.model_json_schema(mode="serialization")).validate(body)
    (row,) = body["approvals"]
    assert row["arguments"] == LARGE
    assert (row["tool"], row["user_id"], row["requested_by"], row["state"], row["outcome"]) == (
        "tools__refund_invoice", "user_128", "key:ann", "waiting", None,
    )  # fmt: skip
    assert (await world.get(path)).json() == row


async def test_approving_makes_the_call_once_and_answers_with_what_came_of_it(
    world: World,
) -> None:
    path = await world.waiting()
    first = await world.say(path, {"decision": "approve"})
    assert first.status_code == 200
    row = first.json()
    Draft202012Validator(ApprovalRow.model_json_schema(mode="serialization")).validate(row)
    assert (row["state"], row["decided_by"]) == ("approved", "key:sue")
    assert not row["outcome"]["is_error"]
    assert row["outcome"]["result"]["refunded_usd"] == 500.5
    assert (await world.say(path, {"decision": "approve"})).json() == row
    assert (await world.say(path, {"decision": "approve"}, "admin.ada")).json() == row
    assert await world.desk.refunded_cents("INV-2026-0001") == 50_050
    caller = await world.desk.call(calling(customer="user_128"), "refund_invoice", LARGE)
    assert said(caller) == row["outcome"]["result"]
    assert (await world.get(path, "agent.ann")).json() == row


async def test_a_refusal_of_the_tool_is_kept_as_the_outcome(world: World) -> None:
    """What could be refunded when it was asked for went back meanwhile."""
    path = await world.waiting()
    arguments: dict[str, Json] = {
        "invoice_id": "INV-2026-0001",
        "reason": "DUP",
        "amount_usd": 1600,
    }
    admin = calling("admin", "user_128", "ada")
    said(await world.desk.call(admin, "refund_invoice", arguments))
    row = (await world.say(path, {"decision": "approve"}, "admin.ada")).json()
    assert row["outcome"]["is_error"]
    assert row["outcome"]["result"]["code"] == "more_than_was_paid"
    assert await world.desk.refunded_cents("INV-2026-0001") == 160_000


async def test_denying_makes_nothing_and_another_word_is_a_conflict(world: World) -> None:
    path = await world.waiting()
    denied = await world.say(path, {"decision": "deny"})
    assert denied.json()["state"] == "denied"
    assert (await world.say(path, {"decision": "deny"})).json() == denied.json()
    other = await world.say(path, {"decision": "approve"})
    assert (other.status_code, other.json()["code"]) == (409, "approval_decided")
    assert await world.desk.refunded_cents("INV-2026-0001") == 0


async def test_too_late_is_a_conflict(world: World) -> None:
    path = await world.waiting()
    world.desk.clock.advance(LIVES_S + 1)
    late = await world.say(path, {"decision": "approve"})
    assert (late.status_code, late.json()["code"]) == (409, "approval_expired")
    assert (await world.get(path)).json()["state"] == "expired"
    assert len((await world.get("/v3/approvals?state=expired")).json()["approvals"]) == 1


@pytest.mark.parametrize(
    ("key", "status"),
    [("agent.bob", 403), ("agent.ann", 403), ("service.bot", 403), ("customer.user_128", 403),
     ("nobody", 401), ("admin.ada.other", 404)],
)  # fmt: skip
async def test_who_may_not_decide_does_not(world: World, key: str, status: int) -> None:
    path = await world.waiting()
    for decision in ("approve", "deny"):
        refused = await world.say(path, {"decision": decision}, key)
        assert refused.status_code == status
    assert (await world.get(path)).json()["state"] == "waiting"
    assert await world.desk.refunded_cents("INV-2026-0001") == 0


async def test_who_asked_does_not_approve_even_with_the_permission(world: World) -> None:
    own = calling("supervisor", "user_128", "sue")
    asked = LARGE | {"amount_usd": 1500}
    approval = (await world.desk.call(own, "refund_invoice", asked)).needs_approval
    assert approval is not None
    refused = await world.say(f"/v3/approvals/{approval.id}", {"decision": "approve"})
    assert refused.status_code == 403
    assert await world.desk.refunded_cents("INV-2026-0001") == 0


async def test_a_colleagues_request_is_nobody_elses_business(world: World) -> None:
    path = await world.waiting()
    assert (await world.get(path, "agent.ann")).status_code == 200
    assert (await world.get(path, "agent.bob")).status_code == 404
    assert (await world.get(path, "admin.ada.other")).status_code == 404
    assert (await world.get("/v3/approvals", "agent.ann")).status_code == 403
    assert (await world.get("/v3/approvals", "admin.ada.other")).json() == {"approvals": []}


@pytest.mark.parametrize(
    "body",
    [{}, {"decision": "yes"}, {"decision": None}, {"decision": "approve", "amount_usd": 1}, [], 7],
    ids=repr,
)
async def test_any_other_word_is_refused(world: World, body: Any) -> None:
    path = await world.waiting()
    assert (await world.say(path, body)).status_code == 422
    assert (await world.get(path)).json()["state"] == "waiting"


@pytest.mark.parametrize(
    "query",
    ["state=maybe", "state=", "limit=0", "limit=201", "limit=x", "limit=-1", "limit=9999999999",
     "limit=", "since=1"],
)  # fmt: skip
async def test_a_question_that_cannot_be_meant_is_refused(world: World, query: str) -> None:
    refused = await world.get(f"/v3/approvals?{query}")
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == f"/{query.partition('=')[0]}"


async def test_an_approval_there_is_not_is_unknown(world: World) -> None:
    for wanted in ("apr_none", "x" * 500, "%00"):
        path = f"/v3/approvals/{wanted}"
        assert (await world.get(path)).status_code == 404
        assert (await world.say(path, {"decision": "deny"})).status_code == 404
