"""What the gateway gives a vendor's cloud that shows a token of ours: sealed answers, and nothing else."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from mcp import Client, MCPError
from mcp.client import ClientRequestContext
from mcp.client.streamable_http import streamable_http_client
from mcp_types import (
    INTERNAL_ERROR,
    Annotations,
    CallToolResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitRequestParams,
    ElicitResult,
    EmbeddedResource,
    ImageContent,
    InputRequiredResult,
    ResourceLink,
    TextContent,
    TextResourceContents,
)
from pydantic import AnyUrl
from starlette.requests import Request
from typing_extensions import override

from config.gateway import GatewaySecurity
from deployments.mcp_gateway.caller import Caller
from deployments.mcp_gateway.endpoint import Endpoint
from deployments.mcp_gateway.gateway import Gateway
from deployments.mcp_gateway.hosted_seal import HostedSeal
from deployments.mcp_gateway.tool_server import Exchange
from deployments.mcp_gateway.wire import mcp_server
from deployments.privacy.find import Finder
from deployments.privacy.known import Fact, Known
from deployments.privacy.sealer import Sealer
from deployments.security.gateway_tokens import GatewayTokens, Granted
from deployments.security.principal import Principal
from routing.clock import SystemClock
from routing.errors import AccessError
from routing.message import JsonObject
from tests.fixed_keys import FixedKeys
from tests.unit.gateway.desk import Desk
from tests.unit.gateway.test_wire import Confirmable
from tests.unit.gateway.tool_world import Shop, said, tool

KEYS = [b"k" * 32]
MAIL, PHONE, CARD, NAME = "ann@example.com", "+1 202 555 0123", "4111 1111 1111 1111", "Ann Bird"
PERMISSIONS = frozenset({"mcp:tools"})
Acts = Callable[[Exchange], Awaitable[CallToolResult | InputRequiredResult]]


class Talking(Shop):
    """Its tool `find` does what it likes with all that travels with a call."""

    def __init__(self, acts: Acts) -> None:
        super().__init__(tool("find"))
        self._acts = acts

    @override
    async def call(
        self, caller: Caller, local_name: str, arguments: JsonObject, exchange: Exchange
    ) -> CallToolResult | InputRequiredResult:
        return await self._acts(exchange)


class Record:
    async def known_of(self, _tenant: str, _customer: str) -> Known:
        return Known((Fact("name", NAME),))


async def nobody(_: Request) -> Principal:
    raise AccessError("unauthenticated", "Send a key.")


@asynccontextmanager
async def vendor(
    server: Shop, approvals: Desk | None = None, **options: Any
) -> AsyncIterator[Client]:
    """A vendor's client with a token for `shop__find`."""
    tokens = GatewayTokens(KEYS, SystemClock())
    wire = mcp_server(Gateway([server], SystemClock(), approvals), KEYS, "1")
    wire.middleware.append(HostedSeal(Sealer(Finder(), FixedKeys(), Record())))
    endpoint = Endpoint(wire, nobody, GatewaySecurity(), tokens)
    principal = Principal("northwind", "key:1", frozenset(), PERMISSIONS)
    granted = Granted(principal, "user_1", "conv_1", frozenset({"shop__find"}))
    headers = {"Authorization": f"Bearer {tokens.mint(granted, PERMISSIONS)}"}
    async with (
        endpoint._sessions.run(),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(endpoint), headers=headers) as http,
        Client(
            streamable_http_client("http://localhost/mcp", http_client=http), **options
        ) as client,
    ):
        yield client


def none_of_it(told: object) -> None:
    for word in (MAIL, "ann%40", "0123", "4111", "Bird"):
        assert word not in str(told)


