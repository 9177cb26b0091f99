"""UnifiedAgent asks over HTTP or within the process: whichever way, it is answered the same."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from deployments.clients import (
    Decided,
    Delta,
    Done,
    Door,
    Grounded,
    Problem,
    Resumed,
    UnifiedAgent,
)
from deployments.clients.answer import Answer, Event
from deployments.clients.question import AsyncDoor
from deployments.ingress.in_process import InProcessDoor
from deployments.security.principal import Principal
from tests.servers import Simulators
from tests.support_world import CUSTOMER, KEY, served, support

MESSAGE = "I was charged twice in November. Do I get my money back?"


@pytest.fixture(scope="module")
def address(
    simulator_process: Simulators, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    with served(simulator_process, tmp_path_factory.mktemp("served")) as address:
        yield address


@pytest.fixture(params=["http", "in process"])
async def door(
    request: pytest.FixtureRequest, simulators: Simulators, tmp_path: Path
) -> AsyncIterator[AsyncDoor]:
    """The same agent behind both."""
    if request.param == "http":
        yield Door(request.getfixturevalue("address"), KEY)
        return
    async with support(simulators, tmp_path) as agent:
        yield InProcessDoor(agent, CUSTOMER)


async def heard(agent: UnifiedAgent, message: str, **context: object) -> list[Event]:
    return [event async for event in agent.astream(message, context)]


# -- the same through both doors -------------------------------------------------------------------


async def test_an_answer_says_who_gave_it_from_what_and_at_what_price(door: AsyncDoor) -> None:
    """Everything that POST /v3/chat says is there, with types."""
    agent = UnifiedAgent(fallback_platforms=["openai", "anthropic"], door=door)
    answer = await agent.aprocess(MESSAGE, {"user_id": "user_123"})
    assert "[kb-001]" in answer.text
    assert "kb-001" in {citation.id for citation in answer.citations}
    assert answer.platform in {"openai", "anthropic"}
    assert answer.simulated
    assert answer.cost_usd
    assert answer.cost_usd > 0
    assert [attempt.outcome for attempt in answer.attempts] == ["ok"]
    assert (answer.decision.chosen, answer.decision.model) == (answer.platform, answer.model)
    assert {c.platform for c in answer.decision.candidates} >= {"openai", "anthropic"}
    assert answer.usage.output_tokens > 0
    assert answer.handoff is None


async def test_a_conversation_goes_on_under_its_id(door: AsyncDoor, simulators: Simulators) -> None:
    """The platform is told what was said before."""
    agent = UnifiedAgent("anthropic", door=door)
    first = await agent.aprocess("My invoice is wrong.", {"user_id": "user_123"})
    context = {"user_id": "user_123", "conversation_id": first.conversation_id}
    second = await agent.aprocess("What did I say?", context)
    assert second.conversation_id == first.conversation_id
    last = (await simulators.requests())[-1]
    assert "My invoice is wrong." in str(last.body["messages"])


async def test_a_fallback_answers_when_the_platform_fails(
    door: AsyncDoor, simulators: Simulators
) -> None:
    """The attempts say what happened on the way."""
    await simulators.script("openai", {"kind": "status", "status": 429, "times": 2})
    agent = UnifiedAgent("openai", fallback_platforms=["anthropic"], door=door)
    answer = await agent.aprocess(MESSAGE)
    assert answer.platform == "anthropic"
    assert [attempt.platform for attempt in answer.attempts] == ["openai", "anthropic"]
    assert answer.attempts[0].outcome == "rate_limited"


async def test_a_stream_ends_with_the_answer_its_pieces_made(door: AsyncDoor) -> None:
    """Decision, context, text as it comes, and the whole."""
    events = await heard(UnifiedAgent("anthropic", door=door), MESSAGE)
    assert isinstance(events[0], Decided)
    assert isinstance(events[1], Grounded)
    assert isinstance(events[-1], Done)
    text = "".join(event.text for event in events if isinstance(event, Delta))
    assert text == events[-1].answer.text
    assert events[1].citations


async def test_a_handoff_says_why_and_with_what(door: AsyncDoor) -> None:
    """The person who takes over need not ask again."""
    agent = UnifiedAgent("copilot_studio", door=door)
    answer = await agent.aprocess("I want to talk to a person", {"user_id": "user_123"})
    assert answer.finish_reason == "handoff"
    assert answer.handoff
    assert answer.handoff.reason == "Escalate"
    assert answer.handoff.context["va-LastPhrases"] == "I want to talk to a person"


async def test_an_agent_that_remembers_is_told_only_what_is_new(
    door: AsyncDoor, simulators: Simulators
) -> None:
    """Its conversation is the customer's, for as long as both live."""
    agent = UnifiedAgent("copilot_studio", door=door)
    first = await agent.aprocess("I bought a kettle.", {"user_id": "user_123"})
    context = {"user_id": "user_123", "conversation_id": first.conversation_id}
    await agent.aprocess("May I return it?", context)
    said = [one.body["text"] for one in await simulators.requests() if one.body]
    assert said == ["I bought a kettle.", "May I return it?"]


