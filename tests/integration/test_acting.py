"""The running product acts: a refund asked for in a chat, a call that waits for a colleague, a facade."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from deployments.mcp_gateway.state_keys import read_keys
from deployments.security.gateway_tokens import GatewayTokens, Granted
from routing.clock import SystemClock
from tests.integration.conftest import connected
from tests.integration.contract import Contract
from tests.integration.talk import listen, whole
from tests.integration.test_approvals import refunded_cents
from tests.integration.test_chat import key_of
from tests.product import REPOSITORY, Product
from tests.servers import Simulators
from tests.unit.tools.desk import person

OWNER = "user_123"
SCRIPT = """
import asyncio, json
from deployments.clients import MCPGateway

context = asyncio.run(
    MCPGateway().get_context(
        query="charged twice in November", user_id="user_123",
        sources=["database", "knowledge_graph", "vector_store"],
    )
)
again = MCPGateway().get_context_sync("charged twice in November", limit=1)
print(json.dumps([[p.id for p in context], list(context.degraded), len(again.passages)]))
"""


def calls(name: str, **arguments: object) -> dict[str, Any]:
    return {"kind": "tool_calls", "calls": [{"name": name, "arguments": arguments}]}


def refund(invoice: str, usd: float) -> dict[str, Any]:
    return calls("tools__refund_invoice", invoice_id=invoice, reason="DUP", amount_usd=usd)


async def test_a_refund_within_limits_is_made_and_the_stream_tells_of_it(
    product: Product, contract: Contract, simulators: Simulators
) -> None:
    """By an agent whose own limit allows it, for the customer the request is about."""
    agent = await key_of(product, "northwind", "agent")
    invoice = "INV-2026-0039"
    before = refunded_cents(product, invoice)
    await simulators.script("openai", refund(invoice, 3), {"kind": "text", "text": "It is done."})
    async with connected(product, contract, agent) as http:
        asked = {"message": f"Refund $3 of {invoice}.", "user_id": OWNER, "platform": "openai"}
        heard = (await listen(http, asked)).events
    assert refunded_cents(product, invoice) == before + 300
    names = [name for name, _ in heard]
    statuses = [data["status"] for name, data in heard if name == "tool"]
    assert statuses == ["started", "done"]
    assert names[-1] == "done"
    assert names.count("done") == 1
    answer = heard[-1][1]
    assert "".join(data["text"] for name, data in heard if name == "delta") == answer["text"]
    assert answer["text"] == "It is done."
    assert [call["name"] for call in answer["tool_calls"]] == ["tools__refund_invoice"]
    assert len(answer["attempts"]) == 2


async def test_a_call_that_waits_is_approved_over_http_and_the_conversation_goes_on(
    product: Product, contract: Contract, simulators: Simulators
) -> None:
    """A program's key moves no money alone: the answer is whole, and two people have to agree."""
    program = await key_of(product, "northwind", "service")
    supervisor = await key_of(product, "northwind", "supervisor", "test:sue")
    another = await key_of(product, "northwind", "supervisor", "test:ada")
    invoice = "INV-2026-0039"
    before = refunded_cents(product, invoice)
    asked = {"message": f"Refund $4 of {invoice}.", "user_id": OWNER, "platform": "openai"}
    await simulators.script("openai", refund(invoice, 4))
    async with (
        connected(product, contract, program) as http,
        connected(product, contract, supervisor) as boss,
        connected(product, contract, another) as second,
    ):
        reply = await http.post("/v3/chat", json=asked)
        assert reply.status_code == 200, reply.text
        first = reply.json()
        assert first["finish_reason"] == "needs_approval"
        waits = first["needs_approval"]
        assert refunded_cents(product, invoice) == before

        path, yes = f"/v3/approvals/{waits['id']}", {"decision": "approve"}
        for _ in range(2):
            said = (await boss.post(path, json=yes)).json()
            assert (said["state"], said["outcome"]) == ("waiting", None)
            assert said["first_approved_by"] is not None
        assert refunded_cents(product, invoice) == before
        assert (await second.post(path, json=yes)).json()["outcome"]["is_error"] is False
        assert refunded_cents(product, invoice) == before + 400

        await simulators.script("openai", {"kind": "text", "text": "4 dollars went back."})
        follow_up = {**asked, "message": "And?", "conversation_id": first["conversation_id"]}
        last = (await http.post("/v3/chat", json=follow_up)).json()
    assert last["text"] == "4 dollars went back."
    assert last["needs_approval"] is None
    told = json.dumps((await simulators.requests())[-1].body)
    assert "approved_by_a_human" in told


