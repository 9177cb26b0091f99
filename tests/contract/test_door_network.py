"""What the network, a proxy or another server does to a script, and what the script is told."""

import asyncio
import json
from collections.abc import Mapping

import pytest

from deployments.clients import CopilotStudio, Door, Problem, UnifiedAgent, VertexAIAgent
from deployments.clients.answer import Answer, Event
from tests.peer import head_of, peer, problem, said

ANSWER: Mapping[str, object] = {
    "id": "ans_1",
    "conversation_id": "conv_00000001",
    "text": "Five days.",
    "citations": [],
    "platform": "openai",
    "model": "m",
    "simulated": False,
    "finish_reason": "stop",
    "handoff": None,
    "tool_calls": [],
    "usage": {"input_tokens": 1, "cached_tokens": 0, "output_tokens": 1, "reasoning_tokens": 0},
    "cost_usd": None,
    "cost_estimated": False,
    "latency_ms": 1,
    "attempts": [],
    "decision": {
        "id": "dec_1",
        "strategy": "latency",
        "chosen": "openai",
        "candidates": [],
        "snapshot": 1,
    },
    "a_field_of_next_year": True,
}


def status_of(name: str, *, simulated: bool = False, **options: str) -> bytes:
    return said({"platforms": [{"name": name, "simulated": simulated, "options": options}]})


async def answered(door: Door, *, in_thread: bool) -> Answer:
    agent = UnifiedAgent(door=door)
    return await (asyncio.to_thread(agent.process, "Hi") if in_thread else agent.aprocess("Hi"))


async def streamed(door: Door, *, in_thread: bool) -> list[Event]:
    agent = UnifiedAgent(door=door)
    if in_thread:
        return await asyncio.to_thread(lambda: list(agent.stream("Hi")))
    return [event async for event in agent.astream("Hi")]


