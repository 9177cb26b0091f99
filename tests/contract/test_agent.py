"""An agent of Agent Engine as a platform: its sessions, and what it is told."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from config.loader import load_settings
from config.resolve import resolve_platforms
from deployments.platforms.base import Connection
from deployments.platforms.registry import open_platform
from deployments.platforms.vertex.agent import AgentPlatform
from deployments.platforms.vertex.agent_sessions import SESSION_LIFE_S
from routing.errors import ErrorKind, PlatformError
from routing.exchange import (
    ChatReply,
    ChatRequest,
    FinishReason,
    ResponseSchema,
    TextDelta,
    Usage,
)
from routing.message import Message, ToolSpec
from tests.servers import SimulatedRequest, Simulators

WIRE = "google_vertex:agent_engine"
DEADLINE_S = 20.0
QUESTION = ChatRequest("agent-engine", (Message("user", "Where is it?"),), safety_id="0f" * 16)
TOLD = "Earlier in this conversation:\nUser: Where is it?\nAssistant: {}\n\nNow:\nAnd when?"


class _Watch:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def opened(
    simulators: Simulators, watch: _Watch | None = None
) -> AsyncIterator[AgentPlatform]:
    platform = AgentPlatform(simulators.connection(WIRE), now=watch or _Watch())
    try:
        yield platform
    finally:
        await platform.aclose()


def after(
    reply: ChatReply, request: ChatRequest = QUESTION, then: str = "And when?"
) -> ChatRequest:
    said = (Message("assistant", reply.text), Message("user", then))
    return replace(request, messages=(*request.messages, *said))


async def asked(simulators: Simulators) -> list[dict[str, object]]:
    """The arguments of every call so far."""
    return [arguments(one) for one in await simulators.requests()]


def arguments(seen: SimulatedRequest) -> dict[str, object]:
    found = seen.body["input"]
    assert isinstance(found, dict)
    return found


async def test_a_configured_agent_answers_in_place_of_the_model(
    simulators: Simulators, tmp_path: Path
) -> None:
    """From the line in a configuration to the answer, with the usage that the agent tells."""
    name = "projects/shop/locations/us-central1/reasoningEngines/42"
    file = tmp_path / "c.yaml"
    file.write_text(f"platforms: {{google_vertex: {{agent_engine: {name}}}}}")
    settings = load_settings([file], {}, "production").settings
    [found] = resolve_platforms(settings, "production")
    address = simulators.address(found.name)
    platform = open_platform(found.name, Connection(simulators.key, address, options=found.options))
    reply = await platform.complete(replace(QUESTION, model=found.model), DEADLINE_S)
    await platform.aclose()
    assert reply.model == "agent-engine"
    assert reply.usage.output_tokens > 0
    _, asked = await simulators.requests()
    assert asked.path.endswith(f"{name}:streamQuery")


async def test_a_conversation_goes_on_in_its_session(simulators: Simulators) -> None:
    """The agent knows what was said there, so it is told only what is new."""
    async with opened(simulators) as agent:
        first = await agent.complete(QUESTION, DEADLINE_S)
        second = await agent.complete(after(first), DEADLINE_S)
        await agent.complete(after(second, after(first), "Thanks."), DEADLINE_S)
    session, one, two, three = await asked(simulators)
    assert session == {"user_id": QUESTION.safety_id}
    assert one["session_id"] == two["session_id"] == three["session_id"] != ""
    assert [each["message"] for each in (one, two, three)] == [
        "Where is it?",
        "And when?",
        "Thanks.",
    ]
    assert one["run_config"] == {"streaming_mode": "sse"}


async def test_an_agent_that_was_not_there_is_told_what_was_said(simulators: Simulators) -> None:
    """After a turn of another platform, or on another replica, there is no session that knows it."""
    elsewhere = after(ChatReply("On its way.", FinishReason.STOP, Usage(), "gpt-6-luna"))
    async with opened(simulators) as agent:
        await agent.complete(QUESTION, DEADLINE_S)
        await agent.complete(elsewhere, DEADLINE_S)
    first, _, second, told = await asked(simulators)
    assert (first, second) == ({"user_id": QUESTION.safety_id},) * 2
    assert told["message"] == TOLD.format("On its way.")


@pytest.mark.parametrize("stranger", [None, "1e" * 16])
async def test_a_session_is_its_users_alone(simulators: Simulators, stranger: str | None) -> None:
    """Another user who says the same, or nobody in particular, gets a session of his own."""
    async with opened(simulators) as agent:
        first = await agent.complete(QUESTION, DEADLINE_S)
        await agent.complete(replace(after(first), safety_id=stranger), DEADLINE_S)
    mine, one, theirs, two = await asked(simulators)
    assert mine["user_id"] != theirs["user_id"] != ""
    assert one["session_id"] != two["session_id"]
    assert two["message"] == TOLD.format(first.text)


async def test_two_conversations_that_began_alike_do_not_meet(simulators: Simulators) -> None:
    """What one of them goes on to say is none of the other's business."""
    async with opened(simulators) as agent:
        one = await agent.complete(QUESTION, DEADLINE_S)
        await agent.complete(QUESTION, DEADLINE_S)
        for _ in range(2):
            await agent.complete(after(one), DEADLINE_S)
    turns = [call for call in await asked(simulators) if "message" in call]
    assert turns[2]["session_id"] != turns[3]["session_id"]


