"""An agent deployed on Agent Engine, asked over the simulated wire."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from deployments.platforms.base import Connection
from deployments.platforms.vertex.agent_engine import AgentEngine
from routing.errors import ConfigError, ErrorKind, PlatformError
from routing.message import JsonObject
from tests.servers import Simulators

NAME = "projects/shop/locations/us-central1/reasoningEngines/42"
DEADLINE_S = 20.0
ASKED: JsonObject = {"message": "Hello.", "user_id": "u1", "session_id": "s1"}


@asynccontextmanager
async def agent(simulators: Simulators, **changes: str) -> AsyncIterator[AgentEngine]:
    connection = simulators.connection("google_vertex")
    engine = AgentEngine(replace(connection, **changes), NAME, idle_s=5.0)  # type: ignore[arg-type]
    try:
        yield engine
    finally:
        await engine.aclose()


async def events(engine: AgentEngine, deadline_s: float = DEADLINE_S) -> list[JsonObject]:
    stream = engine.stream_query("async_stream_query", ASKED, deadline_s)
    return [event async for event in stream]


def text_of(event: JsonObject) -> str:
    content = event["content"]
    assert isinstance(content, dict)
    return str(content["parts"][0]["text"])


async def test_a_method_returns_its_output(simulators: Simulators) -> None:
    """The method and its arguments travel under the names the wire has for them."""
    async with agent(simulators) as engine:
        session = await engine.query("async_create_session", {"user_id": "u1"}, DEADLINE_S)
    assert isinstance(session, dict)
    assert session["userId"] == "u1"
    [seen] = await simulators.requests()
    assert seen.body == {"classMethod": "async_create_session", "input": {"user_id": "u1"}}


async def test_a_streaming_method_yields_its_events_as_they_come(simulators: Simulators) -> None:
    """One JSON value a line, however the lines are cut on their way."""
    await simulators.script("google_vertex", {"kind": "text", "text": "Ünï 🙂 code", "chunks": 5})
    async with agent(simulators) as engine:
        said = [text_of(event) for event in await events(engine)]
    assert len(said) == 5
    assert "".join(said) == "Ünï 🙂 code"


@pytest.mark.parametrize("status", [401, 404, 429, 503])
async def test_an_agents_failure_is_a_platform_error(simulators: Simulators, status: int) -> None:
    """With the vendor's status, like a model's."""
    await simulators.script("google_vertex", *[{"kind": "status", "status": status}] * 2)
    async with agent(simulators) as engine:
        with pytest.raises(PlatformError) as asked:
            await engine.query("async_create_session", {}, DEADLINE_S)
        with pytest.raises(PlatformError) as streamed:
            await events(engine)
    assert asked.value.status == streamed.value.status == status
    assert asked.value.kind is streamed.value.kind


async def test_an_error_among_the_events_is_raised(simulators: Simulators) -> None:
    """The status was 200."""
    fault = {"kind": "error_event", "after_chunks": 1, "code": "RESOURCE_EXHAUSTED"}
    await simulators.script("google_vertex", fault)
    async with agent(simulators) as engine:
        with pytest.raises(PlatformError) as caught:
            await events(engine)
    assert (caught.value.kind, caught.value.status) == (ErrorKind.RATE_LIMITED, None)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"kind": "disconnect", "after_chunks": 1}, ErrorKind.CONNECTION),
        ({"kind": "garbage", "after_chunks": 1}, ErrorKind.BAD_REPLY),
        ({"kind": "stall", "after_chunks": 1, "stall_s": 30}, ErrorKind.TIMEOUT),
    ],
)
async def test_a_stream_of_events_fails_in_our_words(
    simulators: Simulators, fault: dict[str, object], kind: ErrorKind
) -> None:
    """Networks and deadlines are the same for an agent as for a model."""
    await simulators.script("google_vertex", fault)
    async with agent(simulators) as engine:
        with pytest.raises(PlatformError) as caught:
            await events(engine, deadline_s=0.5 if kind is ErrorKind.TIMEOUT else DEADLINE_S)
    assert caught.value.kind is kind


async def test_events_in_the_frames_of_a_proxy_are_the_same_events() -> None:
    """Google asks for it with `alt=sse` and sends bare lines; what stands between may do as asked."""

    async def answer(request: web.Request) -> web.Response:
        framed = 'data: {"id": "1"}\r\n\r\ndata:\n\ndata:{"id": "2"}\n\n{"id": "3"}'
        return web.Response(text=framed, content_type="text/event-stream")

    app = web.Application()
    app.router.add_post("/{path:.*}", answer)
    async with TestServer(app) as server:
        engine = AgentEngine(Connection("ya29.token", str(server.make_url("/"))), NAME)
        found = await events(engine)
        await engine.aclose()
    assert found == [{"id": "1"}, {"id": "2"}, {"id": "3"}]


async def test_leaving_an_agents_stream_reaches_the_vendor(simulators: Simulators) -> None:
    """Nobody pays for what nobody reads."""
    await simulators.script("google_vertex", {"kind": "slow", "chunk_delay_ms": 2_000})
    async with agent(simulators) as engine:
        stream = engine.stream_query("async_stream_query", ASKED, DEADLINE_S)
        async with aclosing(stream):
            await anext(stream)
    [seen] = await simulators.requests()
    assert (seen.cancelled, seen.completed) == (True, False)


async def test_no_default_credentials_are_ours_to_mend(
    simulators: Simulators, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looked for at the first call, like a model's."""
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/key.json")
    async with agent(simulators, credential="") as engine:
        with pytest.raises(PlatformError, match="/nowhere/key") as caught:
            await engine.query("async_create_session", {}, DEADLINE_S)
    assert caught.value.kind is ErrorKind.CREDENTIALS


@pytest.mark.parametrize("name", ["42", "projects/p/locations/l/models/42", f"{NAME}/extra", ""])
def test_what_is_not_an_agents_name_is_refused(name: str) -> None:
    """The mistake is found when the service starts, with the shape a name has."""
    with pytest.raises(ConfigError, match="reasoningEngines"):
        AgentEngine(Connection("ya29.token"), name)
