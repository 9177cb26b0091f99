"""Vendors that call tools by themselves: what they are sent, and what their token opens and does not."""

import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from starlette.requests import Request

from config.gateway import GatewaySecurity
from deployments.agent.toolbox import Hosting
from deployments.mcp_gateway.endpoint import Endpoint
from deployments.mcp_gateway.hosted_seal import HostedSeal
from deployments.mcp_gateway.wire import mcp_server
from deployments.platforms.registry import open_platform
from deployments.security.gateway_tokens import LIFE_S, GatewayTokens, Granted
from deployments.security.principal import Principal
from deployments.security.seals import Seals
from routing.clock import ManualClock, SystemClock
from routing.errors import AccessError
from tests.contract.test_platform import MODELS
from tests.federation_world import http as served
from tests.servers import Simulators
from tests.unit.acting.world import PAID, World, acting
from tests.unit.routing.worlds import platform as profile_of
from tests.unit.tools.desk import opened, person

KEYS = [b"k" * 32]
READS = frozenset({"tools__look_up_customer", "tools__list_invoices", "tools__look_up_order"})
USES = frozenset({"mcp:tools"})


async def nobody(_: Request) -> Principal:
    raise AccessError("unauthenticated", "Send a key.")


@dataclass
class Hosted:
    world: World
    simulators: Simulators
    name: str

    async def calls(self, *calls: Mapping[str, Any]) -> None:
        """What the vendor calls by itself in its next answer."""
        order = {"kind": "tool_calls", "calls": list(calls)}
        await self.simulators.script(f"{self.name}/hosted", order)

    async def sent(self) -> dict[str, Any]:
        """The last body the vendor was sent."""
        return dict((await self.simulators.requests())[-1].body)


@asynccontextmanager
async def hosted(
    simulators: Simulators, path: Path, name: str, *, asked: bool = True, sealed: bool = False
) -> AsyncIterator[Hosted]:
    """The gateway on loopback, and a vendor that is configured to call it."""
    clock = SystemClock()
    tokens = GatewayTokens(KEYS, clock)
    connection = simulators.connection(name)
    if asked:
        connection = replace(connection, options={"hosted_mcp": "true"})
    platform = open_platform(name, connection)
    profiles = [replace(profile_of(name), model=MODELS[name])]
    async with acting(path, {name: platform}, profiles=profiles, sealed=sealed) as world:
        server = mcp_server(world.desk.gateway, KEYS, "1")
        if world.agent._sealer is not None:
            server.middleware.append(HostedSeal(world.agent._sealer))
        async with served(Endpoint(server, nobody, GatewaySecurity(), tokens)) as port:
            toolbox = world.agent._toolbox
            assert toolbox is not None
            # The address is known once the server listens, and the server needs the desk.
            toolbox._hosting = Hosting(f"http://127.0.0.1:{port}/mcp", tokens)
            yield Hosted(world, simulators, name)
    await platform.aclose()


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", ["openai", "anthropic"])
async def test_a_vendor_calls_a_reading_tool_over_mcp_and_answers_with_it(
    simulators: Simulators, tmp_path: Path, name: str, is_stream: bool
) -> None:
    """Over loopback, with the token of the request, about the customer of the request."""
    async with hosted(simulators, tmp_path, name) as vendor:
        await vendor.calls({"name": "tools__look_up_customer", "arguments": {}})
        if is_stream:
            _, answer = await vendor.world.listen("Which plan do I have?")
        else:
            answer = await vendor.world.ask("Which plan do I have?")
    assert "user_123" in answer.reply.text
    assert "tools__look_up_customer says" in answer.reply.text


@pytest.mark.parametrize("name", ["openai", "anthropic"])
async def test_a_vendor_that_calls_by_itself_reads_tokens_and_the_caller_values(
    simulators: Simulators, tmp_path: Path, name: str
) -> None:
    async with hosted(simulators, tmp_path, name, sealed=True) as vendor:
        await vendor.calls({"name": "tools__look_up_customer", "arguments": {}})
        answer = await vendor.world.ask("Which plan do I have?")
        assert "user_123" in answer.reply.text
        assert "Account 123" in answer.reply.text
        toolbox = vendor.world.agent._toolbox
        assert toolbox is not None
        assert toolbox._hosting is not None
        granted = Granted(person("agent"), "user_123", "conv_1", READS)
        token = toolbox._hosting.tokens.mint(granted, USES)
        async with knocking(toolbox._hosting.address, token) as client:
            told = str(await client.call_tool("tools__look_up_customer", {}))
    assert "[ACCOUNT-" in told
    assert "user_123" not in told
    assert "Account 123" not in told


@pytest.mark.parametrize("name", ["openai", "anthropic"])
async def test_what_changes_something_stays_in_our_own_hands(
    simulators: Simulators, tmp_path: Path, name: str
) -> None:
    """The vendor is told of reading tools alone, and one that calls another is refused by the gateway."""
    refund = {"invoice_id": PAID, "reason": "DUP", "amount_usd": 20}
    async with hosted(simulators, tmp_path, name) as vendor:
        await vendor.calls({"name": "tools__refund_invoice", "arguments": refund})
        answer = await vendor.world.ask(f"Refund $20 of {PAID}.")
        sent = await vendor.sent()
        assert await vendor.world.desk.refunded_cents(PAID) == 0
    functions = {
        str(tool["name"]) for tool in sent["tools"] if tool.get("type") in {"function", None}
    }
    assert "tools__refund_invoice" in functions
    assert functions.isdisjoint(READS)
    assert "Unknown tool" in answer.reply.text