async def test_every_word_of_an_answer_is_sealed_in_whichever_member_it_stands() -> None:
    """A link's name, title, description and address; a resource's; what is put beside them."""

    async def acts(_: Exchange) -> CallToolResult:
        return CallToolResult(
            content=[
                TextContent(text=f"write to {MAIL}"),
                ResourceLink(
                    name=f"{NAME} <{MAIL}>", title=PHONE, description=f"card {CARD}",
                    uri=f"crm://{MAIL}/notes", size=4111111111111111,
                    annotations=Annotations(audience=["user"], priority=0.5),
                    _meta={"by": MAIL, "data": [PHONE]},
                ),
                ResourceLink(name="x", uri="crm://people/Ann%20Bird?mail=ann%40example.com", size=5),
                EmbeddedResource(resource=TextResourceContents(uri=f"crm://{MAIL}", text=MAIL)),
            ],
            structured_content={"mail": MAIL, "phones": [PHONE]},
        )  # fmt: skip

    async with vendor(Talking(acts)) as client:
        told = await client.call_tool("shop__find", {})
    none_of_it(told.model_dump_json())
    link, other, held = told.content[1:]
    assert isinstance(link, ResourceLink)
    assert isinstance(other, ResourceLink)
    assert isinstance(held, EmbeddedResource)
    assert (link.size, other.size) == (None, 5)
    assert link.annotations == Annotations(audience=["user"], priority=0.5)
    for uri in (link.uri, other.uri, held.resource.uri):
        AnyUrl(uri)  # as clients read it
        assert "EMAIL-" in uri or "NAME-" in uri
    assert isinstance(told.content[0], TextContent)
    [token] = [word for word in told.content[0].text.split() if "EMAIL" in word]
    assert token in link.name
    assert token.strip("[]") in link.uri


async def test_what_a_picture_holds_and_an_address_without_anybody_stay_as_they_are() -> None:
    picture = ImageContent(data="QUJDREVG" * 4, mime_type="image/png")
    link = ResourceLink(name="Returns", uri="shop://pages/Re%2Fturns?a=%5B1%5D", size=3)

    async def acts(_: Exchange) -> CallToolResult:
        return CallToolResult(content=[picture, link])

    async with vendor(Talking(acts)) as client:
        assert (await client.call_tool("shop__find", {})).content == [picture, link]


async def test_a_vendor_is_told_nothing_on_the_way_and_asked_nothing() -> None:
    """Progress and questions have words of people in them, and no human of ours is there."""
    heard: list[object] = []

    async def on_the_way(progress: float, total: float | None, message: str | None) -> None:
        heard.append(message)

    async def asked(_: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        heard.append(params)
        return ElicitResult(action="accept", content={})

    async def tells(exchange: Exchange) -> CallToolResult:
        if exchange.progress is not None:
            await exchange.progress(1, 2, f"asking {MAIL}")
        return said("done")

    form = ElicitRequestFormParams(
        message=f"Is it {MAIL}?", requested_schema={"type": "object", "properties": {}}
    )

    async def asks(_: Exchange) -> InputRequiredResult:
        return InputRequiredResult(input_requests={"who": ElicitRequest(params=form)})

    async with vendor(Talking(tells), elicitation_callback=asked) as client:
        await client.call_tool("shop__find", {}, progress_callback=on_the_way)
    async with vendor(Talking(asks), elicitation_callback=asked) as client:
        told = await client.call_tool("shop__find", {})
    assert told.is_error
    assert "nobody is there to ask" in str(told.content)
    assert heard == []


async def test_an_error_of_a_server_reaches_a_vendor_as_a_sealed_answer() -> None:
    async def fails(_: Exchange) -> CallToolResult:
        raise MCPError(INTERNAL_ERROR, f"there is no {MAIL}", {"mail": MAIL})

    async with vendor(Talking(fails)) as client:
        told = await client.call_tool("shop__find", {})
    assert told.is_error
    assert "there is no [EMAIL-" in json.dumps([block.model_dump() for block in told.content])
    none_of_it(told.model_dump_json())


async def test_no_vendor_confirms_what_a_human_is_to_allow() -> None:
    """Where a tool that only reads needs one, the call waits for somebody of ours."""
    heard: list[object] = []

    async def asked(_: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        heard.append(params)
        return ElicitResult(action="accept", content={"approve": True})

    shop, desk = Shop(replace(tool("find"), needs_approval=True)), Confirmable()
    async with vendor(shop, desk, elicitation_callback=asked) as client:
        told = await client.call_tool("shop__find", {"mail": MAIL})
    assert "A human has to approve it" in str(told.content)
    assert (heard, shop.calls) == ([], [])


@pytest.mark.parametrize("uri", ["http://[::1]/x", "crm://notes/1"])
async def test_an_address_of_a_machine_keeps_its_brackets(uri: str) -> None:
    async def acts(_: Exchange) -> CallToolResult:
        return CallToolResult(content=[ResourceLink(name="x", uri=uri)])

    async with vendor(Talking(acts)) as client:
        [link] = (await client.call_tool("shop__find", {})).content
    assert isinstance(link, ResourceLink)
    assert link.uri == uri
