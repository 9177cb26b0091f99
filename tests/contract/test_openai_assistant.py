"""OpenAIAssistant against our own routes, with OpenAI's adapter and its simulator behind them."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import openai
import pytest
import uvicorn
from starlette.applications import Starlette

from config.assistants import AssistantSettings, AssistantTool
from deployments.clients import AssistantRun, OpenAIAssistant, Problem
from deployments.clients.tools import MAX_ROUNDS
from deployments.platforms.registry import open_platform
from tests.servers import Simulators
from tests.unit.ingress.conversation_world import World, running

HUMAN = AssistantTool(type="function", name="ask_human", description="Ask a colleague.")
ASSISTANTS = {
    "support": (AssistantSettings(model="openai", instructions="Be brief."),),
    "escalating": (AssistantSettings(model="openai", tools=(HUMAN,)),),
    "kept": (AssistantSettings(model="openai", state="server"),),
    "elsewhere": (AssistantSettings(model="anthropic"),),
}


def find_order(order: str, days: int = 3) -> dict[str, object]:
    """Find an order by its number."""
    if order == "lost":
        raise LookupError("no such order")
    return {"order": order, "days": days}


def call(*calls: tuple[str, Mapping[str, object]], times: int = 1) -> dict[str, object]:
    made = [{"name": name, "arguments": arguments} for name, arguments in calls]
    return {"kind": "tool_calls", "calls": made, "times": times}


@pytest.fixture(params=[True, False], ids=["thread", "loop"])
def in_thread(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
async def world(
    tmp_path: Path, simulators: Simulators, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    """The routes on a port of loopback, where the environment says they are."""
    adapter = open_platform("openai", simulators.connection("openai"))
    async with (
        running(tmp_path / "x.sqlite", ASSISTANTS, openai_platform=adapter) as world,
        served(world.app) as address,
    ):
        monkeypatch.setenv("SUPPORTMAX_URL", address)
        monkeypatch.setenv("SUPPORTMAX_API_KEY", "acme")
        yield world
    await adapter.aclose()


@asynccontextmanager
async def served(app: Starlette) -> AsyncIterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
        serving = asyncio.ensure_future(server.serve(sockets=[listening]))
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            await serving


async def ask(
    assistant: OpenAIAssistant, message: str, *, in_thread: bool, thread_id: str | None = None
) -> AssistantRun:
    """One message, in a new thread unless it is named."""
    if in_thread:
        thread_id = thread_id or (await asyncio.to_thread(assistant.create_thread)).id
        return await asyncio.to_thread(assistant.run, thread_id, message)
    thread_id = thread_id or (await assistant.acreate_thread()).id
    return await assistant.arun(thread_id, message)


async def test_a_thread_remembers(world: World, simulators: Simulators, *, in_thread: bool) -> None:
    """Nothing is stored at OpenAI: every request brings what was said."""
    assistant = OpenAIAssistant("support")
    first = await ask(assistant, "I am Ann.", in_thread=in_thread)
    assert (first.status, first.platform, first.assistant) == ("completed", "openai", "support@1")
    assert first.text
    assert first.cost_usd is not None
    assert first.cost_usd > 0
    await ask(assistant, "Who am I?", in_thread=in_thread, thread_id=first.thread_id)
    sent = (await simulators.requests())[-1].body
    assert sent["store"] is False
    assert sent["instructions"] == "Be brief."
    assert [item["content"] for item in sent["input"]] == ["I am Ann.", first.text, "Who am I?"]  # type: ignore[attr-defined]


async def test_functions_are_called_until_there_is_an_answer(
    world: World, simulators: Simulators, *, in_thread: bool
) -> None:
    await simulators.script(
        "openai",
        call(("find_order", {"order": "A"}), ("find_order", {"order": "lost"})),
        {"kind": "text", "text": "A is on its way, and one is lost."},
    )
    assistant = OpenAIAssistant("support", tools=[find_order])
    run = await ask(assistant, "Where are they?", in_thread=in_thread)
    assert (run.status, run.rounds, run.tool_calls) == ("completed", 2, ())
    assert run.text == "A is on its way, and one is lost."
    _, second = await simulators.requests()
    outputs = [i["output"] for i in second.body["input"] if i.get("type") == "function_call_output"]  # type: ignore[attr-defined]
    assert outputs == ['{"order":"A","days":3}', "Error: LookupError: no such order"]


async def test_a_call_that_is_not_ours_requires_action(
    world: World, simulators: Simulators, *, in_thread: bool
) -> None:
    """What our function answered in the same turn goes along when the other's result is there."""
    await simulators.script(
        "openai", call(("find_order", {"order": "A"}), ("ask_human", {"why": "refund"}))
    )
    assistant = OpenAIAssistant("escalating", tools=[find_order])
    run = await ask(assistant, "Refund me.", in_thread=in_thread)
    assert (run.status, [use.name for use in run.tool_calls]) == ("requires_action", ["ask_human"])
    [use] = run.tool_calls
    assert use.arguments == {"why": "refund"}
    with pytest.raises(Problem, match=use.id):
        await assistant.asubmit(run, {})
    await simulators.script("openai", {"kind": "text", "text": "Approved."})
    if in_thread:
        done = await asyncio.to_thread(assistant.submit, run, {use.id: "yes"})
    else:
        done = await assistant.asubmit(run, {use.id: "yes"})
    assert (done.status, done.text) == ("completed", "Approved.")


