"""What each platform's own list of models comes to, and every way in which asking for it fails."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date

import pytest

from config.models import shipped_models
from deployments.platforms import asking as asking_module
from deployments.platforms.base import Connection, Platform
from deployments.platforms.models import ListedModel
from deployments.platforms.registry import open_platform
from routing.errors import ErrorKind, PlatformError
from routing.exchange import ChatRequest, RateLimit, ReplyDone
from routing.message import Message
from tests.servers import Simulators

LISTING = ("anthropic", "azure_openai", "google_vertex", "openai")
REFUSED = "sk-never-repeat-this-9876543210"
DEADLINE_S = 20.0


@asynccontextmanager
async def opened(name: str, connection: Connection) -> AsyncIterator[Platform]:
    platform = open_platform(name, connection)
    try:
        yield platform
    finally:
        await platform.aclose()


async def models_of(name: str, connection: Connection) -> dict[str, ListedModel]:
    async with opened(name, connection) as platform:
        return {model.id: model for model in await platform.models()}


async def failure_of(name: str, connection: Connection) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        await models_of(name, connection)
    assert caught.value.platform == name
    return caught.value


@pytest.mark.parametrize(
    ("name", "model", "told"),
    [
        ("openai", "gpt-5", ListedModel("gpt-5", date(2026, 12, 11))),
        ("openai", "gpt-6-luna", ListedModel("gpt-6-luna")),
        ("azure_openai", "gpt-5", ListedModel("gpt-5", date(2026, 12, 11))),
        (
            "anthropic",
            "claude-sonnet-4-5",
            ListedModel("claude-sonnet-4-5", date(2026, 11, 30), date(2026, 5, 30), 1_000_000),
        ),
        ("google_vertex", "gemini-3.8-flash", ListedModel("gemini-3.8-flash")),
    ],
)
async def test_a_model_is_told_as_its_vendor_tells_it(
    simulators: Simulators, name: str, model: str, told: ListedModel
) -> None:
    """Dates and windows where the vendor states them, and nothing invented where it does not."""
    assert (await models_of(name, simulators.connection(name)))[model] == told


async def test_the_older_api_of_azure_lists_models_too(simulators: Simulators) -> None:
    """Its address names a deployment, the list's does not."""
    connection = simulators.connection("azure_openai")
    older = {"api": "legacy", "api_version": "2025-04-01-preview", "deployment": "gpt-6-luna"}
    found = await models_of("azure_openai", replace(connection, options=older))
    assert found["gpt-5"].retires_at == date(2026, 12, 11)


@pytest.mark.parametrize("wire", ["copilot_studio", "copilot_studio:direct_to_engine"])
async def test_an_agent_of_copilot_studio_offers_no_models_and_nobody_is_asked(
    simulators: Simulators, wire: str
) -> None:
    assert await models_of("copilot_studio", simulators.connection(wire)) == {}
    assert await simulators.requests() == []


@pytest.mark.parametrize(("vendor", "name"), [("gpt", "openai"), ("claude", "anthropic")])
async def test_the_simulators_tell_the_dates_of_the_shipped_table(
    simulators: Simulators, vendor: str, name: str
) -> None:
    """Two lists of one fact: a retirement that is written into one of them only fails here."""
    retiring = {
        model: row.ends
        for model, row in shipped_models().retiring.items()
        if model.startswith("claude") == (vendor == "claude")
    }
    found = await models_of(name, simulators.connection(name))
    told = {model: found[model].retires_at for model in retiring}
    assert {model: day and day.isoformat() for model, day in told.items()} == retiring


@pytest.mark.parametrize("name", LISTING)
async def test_a_wrong_credential_is_told_as_one_and_not_repeated(
    simulators: Simulators, name: str
) -> None:
    error = await failure_of(name, replace(simulators.connection(name), credential=REFUSED))
    assert (error.kind, error.status) == (ErrorKind.CREDENTIALS, 401)
    assert REFUSED not in str(error.args)


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        ({"kind": "status", "status": 429, "retry_after_s": 3}, ErrorKind.RATE_LIMITED),
        ({"kind": "status", "status": 500}, ErrorKind.OVERLOADED),
        ({"kind": "status", "status": 403}, ErrorKind.PERMISSION),
        ({"kind": "garbage", "after_chunks": 0}, ErrorKind.BAD_REPLY),
        ({"kind": "disconnect", "after_chunks": 0}, ErrorKind.CONNECTION),
        ({"kind": "cut", "after_chunks": 0}, ErrorKind.BAD_REPLY),
    ],
)
@pytest.mark.parametrize("name", LISTING)
async def test_a_list_that_fails_is_a_platform_error_and_no_other(
    simulators: Simulators, name: str, behaviour: dict[str, object], kind: ErrorKind
) -> None:
    """Whatever its SDK makes of it; and it is asked once, since trying again is not its business."""
    await simulators.script(f"{name}/models", behaviour)
    error = await failure_of(name, simulators.connection(name))
    assert error.kind is kind
    assert len(await simulators.requests()) == 1


