"""Each caller is known to an upstream as themselves, by a token for that upstream and nobody else's."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from joserfc.errors import JoseError

from deployments.mcp_gateway.caller import Caller
from deployments.mcp_gateway.tool_server import UpstreamFailed
from deployments.mcp_gateway.upstreams.tokens import (
    AuthorizationServer as Registered,
)
from deployments.mcp_gateway.upstreams.tokens import Subject, Target, Tokens
from routing.clock import ManualClock
from tests.authorization_server import BEHALF, CLIENT, EXCHANGE, SECRET, AuthorizationServer
from tests.federation_world import Scripted, World, caller, http, wire_tool, world

RESOURCE = "https://crm.example/mcp"
TARGET = Target(RESOURCE)


class Asked:
    """Tokens of a server on loopback."""

    def __init__(self, server: AuthorizationServer, tokens: Tokens, clock: ManualClock) -> None:
        self.server = server
        self.tokens = tokens
        self.clock = clock

    def who(self, name: str, tenant: str = "northwind") -> Subject:
        """Somebody who signed on."""
        return Subject(tenant, name, self.server.subject(name, tenant))


@asynccontextmanager
async def asking(server: AuthorizationServer, kind: str = "token_exchange") -> AsyncIterator[Asked]:
    clock = ManualClock()
    async with http(server) as port, httpx2.AsyncClient(trust_env=False) as client:
        url = f"http://127.0.0.1:{port}/token"
        registered = Registered(kind, url, CLIENT, SECRET)  # type: ignore[arg-type]
        tokens = Tokens(registered, client, clock)
        try:
            yield Asked(server, tokens, clock)
        finally:
            await tokens.aclose()


async def test_a_token_is_for_one_caller_at_one_upstream() -> None:
    async with asking(AuthorizationServer(RESOURCE, "https://other.example")) as asked:
        ada = await asked.tokens.of(asked.who("ada"), TARGET)
        claims = asked.server.claims(ada)
        assert (claims["sub"], claims["aud"]) == ("ada", RESOURCE)
        assert asked.server.orders[0]["grant_type"] == EXCHANGE
        assert await asked.tokens.of(asked.who("bob"), TARGET) != ada
        other = await asked.tokens.of(asked.who("ada"), Target("https://other.example"))
        assert asked.server.claims(other)["aud"] == "https://other.example"
        assert await asked.tokens.of(asked.who("ada", "globex"), TARGET) != ada
        assert len(asked.server.orders) == 4


async def test_entra_is_asked_on_behalf_of_the_caller() -> None:
    async with asking(AuthorizationServer(RESOURCE), "on_behalf_of") as asked:
        target = Target(RESOURCE, scope=f"{RESOURCE}/.default")
        token = await asked.tokens.of(asked.who("ada"), target)
        assert asked.server.claims(token)["sub"] == "ada"
        order = asked.server.orders[0]
        assert order["grant_type"] == BEHALF
        assert order["requested_token_use"] == "on_behalf_of"  # noqa: S105  it is no secret
        itself = await asked.tokens.of(None, target)
        assert asked.server.claims(itself)["sub"] == CLIENT


async def test_many_who_wait_for_one_token_ask_once_and_one_who_leaves_takes_it_from_nobody() -> (
    None
):
    async with asking(AuthorizationServer(RESOURCE)) as asked:
        who = asked.who("ada")
        waiting = [asyncio.create_task(asked.tokens.of(who, TARGET)) for _ in range(20)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        found = await asyncio.gather(*waiting, return_exceptions=True)
        assert len(set(map(str, found[1:]))) == 1
        assert len(asked.server.orders) == 1


async def test_a_token_is_used_until_shortly_before_its_end() -> None:
    async with asking(AuthorizationServer(RESOURCE)) as asked:
        who = asked.who("ada")
        first = await asked.tokens.of(who, TARGET)
        asked.clock.advance(269)
        assert await asked.tokens.of(who, TARGET) == first
        asked.clock.advance(2)
        assert await asked.tokens.of(who, TARGET) != first
        asked.tokens.forget(who, TARGET)
        await asked.tokens.of(who, TARGET)
        assert len(asked.server.orders) == 3


async def test_a_token_that_does_not_say_how_long_it_lives_is_used_once() -> None:
    server = AuthorizationServer(RESOURCE)
    server.lives_s = 0
    async with asking(server) as asked:
        who = asked.who("ada")
        assert await asked.tokens.of(who, TARGET) != await asked.tokens.of(who, TARGET)


async def test_nobody_asks_again_at_once_after_a_refusal() -> None:
    async with asking(AuthorizationServer(RESOURCE)) as asked:
        who = asked.who("ada")
        asked.server.is_down = True
        for _ in range(5):
            with pytest.raises(UpstreamFailed, match="gives no token"):
                await asked.tokens.of(who, TARGET)
        assert len(asked.server.orders) == 1
        asked.server.is_down = False
        asked.clock.advance(6)
        assert await asked.tokens.of(who, TARGET)


async def test_the_callers_own_token_is_passed_to_nobody_even_if_the_server_gives_it_back() -> None:
    server = AuthorizationServer(RESOURCE)
    server.passes_through = True
    async with asking(server) as asked:
        with pytest.raises(UpstreamFailed):
            await asked.tokens.of(asked.who("ada"), TARGET)


async def test_a_forged_subject_and_a_foreign_resource_come_to_nothing() -> None:
    async with asking(AuthorizationServer(RESOURCE)) as asked:
        forged = Subject("northwind", "ada", AuthorizationServer().subject("ada"))
        for who, target in ((forged, TARGET), (asked.who("ada"), Target("https://bank.example"))):
            with pytest.raises(UpstreamFailed) as refused:
                await asked.tokens.of(who, target)
            assert who.token not in str(refused.value)


@asynccontextmanager
async def crm(path: Path) -> AsyncIterator[tuple[World, Scripted, AuthorizationServer]]:
    """An upstream that knows its callers one by one, and the server that names them."""
    found = Scripted(tools__list={"tools": [wire_tool("find")]}, tools__call={"content": []})
    server = AuthorizationServer()
    async with http(found) as port, http(server) as tokens_port:
        url = f"http://127.0.0.1:{port}/mcp"
        server.resources.add(url)
        authority = {
            "kind": "token_exchange", "token_url": f"http://127.0.0.1:{tokens_port}/token",
            "client_id": CLIENT, "client_secret": SECRET,
        }  # fmt: skip
        upstream = {
            "url": url, "trust_on_first_use": True, "credential": {"authority": "corporate"},
            "tools": {"find": {"side_effect": "read", "approval": False}},
        }  # fmt: skip
        async with world(
            path, {"crm": upstream}, ports=[tokens_port], authorities={"corporate": authority}
        ) as made:
            await made.ready("crm")
            yield made, found, server


async def test_an_upstream_sees_each_caller_and_never_their_own_token(tmp_path: Path) -> None:
    async with crm(tmp_path) as (made, found, server):
        people = {name: server.subject(name) for name in ("ada", "bob", "eve")}

        def signed_on(name: str) -> Caller:
            return caller(subject_token=people[name])

        calls = [made.gateway.call(signed_on(n), "crm__find", {}) for n in [*people] * 4]
        outcomes = await asyncio.gather(*calls)
        assert not any(outcome.is_error for outcome in outcomes)
        sent = [h["authorization"].removeprefix("Bearer ") for h in found.headers]
        by_method = list(zip(found.asked, sent, strict=True))
        assert not set(sent) & set(people.values())
        called = [
            server.claims(token)["sub"] for asked, token in by_method if asked == "tools/call"
        ]
        assert sorted(str(name) for name in called) == sorted([*people] * 4)
        listed = [
            server.claims(token)["sub"] for asked, token in by_method if asked == "tools/list"
        ]
        assert listed == [CLIENT]


async def test_an_api_key_stands_for_nobody_at_such_an_upstream(tmp_path: Path) -> None:
    async with crm(tmp_path) as (made, found, server):
        outcome = await made.gateway.call(caller(), "crm__find", {})
        assert outcome.is_error
        assert "signed on" in outcome.text
        assert "tools/call" not in found.asked
        with pytest.raises(JoseError):
            server.claims("smk_x")


async def test_a_shared_credential_is_read_anew_and_reaches_its_header_alone(
    tmp_path: Path,
) -> None:
    found = Scripted(tools__list={"tools": [wire_tool("find")]}, tools__call={"content": []})
    secret = tmp_path / "secret"
    secret.write_text("first\n")
    async with http(found) as port:
        upstream = {
            "url": f"http://127.0.0.1:{port}/mcp", "trust_on_first_use": True,
            "credential": {"file": str(secret), "header": "X-Api-Key", "prefix": ""},
            "tools": {"find": {"side_effect": "read", "approval": False}},
        }  # fmt: skip
        async with world(tmp_path, {"crm": upstream}) as made:
            await made.ready("crm")
            secret.write_text("second")
            await made.gateway.call(caller(), "crm__find", {})
            assert found.headers[0]["x-api-key"] == "first"
            assert found.headers[-1]["x-api-key"] == "second"
            secret.write_text("two\nlines")
            assert "credential" in (await made.gateway.call(caller(), "crm__find", {})).text