@pytest.fixture(params=[True, False], ids=["thread", "loop"])
def in_thread(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


async def test_a_connection_that_breaks_is_tried_again_under_the_same_key(
    *, in_thread: bool
) -> None:
    """SupportMax may have answered already: the key makes the second the same question."""
    async with peer("hang up", said(ANSWER)) as one:
        answer = await answered(one.door, in_thread=in_thread)
    assert answer.text == "Five days."
    keys = [headers["idempotency-key"] for _, headers, _ in one.requests]
    assert len(keys) == 2
    assert len(set(keys)) == 1
    assert one.requests[0][2] == one.requests[1][2]


async def test_every_question_has_a_key_of_its_own(*, in_thread: bool) -> None:
    """The same words asked twice are two questions."""
    async with peer(said(ANSWER), said(ANSWER)) as one:
        await answered(one.door, in_thread=in_thread)
        await answered(one.door, in_thread=in_thread)
    assert len({headers["idempotency-key"] for _, headers, _ in one.requests}) == 2


async def test_a_first_try_that_did_arrive_is_waited_for(*, in_thread: bool) -> None:
    """409 says that it is being answered; nothing is asked a second time."""
    busy = problem("request_in_progress", 409)
    async with peer("hang up", busy, busy, said(ANSWER)) as one:
        assert (await answered(one.door, in_thread=in_thread)).text == "Five days."
    assert len({headers["idempotency-key"] for _, headers, _ in one.requests}) == 1


async def test_a_network_that_fails_twice_is_given_up(*, in_thread: bool) -> None:
    """One retry: what is down stays down longer than a script should hang."""
    async with peer("hang up", "hang up", said(ANSWER)) as one:
        with pytest.raises(Problem, match="SUPPORTMAX_URL") as caught:
            await answered(one.door, in_thread=in_thread)
    assert (caught.value.code, caught.value.status) == ("unreachable", None)
    assert len(one.requests) == 2


async def test_silence_has_an_end(*, in_thread: bool) -> None:
    """And is not asked again: it was heard."""
    async with peer("say nothing") as one:
        with pytest.raises(Problem) as caught:
            await answered(one.hasty_door, in_thread=in_thread)
    assert caught.value.code == "timed_out"
    assert len(one.requests) == 1


async def test_a_stream_that_only_says_it_is_alive_has_an_end(*, in_thread: bool) -> None:
    """Heartbeats keep proxies patient, not scripts."""
    async with peer("only heartbeats") as one:
        with pytest.raises(Problem) as caught:
            await streamed(one.hasty_door, in_thread=in_thread)
    assert caught.value.code == "timed_out"


@pytest.mark.parametrize(
    "rest",
    [
        b"",
        b'event: delta\ndata: {"text": "Five"}\n\n',
        b'event: delta\ndata: {"te',
        b'event: done\ndata: {"te\n\n',
    ],
    ids=["at once", "after text", "in a line", "garbled"],
)
async def test_a_stream_without_an_end_is_no_answer_and_is_not_asked_again(
    rest: bytes, *, in_thread: bool
) -> None:
    """Half an answer is never taken for one; a second question would be billed."""
    async with peer(head_of("text/event-stream") + rest) as one:
        with pytest.raises(Problem) as caught:
            await streamed(one.door, in_thread=in_thread)
    assert caught.value.code == "stream_cut"
    assert len(one.requests) == 1
    assert "idempotency-key" not in one.requests[0][1]


async def test_an_error_at_a_streams_end_is_the_problem_it_says(*, in_thread: bool) -> None:
    """With its own status: the stream's was 200."""
    told = {"code": "no_platform_available", "detail": "nobody", "status": 503}
    event = f"event: error\ndata: {json.dumps(told)}\n\n".encode()
    async with peer(head_of("text/event-stream") + event) as one:
        with pytest.raises(Problem, match="nobody") as caught:
            await streamed(one.door, in_thread=in_thread)
    assert (caught.value.code, caught.value.status) == ("no_platform_available", 503)


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        (head_of("text/html", 502) + b"<h1>Bad gateway</h1>", 502),
        (said([1]), 200),
        (said({"hello": "world"}), None),
        (head_of("text/html", 302, "location: /login\r\n"), 302),
    ],
    ids=["a proxy", "no object", "another service", "a login page"],
)
async def test_what_is_not_supportmax_is_named(
    reply: bytes, status: int | None, *, in_thread: bool
) -> None:
    """A wrong address is found in a minute where the message says who answers there."""
    async with peer(reply) as one:
        with pytest.raises(Problem) as caught:
            await answered(one.door, in_thread=in_thread)
    assert (caught.value.code, caught.value.status) == ("unexpected_reply", status)


async def test_nobody_there_says_how_to_start_it(*, in_thread: bool) -> None:
    """The commonest mistake."""
    async with peer() as one:
        pass  # it is gone, and so is its port
    with pytest.raises(Problem, match="make run") as caught:
        await answered(one.door, in_thread=in_thread)
    assert caught.value.code == "unreachable"
    with pytest.raises(Problem, match="make run"):
        await streamed(one.door, in_thread=in_thread)


# -- Vertex AI and Copilot Studio: the one that is configured ----------------------------------------


async def test_another_project_or_location_is_refused_by_name_before_anything_is_asked() -> None:
    """The script would be billed to, and answered from, a place it does not mean."""
    there = status_of("google_vertex", project_id="shop", location="europe-west4")
    async with peer(there) as one:
        with pytest.raises(Problem) as caught:
            await VertexAIAgent("bank", "Europe-West4", one.door).agenerate_content("Hi")
    assert caught.value.code == "configured_otherwise"
    assert "'bank'" in str(caught.value)
    assert "'shop'" in str(caught.value)
    assert [path for path, _, _ in one.requests] == ["/v3/platforms/status"]