@pytest.mark.parametrize("name", LISTING)
async def test_a_list_that_does_not_come_is_given_up(
    simulators: Simulators, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The vendor takes the request, and says nothing more."""
    monkeypatch.setattr(asking_module, "ASK_S", 0.3)
    await simulators.script(f"{name}/models", {"kind": "slow", "delay_ms": 20_000})
    async with asyncio.timeout(10):
        assert (await failure_of(name, simulators.connection(name))).kind is ErrorKind.TIMEOUT


@pytest.mark.parametrize("name", LISTING)
async def test_nobody_listening_is_told_as_a_connection_that_failed(
    simulators: Simulators, name: str
) -> None:
    """Port 9 is nobody's here."""
    nowhere = replace(simulators.connection(name), base_url="http://127.0.0.1:9")
    assert (await failure_of(name, nowhere)).kind is ErrorKind.CONNECTION


@asynccontextmanager
async def saying(body: bytes) -> AsyncIterator[str]:
    """A server that answers every request with `body`, whatever it was asked."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
        writer.write(head.encode() + b"\r\nconnection: close\r\n\r\n" + body)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(
    "body",
    [b"[]", b"null", b'"x"', b"{}", b"<html>", b'{"data": 5, "publisherModels": 5}'],
)
@pytest.mark.parametrize("name", LISTING)
async def test_what_is_no_list_is_a_bad_reply(
    simulators: Simulators, name: str, body: bytes
) -> None:
    """The SDKs read it unchecked, and stumble over it in ways of their own."""
    async with saying(body) as address:
        connection = replace(simulators.connection(name), base_url=address)
        assert (await failure_of(name, connection)).kind is ErrorKind.BAD_REPLY


async def test_a_row_that_is_no_model_costs_only_itself(simulators: Simulators) -> None:
    body = b'{"data": ["x", {"id": 7}, {"id": "gpt-7", "shutdown_date": "soon"}]}'
    async with saying(body) as address:
        connection = replace(simulators.connection("openai"), base_url=address)
        assert await models_of("openai", connection) == {"gpt-7": ListedModel("gpt-7")}


@pytest.mark.parametrize("name", LISTING)
async def test_a_list_longer_than_any_is_not_read_to_its_end(
    simulators: Simulators, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking_module, "MAX_ANSWER", 100)
    assert (await failure_of(name, simulators.connection(name))).kind is ErrorKind.BAD_REPLY


@pytest.mark.parametrize("name", LISTING)
async def test_asking_for_models_leaves_the_way_of_questions_as_it_was(
    simulators: Simulators, name: str
) -> None:
    """They share an SDK, a credential and, with Google, the recorder of its heads."""
    model = {"anthropic": "claude-haiku-5-5", "google_vertex": "gemini-3.8-flash"}
    question = ChatRequest(model.get(name, "gpt-6-luna"), (Message("user", "Hello."),))
    async with opened(name, simulators.connection(name)) as platform:
        _, reply, _ = await asyncio.gather(
            platform.models(), platform.complete(question, DEADLINE_S), platform.models()
        )
        assert reply.text
        assert (await platform.complete(question, DEADLINE_S)).text


@pytest.mark.parametrize("name", ["anthropic", "azure_openai", "openai"])
@pytest.mark.parametrize("streams", [False, True])
async def test_an_answer_says_what_is_left_and_the_next_one_less(
    simulators: Simulators, name: str, *, streams: bool
) -> None:
    """From its headers, on both ways."""
    model = "claude-haiku-5-5" if name == "anthropic" else "gpt-6-luna"
    question = ChatRequest(model, (Message("user", "How long does a refund take?"),))

    async def said(platform: Platform) -> RateLimit:
        if not streams:
            limit = (await platform.complete(question, DEADLINE_S)).rate_limit
        else:
            *_, done = [chunk async for chunk in platform.stream(question, DEADLINE_S)]
            assert isinstance(done, ReplyDone)
            limit = done.reply.rate_limit
        assert limit is not None
        return limit

    async with opened(name, simulators.connection(name)) as platform:
        first, second = await said(platform), await said(platform)
        if second.remaining_requests == (second.limit_requests or 0) - 1:
            # A new minute began with the second: the next one is in it too.
            first, second = second, await said(platform)
    assert first.limit_requests == second.limit_requests
    assert first.remaining_requests is not None
    assert first.remaining_tokens is not None
    assert first.resets_at is not None
    assert 0 <= first.resets_at - first.at <= 61
    assert second.remaining_requests == first.remaining_requests - 1
    assert second.remaining_tokens is not None
    assert second.remaining_tokens < first.remaining_tokens


@pytest.mark.parametrize("name", ["copilot_studio", "google_vertex"])
async def test_vendors_that_say_nothing_of_it_have_no_rate_limit(
    simulators: Simulators, name: str
) -> None:
    model = "gemini-3.8-flash" if name == "google_vertex" else "copilot-studio"
    question = ChatRequest(model, (Message("user", "How long does a refund take?"),))
    async with opened(name, simulators.connection(name)) as platform:
        assert (await platform.complete(question, DEADLINE_S)).rate_limit is None