async def test_somebody_elses_account_is_not_reached(
    simulators: Simulators, tmp_path: Path
) -> None:
    async with hosted(simulators, tmp_path, "openai") as vendor:
        await vendor.calls(
            {"name": "tools__look_up_customer", "arguments": {"user_id": "user_124"}}
        )
        answer = await vendor.world.ask("Whose account is user_124?")
    assert "There is no such customer" in answer.reply.text


async def test_a_vendor_that_is_not_configured_for_it_is_sent_no_token(
    simulators: Simulators, tmp_path: Path
) -> None:
    async with hosted(simulators, tmp_path, "openai", asked=False) as vendor:
        await vendor.world.ask("Hello")
        sent = await vendor.sent()
    assert {tool["type"] for tool in sent["tools"]} == {"function"}
    assert "authorization" not in str(sent)


async def test_within_a_limit_of_cost_no_vendor_calls_by_itself(
    simulators: Simulators, tmp_path: Path
) -> None:
    """How often it would run its model nobody can bound."""
    async with hosted(simulators, tmp_path, "openai") as vendor:
        await vendor.world.ask("Hello", max_cost_usd=Decimal("0.1"))
        sent = await vendor.sent()
    assert {tool["type"] for tool in sent["tools"]} == {"function"}


@asynccontextmanager
async def knocking(url: str, token: str) -> AsyncIterator[Client]:
    headers = {"Authorization": f"Bearer {token}", "x-supportmax-customer": "user_124"}
    async with (
        httpx2.AsyncClient(headers=headers, verify=False) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        yield client


async def test_a_token_opens_its_tools_for_its_customer_and_nothing_else(tmp_path: Path) -> None:
    """No header widens it; resources and prompts stay shut; other tools do not exist."""
    tokens = GatewayTokens(KEYS, SystemClock())
    granted = Granted(person("admin"), "user_123", "conv_1", frozenset({"tools__list_invoices"}))
    async with opened(tmp_path / "desk.db") as desk:
        app = Endpoint(mcp_server(desk.gateway, KEYS, "1"), nobody, GatewaySecurity(), tokens)
        async with served(app) as port:
            url = f"http://127.0.0.1:{port}/mcp"
            async with knocking(url, tokens.mint(granted, USES)) as client:
                assert [t.name for t in (await client.list_tools()).tools] == [
                    "tools__list_invoices"
                ]
                found = await client.call_tool("tools__list_invoices", {})
                assert not found.is_error
                assert PAID in str(found.structured_content)
                for name in ("tools__look_up_customer", "tools__refund_invoice"):
                    with pytest.raises(MCPError, match="Unknown tool"):
                        await client.call_tool(name, {})
                assert (await client.list_resources()).resources == []
                assert (await client.list_prompts()).prompts == []
            wide = replace(granted, tools=frozenset({"tools__refund_invoice"}))
            async with knocking(url, tokens.mint(wide, USES | {"customers:change"})) as client:
                # One that names a tool which changes something still opens none.
                assert (await client.list_tools()).tools == []


def test_a_token_ends_and_is_nobody_elses_to_make() -> None:
    """After five minutes, under other keys, changed or of another kind: nothing."""
    clock = ManualClock()
    tokens = GatewayTokens(KEYS, clock)
    granted = Granted(person("agent"), "user_123", None, frozenset({"tools__list_invoices"}))
    token = tokens.mint(granted, USES)
    read = tokens.read(token)
    assert read is not None
    assert read.principal.permissions == USES | {"customers:any"}  # of its customer alone
    assert read.tools == granted.tools
    assert GatewayTokens([b"z" * 32], clock).read(token) is None
    assert GatewayTokens([b"z" * 32, *KEYS], clock).read(token) is not None
    kind, version, sealed = token.split(".")
    begins = f"{kind}.{version}."
    forged = ["", "x", begins, f"{kind}.2.{sealed}", sealed, f"{begins}{sealed[:-4]}", token + ".x"]
    at = len(sealed) // 2
    for part in ("A" * 8, "B" * 8):
        forged += [f"{begins}{part}{sealed[8:]}", f"{begins}{sealed[:at]}{part}{sealed[at + 8 :]}"]
    forged += [begins + Seals(KEYS, "state").seal("{}", "supportmax/mcp"), "a" * 10_000]
    forged += [f"{begins}{'a' * 10_000}", begins + "\u00fc" * 100]
    assert [tokens.read(one) for one in forged] == [None] * len(forged)
    clock.advance(LIFE_S - 1)
    assert tokens.read(token) is not None
    clock.advance(1)
    assert tokens.read(token) is None


def test_a_vendor_does_not_read_in_its_token_for_whom_it_is() -> None:
    """Not the customer, not the caller, not whose key it is, not what they may."""
    who = Principal("acme", "okta:ann", frozenset({"supervisor"}), USES, owner="ada@example.com")
    granted = Granted(who, "bob@example.com", "conv_77", frozenset({"tools__list_invoices"}))
    token = GatewayTokens(KEYS, ManualClock()).mint(granted, USES)
    read = token + "".join(
        base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)).decode("latin-1")
        for part in token.split(".")
        if len(part) % 4 != 1
    )
    told = ("acme", "okta:ann", "supervisor", "ada@", "bob@", "conv_77", "mcp:tools", "invoices")
    assert [word for word in told if word in read] == []
