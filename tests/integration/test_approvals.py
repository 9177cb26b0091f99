"""Business tools of the running product: a refund that needs a human, over MCP and HTTP, until it is made once."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client import ClientRequestContext
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, ElicitRequestParams, ElicitResult

from tests.integration.conftest import connected
from tests.integration.contract import Contract
from tests.integration.test_chat import key_of
from tests.product import Product

REFUND = "tools__refund_invoice"


@asynccontextmanager
async def mcp(
    product: Product, key: str, customer: str, conversation: str | None = None, **options: Any
) -> AsyncIterator[Client]:
    """A client whose settings say whom it is about."""
    headers = {"Authorization": f"Bearer {key}", "x-supportmax-customer": customer}
    if conversation is not None:
        headers["x-supportmax-conversation"] = conversation
    address = f"{product.address}/mcp"
    async with (
        httpx2.AsyncClient(headers=headers, verify=False, timeout=60.0) as http,
        Client(streamable_http_client(address, http_client=http), **options) as client,
    ):
        yield client


def refunded_cents(product: Product, invoice: str) -> int:
    with sqlite3.connect(product.home / "supportmax.sqlite") as connection:
        query = "SELECT coalesce(sum(amount_cents), 0) FROM refund WHERE invoice_id = ?"
        return int(connection.execute(query, (invoice,)).fetchone()[0])


def approval_of(outcome: CallToolResult) -> str:
    assert outcome.is_error
    assert outcome.meta is not None
    return str(outcome.meta["supportmax/approval"])


@pytest.mark.parametrize("era", ["auto", "legacy"])
async def test_a_refund_asked_for_over_mcp_is_approved_over_http_and_made_once(
    product: Product, contract: Contract, era: str
) -> None:
    """Nobody sees whose words are in an MCP client's conversation, so money always waits."""
    invoice = {"auto": "INV-2026-0014", "legacy": "INV-2026-0005"}[era]
    arguments = {"invoice_id": invoice, "reason": "DUP", "amount_usd": 12.5}
    agent = await key_of(product, "northwind", "agent", "test:ann")
    supervisor = await key_of(product, "northwind", "supervisor", "test:sue")
    async with (
        mcp(product, agent, "user_126", mode=era) as client,
        connected(product, contract, supervisor) as http,
        connected(product, contract, agent) as own,
    ):
        path = f"/v3/approvals/{approval_of(await client.call_tool(REFUND, arguments))}"
        assert refunded_cents(product, invoice) == 0
        waiting = (await http.get("/v3/approvals?state=waiting")).json()["approvals"]
        assert path.rpartition("/")[2] in {row["id"] for row in waiting}
        assert (await own.post(path, json={"decision": "approve"})).status_code == 403
        row = (await http.post(path, json={"decision": "approve"})).json()
        assert row["outcome"]["result"]["refunded_usd"] == 12.5
        again = await client.call_tool(REFUND, arguments)
        assert again.structured_content == row["outcome"]["result"]
        assert (await own.get(path)).json() == row
    assert refunded_cents(product, invoice) == 1250


async def test_a_modern_client_asks_the_human_in_front_of_it(product: Product) -> None:
    invoice = "INV-2026-0034"
    asked: list[str] = []

    async def human(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        asked.append(params.message)
        return ElicitResult(action="accept", content={"approve": True})

    agent = await key_of(product, "northwind", "agent")
    arguments = {"invoice_id": invoice, "reason": "DUP", "amount_usd": 7}
    async with mcp(product, agent, "user_126", elicitation_callback=human) as client:
        done = await client.call_tool(REFUND, arguments)
    assert not done.is_error
    assert len(asked) == 1
    assert invoice in asked[0]
    assert refunded_cents(product, invoice) == 700


async def test_no_human_at_a_client_lifts_a_limit(product: Product) -> None:
    """$500 is above an agent's month: they are not even asked, and it waits for a colleague."""

    async def human(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        raise AssertionError(params.message)

    agent = await key_of(product, "northwind", "agent")
    arguments = {"invoice_id": "INV-2026-0001", "reason": "GOODWILL", "amount_usd": 500}
    async with mcp(product, agent, "user_128", elicitation_callback=human) as client:
        approval_of(await client.call_tool(REFUND, arguments))
    assert refunded_cents(product, "INV-2026-0001") == 0


async def test_a_connection_that_is_about_one_customer_reaches_no_other(product: Product) -> None:
    agent = await key_of(product, "northwind", "agent")
    async with mcp(product, agent, "user_126") as client:
        found = await client.call_tool("tools__look_up_customer", {})
        assert found.structured_content is not None
        assert found.structured_content["user_id"] == "user_126"
        refused = await client.call_tool("tools__look_up_customer", {"user_id": "user_124"})
        assert refused.is_error