async def test_every_turn_is_in_the_ledger_and_the_decision_can_be_replayed(
    product: Product, http: httpx2.AsyncClient, simulators: Simulators
) -> None:
    await simulators.script(
        "openai", calls("tools__list_invoices"), {"kind": "text", "text": "Two."}
    )
    asked = {"message": "Which invoices are there?", "user_id": OWNER, "platform": "openai"}
    answer = (await http.post("/v3/chat", json=asked)).json()
    assert [attempt["outcome"] for attempt in answer["attempts"]] == ["ok", "ok"]
    decision = answer["decision"]["id"]
    async with asyncio.timeout(20):
        # It is written in the background, and no event says when.
        while (await http.get(f"/v3/decisions/{decision}")).status_code != 200:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    command = [sys.executable, "-m", "deployments.cli", "decision", "replay", decision]
    environment = {**os.environ, "SUPPORTMAX_HOME": str(product.home)}
    done = await asyncio.to_thread(
        subprocess.run, command, cwd=REPOSITORY, env=environment, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


async def test_a_tool_that_is_not_there_is_refused_before_anybody_is_asked(
    http: httpx2.AsyncClient, simulators: Simulators
) -> None:
    asked = {"message": "Hello", "user_id": OWNER, "tools": ["tools__delete_everything"]}
    reply = await http.post("/v3/chat", json=asked)
    assert reply.status_code == 422
    assert reply.json()["code"] == "unknown_tool"
    assert await simulators.requests() == []


async def test_the_facade_finds_what_the_company_knows(product: Product, tmp_path: Path) -> None:
    """From another folder, with an address and the file of a key."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(REPOSITORY),
        "SUPPORTMAX_URL": product.address,
        "SUPPORTMAX_API_KEY_FILE": str(product.home / "admin.key"),
    }

    async def told() -> Any:
        done = await asyncio.to_thread(
            subprocess.run, [sys.executable, "-c", SCRIPT], cwd=tmp_path, env=environment,
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    found, _, one = await whole(told, lambda said: said[1])
    assert "kb-001" in found
    assert one == 1


async def test_a_token_for_a_vendor_opens_mcp_and_no_other_route(
    product: Product, http: httpx2.AsyncClient
) -> None:
    """What a vendor's cloud is given reads one customer's invoices, and is no key."""
    tokens = GatewayTokens(read_keys(product.home / "mcp.keys"), SystemClock())
    agent = person("agent")
    granted = Granted(agent, OWNER, None, frozenset({"tools__list_invoices"}))
    token = tokens.mint(granted, frozenset({"mcp:tools"}))
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        httpx2.AsyncClient(headers=headers, verify=False, timeout=60.0) as vendor,
        Client(streamable_http_client(f"{product.address}/mcp", http_client=vendor)) as client,
    ):
        assert [tool.name for tool in (await client.list_tools()).tools] == ["tools__list_invoices"]
        found = await client.call_tool("tools__list_invoices", {"limit": 1})
        assert not found.is_error, found
        for path, body in (("/v3/chat", {"message": "Hello"}), ("/v3/mcp/context", {"query": "a"})):
            refused = await vendor.post(f"{product.address}{path}", json=body)
            assert refused.status_code == 401, refused.text
        refused = await vendor.get(f"{product.address}/v3/approvals")
        assert refused.status_code == 401


async def test_a_customers_key_asks_about_nobody_else(
    product: Product, contract: Contract, simulators: Simulators
) -> None:
    """Their records and their conversations are as unknown as those of nobody."""
    key = await key_of(product, "northwind", "customer")
    async with connected(product, contract, key) as http:
        for path in ("/v3/chat", "/v3/openai/chat"):
            refused = await http.post(path, json={"message": "Which invoices?", "user_id": OWNER})
            assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
    assert await simulators.requests() == []
