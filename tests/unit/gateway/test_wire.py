"""The protocol's client at the gateway's endpoint, without a socket between them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast

import httpx2
import pytest
from mcp import Client, MCPError
from mcp.client import ClientRequestContext
from mcp.client.streamable_http import streamable_http_client
from mcp_types import (
    CallToolResult,
    ElicitRequestParams,
    ElicitResult,
    RequestParamsMeta,
    TextContent,
)
from starlette.requests import Request
from typing_extensions import override

from config.gateway import GatewaySecurity
from deployments.mcp_gateway.caller import Caller
from deployments.mcp_gateway.endpoint import Endpoint
from deployments.mcp_gateway.gateway import Gateway
from deployments.mcp_gateway.tool import Approval, Tool
from deployments.mcp_gateway.tool_server import Exchange
from deployments.mcp_gateway.wire import IDEMPOTENCY_KEY, mcp_server
from deployments.security.principal import Principal
from routing.clock import SystemClock
from routing.message import JsonObject
from tests.unit.gateway.desk import Desk
from tests.unit.gateway.tool_world import Shop, tool

KEYS = [b"k" * 32]


class Confirmable(Desk):
    """Approvals that whoever asked may confirm."""

    @override
    async def request(
        self, caller: Caller, tool: Tool, arguments: JsonObject, reason: str
    ) -> Approval:
        return replace(await super().request(caller, tool, arguments, reason), can_confirm=True)


async def authenticate(request: Request) -> Principal:
    permissions = frozenset({"mcp:tools", "mcp:context", "customers:any"})
    return Principal("northwind", "key:1", frozenset(), permissions)


@asynccontextmanager
async def connected(
    *servers: Shop,
    approvals: Desk | None = None,
    headers: dict[str, str] | None = None,
    **options: Any,
) -> AsyncIterator[Client]:
    """A client of a gateway with these servers."""
    server = mcp_server(Gateway(servers, SystemClock(), approvals), KEYS, "1")
    endpoint = Endpoint(server, authenticate, GatewaySecurity())
    transport = httpx2.ASGITransport(endpoint)
    async with (
        endpoint._sessions.run(),
        httpx2.AsyncClient(transport=transport, headers=headers) as http,
        Client(
            streamable_http_client("http://localhost/mcp", http_client=http), **options
        ) as client,
    ):
        yield client


def answering(action: str, **content: bool) -> Any:
    """A human who always does the same with a form."""

    async def answer(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        assert "You are asked because" in params.message
        return ElicitResult.model_validate({"action": action, "content": content or None})

    return answer


def text_of(result: CallToolResult) -> str:
    assert isinstance(result.content[0], TextContent)
    return result.content[0].text


async def test_a_human_at_the_client_confirms_and_the_call_is_made_once() -> None:
    shop, desk = Shop(tool("pay", side_effect="money")), Confirmable()
    human = answering("accept", approve=True)
    async with connected(shop, approvals=desk, elicitation_callback=human) as client:
        assert text_of(await client.call_tool("shop__pay", {"usd": 5})) == "done"
    assert shop.calls == [("pay", {"usd": 5})]


@pytest.mark.parametrize(
    ("action", "said", "state"),
    [
        ("accept", {"approve": False}, "refused"),
        ("decline", {}, "refused"),
        ("cancel", {}, "waiting"),
    ],
)
async def test_a_human_who_does_not_say_yes_has_not_said_yes(
    action: str, said: dict[str, bool], state: str
) -> None:
    human = answering(action, **said)
    shop, desk = Shop(tool("pay", side_effect="money")), Confirmable()
    async with connected(shop, approvals=desk, elicitation_callback=human) as client:
        assert (await client.call_tool("shop__pay", {})).is_error
    assert shop.calls == []
    assert desk.state == state


@pytest.mark.parametrize("kind", [Desk, Confirmable])
async def test_who_cannot_be_asked_is_told_what_the_call_waits_for(kind: type[Desk]) -> None:
    """A client without forms, whether or not its human's word would be enough."""
    shop = Shop(tool("pay", side_effect="money"))
    async with connected(shop, approvals=kind()) as client:
        result = await client.call_tool("shop__pay", {})
    assert result.is_error
    assert "apr_1" in text_of(result)
    assert (result.meta or {})["supportmax/approval"] == "apr_1"
    assert shop.calls == []


async def test_a_human_whose_word_is_not_enough_is_not_asked() -> None:
    async def never(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        raise AssertionError

    shop = Shop(tool("pay", side_effect="money"))
    async with connected(shop, approvals=Desk(), elicitation_callback=never) as client:
        assert (await client.call_tool("shop__pay", {})).is_error


async def test_headers_that_a_federated_server_asks_for_are_not_asked_of_clients() -> None:
    schema: JsonObject = {
        "type": "object",
        "properties": {
            "region": {"type": "string", "x-mcp-header": "Region"},
            "x-mcp-header": {"type": "string"},
        },
    }
    shop = Shop(replace(tool("a"), input_schema=schema))
    async with connected(shop) as client:
        [listed] = (await client.list_tools()).tools
        assert listed.input_schema["properties"] == {
            "region": {"type": "string"},
            "x-mcp-header": {"type": "string"},
        }
        assert not (await client.call_tool("shop__a", {"region": "eu"})).is_error


async def test_lists_may_be_kept_by_their_own_client_alone() -> None:
    async with connected(Shop(tool("a"))) as client:
        listed = await client.list_tools()
    assert (listed.cache_scope, listed.ttl_ms) == ("private", 60_000)


async def test_the_caller_of_a_connection_is_whom_its_headers_name_and_is_never_trusted_blindly() -> (
    None
):
    seen: list[tuple[Caller, Exchange]] = []

    class Curious(Shop):
        @override
        async def call(
            self, caller: Caller, local_name: str, arguments: JsonObject, exchange: Exchange
        ) -> Any:
            seen.append((caller, exchange))
            return await super().call(caller, local_name, arguments, exchange)

    named = {"X-SupportMax-Customer": "user_123", "X-SupportMax-Conversation": "conv_1"}
    async with connected(Curious(tool("a")), headers=named) as client:
        for key in ("once", "x" * 129):
            meta = cast("RequestParamsMeta", {IDEMPOTENCY_KEY: key})
            await client.call_tool("shop__a", {}, meta=meta)
    first, second = seen
    assert (first[0].customer, first[0].conversation_id, first[0].tainted) == (
        "user_123", "conv_1", True,
    )  # fmt: skip
    assert (first[1].idempotency_key, second[1].idempotency_key) == ("once", None)


async def test_what_is_not_on_the_shelf_is_invalid_and_named() -> None:
    async with connected(Shop()) as client:
        with pytest.raises(MCPError) as refused:
            await client.read_resource("nowhere://one")
    assert refused.value.code == -32602
    assert refused.value.data == {"uri": "nowhere://one"}