async def test_a_session_that_rested_too_long_is_not_taken_up(simulators: Simulators) -> None:
    """What is not asked for any more is not kept for ever."""
    watch = _Watch()
    async with opened(simulators, watch) as agent:
        first = await agent.complete(QUESTION, DEADLINE_S)
        watch.now += SESSION_LIFE_S
        await agent.complete(after(first), DEADLINE_S)
    assert len(await simulators.requests()) == 4


@pytest.mark.parametrize("status", [400, 404])
async def test_a_session_that_is_gone_is_replaced_once(simulators: Simulators, status: int) -> None:
    """Google deletes them when it likes; the agent is told again, and the customer notices nothing."""
    async with opened(simulators) as agent:
        first = await agent.complete(QUESTION, DEADLINE_S)
        await simulators.script("google_vertex", {"kind": "status", "status": status})
        await agent.complete(after(first), DEADLINE_S)
        second = await agent.complete(QUESTION, DEADLINE_S)
        await simulators.script("google_vertex", {"kind": "status", "status": status, "times": 2})
        with pytest.raises(PlatformError) as caught:
            await agent.complete(after(second), DEADLINE_S)
    calls = await asked(simulators)
    assert calls[4]["message"] == TOLD.format(first.text)
    assert calls[4]["session_id"] != calls[1]["session_id"]
    assert caught.value.status == status


async def test_a_busy_agent_is_not_asked_twice(simulators: Simulators) -> None:
    """A 429 says nothing about the session; what to do about it is the executor's decision."""
    async with opened(simulators) as agent:
        first = await agent.complete(QUESTION, DEADLINE_S)
        await simulators.script("google_vertex", {"kind": "status", "status": 429})
        with pytest.raises(PlatformError) as caught:
            await agent.complete(after(first), DEADLINE_S)
    assert caught.value.kind is ErrorKind.RATE_LIMITED
    assert len(await simulators.requests()) == 3


async def test_a_session_whose_turn_was_cut_is_not_taken_up(simulators: Simulators) -> None:
    """Nobody knows how much of the turn the agent remembers."""
    async with opened(simulators) as agent:
        first = await agent.complete(QUESTION, DEADLINE_S)
        await simulators.script("google_vertex", {"kind": "cut", "after_chunks": 1})
        with pytest.raises(PlatformError) as caught:
            await agent.complete(after(first), DEADLINE_S)
        await agent.complete(after(first), DEADLINE_S)
    assert caught.value.kind is ErrorKind.STREAM_TRUNCATED
    turns = [call for call in await asked(simulators) if "message" in call]
    assert turns[0]["session_id"] == turns[1]["session_id"] != turns[2]["session_id"]


@pytest.mark.alone  # of 1.2 s, 0.5 are left for two requests to another process
async def test_the_deadline_is_for_session_and_answer_together(simulators: Simulators) -> None:
    """Opening a session takes its time from the answer, and nothing is added."""
    slow = {"kind": "slow", "delay_ms": 700}
    await simulators.script("google_vertex", slow, slow)
    async with opened(simulators) as agent:
        with pytest.raises(PlatformError) as caught:
            await agent.complete(QUESTION, 1.2)
    assert caught.value.kind is ErrorKind.TIMEOUT
    assert len(await simulators.requests()) == 2


async def test_leaving_an_agents_answer_reaches_the_vendor(
    simulators: Simulators,
) -> None:
    """Nobody pays for what nobody reads, and the connection comes back."""
    await simulators.script(
        "google_vertex", {"kind": "slow"}, {"kind": "slow", "chunk_delay_ms": 2000}
    )
    async with opened(simulators) as agent:
        async with aclosing(agent.stream(QUESTION, DEADLINE_S)) as chunks:
            assert isinstance(await anext(chunks), TextDelta)
        assert (await agent.complete(QUESTION, DEADLINE_S)).text
    _, left, *_ = await simulators.requests()
    assert (left.cancelled, left.completed) == (True, False)


@pytest.mark.parametrize(
    "change",
    [
        {"tools": (ToolSpec("get_order", "Look it up.", {"type": "object"}),)},
        {"response_schema": ResponseSchema("verdict", {"type": "object"})},
        {"messages": (Message("assistant", "Hello."),)},
        {"messages": ()},
    ],
    ids=["tools", "schema", "no question", "nothing"],
)
async def test_what_no_agent_can_do_is_refused_before_anything_is_sent(
    simulators: Simulators, change: dict[str, object]
) -> None:
    """The decision should not have sent it here: our bug, and no outage of Google's."""
    async with opened(simulators) as agent:
        with pytest.raises(PlatformError, match="Agent Engine: ") as caught:
            await agent.complete(replace(QUESTION, **change), DEADLINE_S)  # type: ignore[arg-type]
    assert caught.value.kind is ErrorKind.INVALID_REQUEST
    assert await simulators.requests() == []
