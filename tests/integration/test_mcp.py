"""The MCP gateway of the running product, asked by the protocol's own client, in both of its eras."""

import asyncio
import contextlib
import os
import re
import sys
from collections.abc import AsyncIterator
from typing import Any, Literal

import anyio
import httpx2
import pytest
from mcp import Client, MCPError
from mcp.client import ClientRequestContext
from mcp.client.streamable_http import streamable_http_client
from mcp_types import ElicitRequestParams, ElicitResult, InputResponses, TextContent

from tests.integration.test_chat import key_of
from tests.product import REPOSITORY, Product

Era = Literal["auto", "legacy"]
ERAS: tuple[Era, ...] = ("auto", "legacy")


@contextlib.asynccontextmanager
async def connected(
    address: str, key: str, era: Era = "auto", **options: Any
) -> AsyncIterator[Client]:
    """A client of the gateway at `address`."""
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        httpx2.AsyncClient(headers=headers, verify=False, timeout=60.0) as http,
        Client(streamable_http_client(address, http_client=http), mode=era, **options) as client,
    ):
        yield client


def text_of(content: object) -> str:
    """The first block, which must be text."""
    assert isinstance(content, list)
    assert isinstance(content[0], TextContent)
    return content[0].text


@pytest.mark.parametrize("era", ERAS)
async def test_a_client_of_either_era_finds_an_article(product: Product, era: Era) -> None:
    """The same endpoint, and the same answer."""
    async with connected(f"{product.address}/mcp", product.key, era) as client:
        names = [tool.name for tool in (await client.list_tools()).tools]
        assert names == sorted(names)
        assert "knowledge__search" in names
        found = await client.call_tool("knowledge__search", {"query": "charged twice refund"})
    assert not found.is_error
    assert "kb-" in text_of(found.content)


@pytest.mark.parametrize("era", ERAS)
async def test_what_is_not_there_is_unknown(product: Product, era: Era) -> None:
    """In an error of the protocol, which tells no client whether it might be somebody else's."""
    async with connected(f"{product.address}/mcp", product.key, era) as client:
        with pytest.raises(MCPError, match="Unknown tool: knowledge__secrets"):
            await client.call_tool("knowledge__secrets", {})


async def test_a_request_without_a_key_learns_where_keys_are_described(product: Product) -> None:
    """RFC 6750 and RFC 9728: the challenge names the document, and the document names the gateway."""
    async with httpx2.AsyncClient(base_url=product.address, verify=False) as http:
        refused = await http.post("/mcp", json={})
        assert refused.status_code == 401
        challenge = refused.headers["www-authenticate"]
        where = f"{product.address}/.well-known/oauth-protected-resource/mcp"
        assert f'resource_metadata="{where}"' in challenge
        assert 'scope="mcp:context mcp:tools"' in challenge
        document = (await http.get(where)).json()
    assert document["resource"] == f"{product.address}/mcp"
    assert document["bearer_methods_supported"] == ["header"]


async def test_a_key_without_a_permission_of_the_gateway_is_refused(product: Product) -> None:
    """A customer's key opens the chat and not the gateway."""
    key = await key_of(product, "northwind", "customer")
    async with product.http(key) as http:
        refused = await http.post("/mcp", json={})
    assert refused.status_code == 403
    assert 'error="insufficient_scope"' in refused.headers["www-authenticate"]


async def test_a_name_that_somebody_pointed_at_this_machine_is_not_answered(
    product: Product,
) -> None:
    """Neither by its Host nor for a page of its Origin, and before any key is looked at."""
    async with product.http() as http:
        rebound = await http.post("/mcp", json={}, headers={"Host": "evil.example"})
        page = await http.post("/mcp", json={}, headers={"Origin": "http://evil.example"})
    assert (rebound.status_code, page.status_code) == (421, 403)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_there_is_no_session_to_get_or_delete(product: Product, method: str) -> None:
    """An older client that opens a standing stream is told at once, and keeps no slot."""
    async with product.http() as http:
        refused = await http.request(method, "/mcp", headers={"Accept": "text/event-stream"})
    assert refused.status_code == 405
    assert refused.headers["allow"] == "POST"


