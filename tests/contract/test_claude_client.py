"""ClaudeIntegration through Anthropic's own SDK: rounds of tools, their errors, and their end."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest

from deployments.clients import ClaudeAnswer, ClaudeIntegration, Problem
from deployments.clients.answer import Usage
from deployments.clients.tools import MAX_ROUNDS
from tests.peer import peer, said
from tests.servers import Simulators

TOOL = {
    "name": "find_order",
    "description": "Find an order.",
    "input_schema": {"type": "object", "properties": {"order": {"type": "string"}}},
}


def asks(*calls: tuple[str, Mapping[str, object]]) -> dict[str, object]:
    """A turn in which the model calls these."""
    made = [{"name": name, "arguments": arguments} for name, arguments in calls]
    return {"kind": "tool_calls", "calls": made}


def find_order(order: str, days: int = 3) -> dict[str, object]:
    """Find an order by its number."""
    if order == "lost":
        raise LookupError("no such order")
    return {"order": order, "days": days}


async def find_order_later(order: str) -> str:
    """Find an order, without blocking."""
    await asyncio.sleep(0)
    return f"{order}: shipped"


def message(content: Sequence[Mapping[str, object]], stop_reason: str, headers: str = "") -> bytes:
    """A response as Anthropic writes it."""
    usage = {"input_tokens": 5, "cache_read_input_tokens": 1, "output_tokens": 2}
    body = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": usage,
    }
    return said(body, more=headers)


@pytest.fixture(params=[True, False], ids=["thread", "loop"])
def in_thread(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def claude(simulators: Simulators) -> ClaudeIntegration:
    """Pointed at the wire itself."""
    address = simulators.address("anthropic")
    return ClaudeIntegration("claude-sonnet-5-5", address=address, key=simulators.key)


async def talk(
    client: ClaudeIntegration,
    messages: str | Sequence[Mapping[str, object]],
    tools: Sequence[object] = (),
    *,
    in_thread: bool,
) -> ClaudeAnswer:
    if in_thread:
        return await asyncio.to_thread(client.process_with_tools, messages, tools)  # type: ignore[arg-type]
    return await client.aprocess_with_tools(messages, tools)  # type: ignore[arg-type]


async def test_an_answer_without_tools_is_one_round(
    simulators: Simulators, *, in_thread: bool
) -> None:
    """Text in, text out, and the conversation to go on with."""
    answer = await talk(claude(simulators), "Say hello.", in_thread=in_thread)
    assert answer.text
    assert (answer.stop_reason, answer.rounds, answer.tool_calls) == ("end_turn", 1, ())
    assert [turn["role"] for turn in answer.messages] == ["user", "assistant"]
    assert answer.usage.output_tokens > 0
    more = [*answer.messages, {"role": "user", "content": "And again."}]
    assert (await talk(claude(simulators), more, in_thread=in_thread)).text


async def test_functions_are_called_until_the_model_has_its_answer(
    simulators: Simulators, *, in_thread: bool
) -> None:
    """Every call of a turn has its result in the next one, in order, and the schema is theirs."""
    await simulators.script(
        "anthropic",
        asks(("find_order", {"order": "A", "days": 2}), ("find_order", {"order": "B"})),
        asks(("find_order", {"order": "C"})),
        {"kind": "text", "text": "All three are on their way."},
    )
    answer = await talk(claude(simulators), "Where are A, B, C?", [find_order], in_thread=in_thread)
    assert (answer.text, answer.rounds) == ("All three are on their way.", 3)
    first, second, _ = await simulators.requests()
    [tool] = cast("list[dict[str, Any]]", first.body["tools"])
    assert tool["description"] == "Find an order by its number."
    assert tool["input_schema"]["required"] == ["order"]
    uses, results = (turn["content"] for turn in second.body["messages"][-2:])  # type: ignore[index]
    assert [one["tool_use_id"] for one in results] == [use["id"] for use in uses]
    assert [json.loads(one["content"]) for one in results] == [
        {"order": "A", "days": 2},
        {"order": "B", "days": 3},
    ]


async def test_what_goes_wrong_in_a_tool_is_the_models_to_answer(
    simulators: Simulators, *, in_thread: bool
) -> None:
    """A wrong argument, an exception and a tool there is not end no conversation."""
    await simulators.script(
        "anthropic",
        asks(
            ("find_order", {"order": "lost"}),
            ("find_order", {"number": 7}),
            ("cancel_order", {}),
        ),
        {"kind": "text", "text": "I could not find it."},
    )
    answer = await talk(claude(simulators), "Where is it?", [find_order], in_thread=in_thread)
    assert answer.text == "I could not find it."
    [*_, last] = await simulators.requests()
    results = last.body["messages"][-1]["content"]  # type: ignore[index]
    assert [one["is_error"] for one in results] == [True, True, True]
    assert results[0]["content"] == "LookupError: no such order"
    assert "order" in results[1]["content"]
    assert "there are: find_order" in results[2]["content"]


async def test_thinking_comes_back_unchanged(*, in_thread: bool) -> None:
    """Anthropic refuses a turn whose signed thinking was left out or touched."""
    thinking = {"type": "thinking", "thinking": "An order…", "signature": "c2lnbmVk"}
    sealed = {"type": "redacted_thinking", "data": "c2VhbGVk"}
    use = {"type": "tool_use", "id": "toolu_1", "name": "find_order", "input": {"order": "A"}}
    turn: list[Mapping[str, object]] = [thinking, sealed, use]
    async with peer(message(turn, "tool_use"), message([], "end_turn")) as one:
        client = ClaudeIntegration(address=f"http://127.0.0.1:{one.port}", key="key")
        await talk(client, "Where is A?", [find_order], in_thread=in_thread)
    turns: list[dict[str, object]] = one.requests[1][2]["messages"]  # type: ignore[assignment]
    assert turns[1] == {"role": "assistant", "content": turn}


async def test_cost_and_platform_are_those_of_all_rounds(*, in_thread: bool) -> None:
    """As SupportMax says in its headers; one that is unknown makes the sum unknown."""
    use = {"type": "tool_use", "id": "toolu_1", "name": "find_order", "input": {"order": "A"}}
    priced = "x-supportmax-cost-usd: 0.25\r\nx-supportmax-platform: openai\r\n"
    first, last = message([use], "tool_use", priced), message([], "end_turn", priced)
    async with peer(first, last, first, message([], "end_turn")) as one:
        client = ClaudeIntegration(address=f"http://127.0.0.1:{one.port}", key="key")
        known = await talk(client, "Where is A?", [find_order], in_thread=in_thread)
        unknown = await talk(client, "Where is A?", [find_order], in_thread=in_thread)
    assert (known.cost_usd, known.platform, known.rounds) == (0.5, "openai", 2)
    assert unknown.cost_usd is None
    assert known.usage == Usage(input_tokens=12, cached_tokens=2, output_tokens=4)


async def test_a_model_that_goes_in_circles_is_stopped(
    simulators: Simulators, *, in_thread: bool
) -> None:
    """Each round costs money; ten are more than an answer needs."""
    circle = {**asks(("find_order", {"order": "A"})), "times": MAX_ROUNDS + 5}
    await simulators.script("anthropic", circle)
    with pytest.raises(Problem, match="find_order") as caught:
        await talk(claude(simulators), "Where is A?", [find_order], in_thread=in_thread)
    assert caught.value.code == "too_many_rounds"
    assert len(await simulators.requests()) == MAX_ROUNDS


async def test_calls_of_tools_given_as_dictionaries_are_the_callers(
    simulators: Simulators, *, in_thread: bool
) -> None:
    """They come back as data; `messages` has the turn that needs their results."""
    await simulators.script("anthropic", asks(("find_order", {"order": "A"})))
    answer = await talk(claude(simulators), "Where is A?", [TOOL], in_thread=in_thread)
    [use] = answer.tool_calls
    assert (use.name, use.arguments, answer.stop_reason) == (
        "find_order",
        {"order": "A"},
        "tool_use",
    )
    result = {"type": "tool_result", "tool_use_id": use.id, "content": "shipped"}
    more = [*answer.messages, {"role": "user", "content": [result]}]
    done = await talk(claude(simulators), more, [TOOL], in_thread=in_thread)
    assert done.stop_reason == "end_turn"


async def test_async_tools_run_in_the_loop_and_are_refused_without_one(
    simulators: Simulators,
) -> None:
    """Blocking on a coroutine would only say that it was never awaited."""
    await simulators.script("anthropic", asks(("find_order_later", {"order": "A"})))
    tools = [find_order_later]
    await talk(claude(simulators), "Where is A?", tools, in_thread=False)
    [*_, last] = await simulators.requests()
    assert last.body["messages"][-1]["content"][0]["content"] == "A: shipped"  # type: ignore[index]
    with pytest.raises(Problem, match="awaited"):
        await talk(claude(simulators), "Where is A?", tools, in_thread=True)


async def test_functions_and_dictionaries_together_are_refused(simulators: Simulators) -> None:
    """Who would call which?"""
    with pytest.raises(Problem, match="not both"):
        await talk(claude(simulators), "Where is A?", [find_order, TOOL], in_thread=False)


@pytest.mark.parametrize(
    ("status", "code"),
    [(429, "rate_limit_error"), (529, "overloaded_error"), (400, "invalid_request_error")],
)
async def test_an_error_is_a_problem_and_nothing_is_asked_twice(
    simulators: Simulators, status: int, code: str, *, in_thread: bool
) -> None:
    """A message has no idempotency key: whoever repeats it may pay twice."""
    await simulators.script("anthropic", {"kind": "status", "status": status, "retry_after_s": 7})
    with pytest.raises(Problem) as caught:
        await talk(claude(simulators), "Hello.", in_thread=in_thread)
    assert (caught.value.status, caught.value.code) == (status, code)
    assert caught.value.retry_after_s == 7
    assert len(await simulators.requests()) == 1


async def test_nobody_there_is_a_problem_too(*, in_thread: bool) -> None:
    """The same exception as everywhere else."""
    nobody = ClaudeIntegration(address="http://127.0.0.1:9", key="key")
    with pytest.raises(Problem) as caught:
        await talk(nobody, "Hello.", in_thread=in_thread)
    assert caught.value.code == "unreachable"