@pytest.mark.parametrize(
    ("agent", "context", "status", "code", "where"),
    [
        ({"platform": "gpt"}, {}, 422, "invalid_request", "/platform"),
        ({"strategy": "cheapest"}, {}, 422, "invalid_request", "/strategy"),
        ({"requirements": {"max_cost": -1}}, {}, 422, "invalid_request", "/requirements/max_cost"),
        ({}, {"user_id": "no spaces"}, 422, "invalid_request", "/user_id"),
        ({}, {"sources": ["web"]}, 422, "invalid_request", "/sources/0"),
        ({"requirements": {"max_cost": 1e-7}}, {}, 422, "requirements_impossible", ""),
        ({}, {"conversation_id": "conv_00000000"}, 404, "not_found", None),
    ],
)
@pytest.mark.parametrize("is_stream", [False, True])
async def test_what_cannot_be_asked_is_refused_alike(
    door: AsyncDoor,
    agent: dict[str, object],
    context: dict[str, object],
    status: int,
    code: str,
    where: str | None,
    *,
    is_stream: bool,
) -> None:
    """One exception, with the code, the status and what to change."""
    asked = UnifiedAgent(**agent, door=door)  # type: ignore[arg-type]
    answering = heard(asked, MESSAGE, **context) if is_stream else asked.aprocess(MESSAGE, context)
    with pytest.raises(Problem) as caught:
        await answering
    problem = caught.value
    assert (problem.status, problem.code) == (status, code), str(problem)
    assert problem.detail in str(problem)
    if where is not None:
        assert any(v.where.startswith(where) for v in problem.violations), str(problem)


async def test_an_unknown_key_of_the_context_is_refused_by_its_name(door: AsyncDoor) -> None:
    """A misspelt `user_id` would be a customer nobody knows."""
    with pytest.raises(Problem, match="userid") as caught:
        await UnifiedAgent(door=door).aprocess(MESSAGE, {"userid": "user_123"})
    assert caught.value.code == "invalid_request"
    assert "conversation_id" in caught.value.detail


async def test_when_everybody_fails_the_problem_says_when_to_ask_again(
    door: AsyncDoor, simulators: Simulators
) -> None:
    """503 with the vendor's own word, as a header or not."""
    busy = {"kind": "status", "status": 429, "retry_after_s": 40, "times": 4}
    await simulators.script("openai", busy)
    with pytest.raises(Problem) as caught:
        await UnifiedAgent("openai", door=door).aprocess(MESSAGE)
    assert (caught.value.status, caught.value.code) == (503, "no_platform_available")
    assert caught.value.retry_after_s == 40


async def test_a_stream_that_breaks_in_its_middle_raises(
    door: AsyncDoor, simulators: Simulators
) -> None:
    """What was read by then is not the answer, and nothing says that it is."""
    await simulators.script("openai", {"kind": "cut", "after_chunks": 2, "times": 10})
    events: list[Event] = []
    agent = UnifiedAgent("openai", fallback_platforms=[], door=door)
    with pytest.raises(Problem, match="stream_truncated"):
        events += [event async for event in agent.astream(MESSAGE)]
    assert not any(isinstance(event, Done) for event in events)


async def test_another_platform_goes_on_where_a_stream_broke(
    door: AsyncDoor, simulators: Simulators
) -> None:
    """The reader is told of the change, and gets one answer."""
    await simulators.script("openai", {"kind": "cut", "after_chunks": 2, "times": 10})
    agent = UnifiedAgent("openai", fallback_platforms=["anthropic"], door=door)
    events = await heard(agent, MESSAGE)
    assert Resumed("openai", "anthropic") in events
    assert isinstance(events[-1], Done)


# -- one door alone --------------------------------------------------------------------------------


def test_a_script_without_an_event_loop_gets_the_same(address: str) -> None:
    """Plain Python: `process` and `stream` block, and need no loop."""
    agent = UnifiedAgent("anthropic", door=Door(address, KEY))
    answer = agent.process(MESSAGE, {"user_id": "user_123"})
    assert "[kb-001]" in answer.text
    events = list(agent.stream(MESSAGE))
    assert isinstance(events[-1], Done)
    with pytest.raises(Problem, match="conversation_id"):
        agent.process(MESSAGE, {"conversation": "x"})


def test_one_agent_serves_one_event_loop_after_another(address: str) -> None:
    """A notebook runs many: nothing of one is left to the next."""
    agent = UnifiedAgent("anthropic", door=Door(address, KEY))
    answers: list[Answer] = [asyncio.run(agent.aprocess(MESSAGE)) for _ in range(2)]
    assert answers[0].id != answers[1].id


def test_a_wrong_key_is_a_problem_with_its_status(address: str) -> None:
    """401 is the script's to mend."""
    with pytest.raises(Problem) as caught:
        UnifiedAgent(door=Door(address, "wrong")).process(MESSAGE)
    assert (caught.value.status, caught.value.code) == (401, "unauthenticated")


async def test_within_the_process_waiting_in_a_thread_is_refused(
    simulators: Simulators, tmp_path: Path
) -> None:
    """It would stop the event loop that is to answer."""
    async with support(simulators, tmp_path) as agent:
        inside = UnifiedAgent(door=InProcessDoor(agent, CUSTOMER))
        with pytest.raises(Problem, match="aprocess"):
            inside.process(MESSAGE)
        with pytest.raises(Problem, match="astream"):
            inside.stream(MESSAGE)


async def test_within_the_process_permissions_hold_as_well(
    simulators: Simulators, tmp_path: Path
) -> None:
    """Code of ours acts in somebody's name, and with no more than that."""
    async with support(simulators, tmp_path) as agent:
        nobody = InProcessDoor(agent, Principal(CUSTOMER.tenant, "nobody"))
        with pytest.raises(Problem) as caught:
            await UnifiedAgent(door=nobody).aprocess(MESSAGE)
    assert (caught.value.status, caught.value.code) == (403, "forbidden")