async def test_the_path_is_answered_as_it_is(product: Product) -> None:
    """A redirect would cost every call a second round, and loses the key at some clients."""
    async with product.http() as http:
        answers = [await http.post(path, json={}) for path in ("/mcp", "/mcp/")]
    assert all(answer.status_code == 400 for answer in answers), answers


async def test_a_body_over_four_mebibytes_is_refused(product: Product) -> None:
    """Before it is parsed."""
    async with product.http() as http:
        refused = await http.post("/mcp", content=b" " * (4 * 1024 * 1024 + 1))
    assert refused.status_code == 413


@pytest.mark.parametrize("era", ERAS)
async def test_two_replicas_answer_one_client(
    product: Product, judged_gateway: str, era: Era
) -> None:
    """Nothing ties a client to the replica it met first."""
    async with connected(judged_gateway, product.key, era) as client:
        answered = set[str]()
        with anyio.fail_after(60):
            while len(answered) < 2:
                answered.add(text_of((await client.call_tool("which_replica", {})).content))


async def test_a_question_of_one_replica_is_answered_at_another(
    product: Product, judged_gateway: str
) -> None:
    """What it asks travels with the client, sealed under keys both replicas have."""

    async def fill_in(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        return ElicitResult(action="accept", content={"name": "Ada"})

    crossed = 0
    async with connected(judged_gateway, product.key, elicitation_callback=fill_in) as client:
        with anyio.fail_after(60):
            while not crossed:
                sent = text_of((await client.call_tool("send_invoice", {"to": "Bob"})).content)
                assert sent.startswith("Ada to Bob; asked by ")
                asked, _, answered = sent.partition("asked by ")[2].partition(", sent by ")
                crossed += asked != answered


async def test_what_a_client_was_asked_is_worth_nothing_to_another(
    product: Product, judged_gateway: str
) -> None:
    """The sealed state belongs to one principal, one tool and one set of arguments."""
    stranger = await key_of(product, "northwind", "agent")
    async with connected(judged_gateway, product.key) as client:
        asked = await client.session.call_tool(
            "send_invoice", {"to": "Bob"}, allow_input_required=True
        )
        state = getattr(asked, "request_state", None)
        assert state is not None
        answers: InputResponses = {
            "user_name": ElicitResult(action="accept", content={"name": "Eve"})
        }
        with pytest.raises(MCPError, match="requestState"):
            await client.session.call_tool(
                "send_invoice", {"to": "Eve"}, input_responses=answers, request_state=state
            )
    async with connected(judged_gateway, stranger) as client:
        with pytest.raises(MCPError, match="requestState"):
            await client.session.call_tool(
                "send_invoice", {"to": "Bob"}, input_responses=answers, request_state=state
            )


async def test_a_client_that_hangs_up_ends_the_call(product: Product, judged_gateway: str) -> None:
    """The tool is cancelled, in whichever replica it runs: it lets go of the connection it holds."""
    begun, ended = anyio.Event(), anyio.Event()

    async def held(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        begun.set()
        await reader.read()
        ended.set()
        writer.close()

    async def call(port: int) -> None:
        async with connected(judged_gateway, product.key) as client:
            await client.call_tool("wait_for_ever", {"port": port})

    async with await asyncio.start_server(held, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        with anyio.fail_after(30):
            async with anyio.create_task_group() as group:
                group.start_soon(call, port)
                await begun.wait()
                assert not ended.is_set()
                group.cancel_scope.cancel()
            await ended.wait()


async def test_the_program_in_the_documentation_runs_as_it_stands(product: Product) -> None:
    """docs/mcp.md, with nothing but the address and the data directory told."""
    page = await anyio.Path(REPOSITORY / "docs" / "mcp.md").read_text()
    [program] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    ended = await anyio.run_process(
        [sys.executable, "-c", program],
        env={
            **os.environ,
            "SUPPORTMAX_URL": product.address,
            "SUPPORTMAX_HOME": str(product.home),
        },
    )
    said = ended.stdout.decode()
    assert "knowledge__search - " in said
    assert "kb-" in said