@pytest.mark.parametrize(
    "status",
    [
        status_of("copilot_studio", bot_id="Bot-1"),
        status_of("copilot_studio", bot_id="another", simulated=True),
        status_of("copilot_studio"),
        status_of("openai", bot_id="another"),
        said({"platforms": [{"name": "copilot_studio", "simulated": False}]}),
        problem("forbidden", 403),
    ],
    ids=["the same", "simulated", "not told", "not there", "an older version", "not allowed"],
)
async def test_what_cannot_be_compared_is_not(status: bytes) -> None:
    """A key of a customer may chat, and not read the configuration."""
    async with peer(status, said(ANSWER), said(ANSWER)) as one:
        copilot = CopilotStudio("bot-1", one.door)
        await copilot.asend_activity("user_1", "Hi")
        await asyncio.to_thread(copilot.send_activity, "user_1", "Hi")
    paths = [path for path, _, _ in one.requests]
    assert paths == ["/v3/platforms/status", *["/v3/microsoft/copilot"] * 2]


async def test_a_users_conversation_goes_on_and_another_users_does_not() -> None:
    """One conversation per user."""
    other = {**ANSWER, "conversation_id": "conv_00000002"}
    replies = [said(ANSWER), said(other), said(ANSWER), said(other)]
    async with peer(status_of("copilot_studio"), *replies) as one:
        copilot = CopilotStudio("bot-1", one.door)
        for user in ("a", "b", "a", "b"):
            await copilot.asend_activity(user, "Hi")
    asked = [(body["user_id"], body.get("conversation_id")) for _, _, body in one.requests[1:]]
    assert asked == [("a", None), ("b", None), ("a", "conv_00000001"), ("b", "conv_00000002")]


async def test_a_conversation_that_was_erased_begins_anew(*, in_thread: bool) -> None:
    """Its user asked for that, and may speak again."""
    replies = [said(ANSWER), problem("not_found", 404), said(ANSWER)]
    async with peer(status_of("copilot_studio"), *replies) as one:
        copilot = CopilotStudio("bot-1", one.door)
        for _ in range(2):
            if in_thread:
                await asyncio.to_thread(copilot.send_activity, "a", "Hi")
            else:
                await copilot.asend_activity("a", "Hi")
    conversations = [body.get("conversation_id") for _, _, body in one.requests[1:]]
    assert conversations == [None, "conv_00000001", None]


async def test_users_beyond_the_bound_are_forgotten_oldest_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A service that runs for a year meets more people than it can remember."""
    monkeypatch.setattr("deployments.clients.copilot.MAX_USERS", 2)
    async with peer(status_of("copilot_studio"), *[said(ANSWER)] * 5) as one:
        copilot = CopilotStudio("bot-1", one.door)
        for user in ("a", "b", "c", "b", "a"):
            await copilot.asend_activity(user, "Hi")
    known = [body.get("conversation_id") is not None for _, _, body in one.requests[1:]]
    assert known == [False, False, False, True, False]


async def test_vertex_speaks_google_to_the_script_and_names_its_platform() -> None:
    """Calls go out and come back as Google writes them."""
    completion = {
        "model": "gemini",
        "choices": [
            {
                "finish_reason": "tool_calls",
                "message": {
                    "content": None,
                    "tool_calls": [
                        {"id": "c1", "function": {"name": "find", "arguments": '{"order": "A"}'}}
                    ],
                },
            }
        ],
        "usage": {"prompt_tokens": 5, "completion_tokens": 2},
    }

    def find(order: str) -> str:
        """Find an order."""
        return order

    async with peer(status_of("google_vertex"), said(completion)) as one:
        agent = VertexAIAgent("shop", "global", one.door)
        content = await asyncio.to_thread(agent.generate_content, "Where is A?", [find])
    [call] = content.function_calls
    assert (call.name, call.args, content.usage.input_tokens) == ("find", {"order": "A"}, 5)
    path, _, body = one.requests[1]
    assert path == "/v1/chat/completions"
    assert body["model"] == "google_vertex"
    assert body["messages"] == [{"role": "user", "content": "Where is A?"}]
    assert [tool["function"]["description"] for tool in body["tools"]] == ["Find an order."]  # type: ignore[attr-defined]