async def test_after_ten_rounds_words_are_all_that_is_left(
    world: World, simulators: Simulators, *, in_thread: bool
) -> None:
    await simulators.script("openai", call(("find_order", {"order": "A"}), times=MAX_ROUNDS))
    assistant = OpenAIAssistant("support", tools=[find_order])
    run = await ask(assistant, "Where is A?", in_thread=in_thread)
    assert (run.status, run.rounds) == ("completed", MAX_ROUNDS + 1)
    assert (await simulators.requests())[-1].body["tool_choice"] == "none"


async def test_no_answer_is_a_failed_run_and_the_thread_goes_on(
    world: World, simulators: Simulators, *, in_thread: bool
) -> None:
    """Also in the middle of the rounds: what the function answered is on record by then."""
    await simulators.script(
        "openai",
        call(("find_order", {"order": "A"})),
        {"kind": "status", "status": 401, "times": 2},
    )
    assistant = OpenAIAssistant("support", tools=[find_order])
    run = await ask(assistant, "Where is A?", in_thread=in_thread)
    assert run.status == "failed"
    assert "credentials" in run.error
    await simulators.clear()
    again = await ask(assistant, "Well?", in_thread=in_thread, thread_id=run.thread_id)
    assert again.status == "completed"


async def test_an_incomplete_answer_says_so(
    world: World, simulators: Simulators, *, in_thread: bool
) -> None:
    await simulators.script("openai", {"kind": "length"})
    run = await ask(OpenAIAssistant("support"), "Tell me all.", in_thread=in_thread)
    assert run.status == "incomplete"


async def test_what_cannot_be_asked_is_a_problem(world: World, *, in_thread: bool) -> None:
    with pytest.raises(Problem) as unknown:
        await ask(OpenAIAssistant("nobody"), "hi", in_thread=in_thread)
    assert (unknown.value.status, unknown.value.code) == (404, "model_not_found")
    with pytest.raises(Problem) as foreign:
        await ask(OpenAIAssistant("support"), "hi", in_thread=in_thread, thread_id="conv_1")
    assert foreign.value.status == 404


async def test_a_thread_in_server_state_is_kept_by_openai(
    world: World, simulators: Simulators, *, in_thread: bool
) -> None:
    """Its conversation is begun once, only what is new is sent, and here nothing is kept."""
    assistant = OpenAIAssistant("kept", tools=[find_order])
    first = await ask(assistant, "I am Ann.", in_thread=in_thread)
    await simulators.script("openai", call(("find_order", {"order": "A"})))
    second = await ask(assistant, "Where?", in_thread=in_thread, thread_id=first.thread_id)
    assert (second.status, second.rounds) == ("completed", 2)
    paths = [(seen.method, seen.path.rpartition("/v1")[2]) for seen in await simulators.requests()]
    assert paths == [("POST", "/conversations"), *[("POST", "/responses")] * 3]
    _, one, two, three = await simulators.requests()
    assert one.body["store"] is two.body["store"] is True
    assert one.body["conversation"] == two.body["conversation"]
    assert two.body["input"] == [{"type": "message", "role": "user", "content": "Where?"}]
    assert [item["type"] for item in three.body["input"]] == ["function_call_output"]  # type: ignore[attr-defined]

    client = world.client()
    with pytest.raises(openai.BadRequestError, match="kept at openai") as kept:
        await client.conversations.items.list(first.thread_id)
    assert kept.value.code == "conversation_at_vendor"
    with pytest.raises(openai.BadRequestError, match="kept at openai"):
        await client.responses.create(model="auto", conversation=first.thread_id, input="hi")
    with pytest.raises(openai.BadRequestError, match="one platform"):
        await client.responses.create(
            model="assistant/kept",
            conversation=first.thread_id,
            input="hi",
            extra_headers={"x-supportmax-fallback": "anthropic"},
        )
    gone = await client.conversations.with_raw_response.delete(first.thread_id)
    assert gone.headers["x-supportmax-vendor-conversation"] == one.body["conversation"]


async def test_in_server_state_nobody_takes_over_and_nothing_is_asked_twice(
    world: World, simulators: Simulators, *, in_thread: bool
) -> None:
    """The conversation that was begun for an answer that never came is deleted at OpenAI."""
    await simulators.script("openai", {"kind": "disconnect", "after_chunks": 0})
    run = await ask(OpenAIAssistant("kept"), "hi", in_thread=in_thread)
    assert run.status == "failed"
    assert world.claude.asked == []
    seen: list[tuple[str, str]] = []
    for _ in range(200):  # looks; each waits until nothing is under way
        seen = [(one.method, one.path.rpartition("/v1")[2]) for one in await simulators.requests()]
        if len(seen) == 3:
            break
    assert [method for method, _ in seen] == ["POST", "POST", "DELETE"]
    again = await ask(OpenAIAssistant("kept"), "hi", in_thread=in_thread, thread_id=run.thread_id)
    assert again.status == "completed"


async def test_a_thread_that_was_local_takes_its_past_along(
    world: World, simulators: Simulators, *, in_thread: bool
) -> None:
    first = await ask(OpenAIAssistant("support"), "I am Ann.", in_thread=in_thread)
    await ask(OpenAIAssistant("kept"), "Who?", in_thread=in_thread, thread_id=first.thread_id)
    sent = (await simulators.requests())[-1].body
    assert [item["content"] for item in sent["input"]] == ["I am Ann.", first.text, "Who?"]  # type: ignore[attr-defined]
