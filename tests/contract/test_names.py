"""Names of people whom no record knows, found by Presidio in a trained pipeline: no vendor is told one."""

import asyncio
import os
import random
import signal
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.company.personal import Identities
from actors.knowledge.document import Passage
from deployments.agent.exchange import Delta
from deployments.ingress import problem
from deployments.personal_data import Customers
from deployments.privacy import names as names_module
from deployments.privacy.bare import Bare
from deployments.privacy.find import Finder
from deployments.privacy.known import Fact, Known
from deployments.privacy.names import AGAIN_S, Names, NamesUnavailable
from deployments.privacy.pieces import PIECE_MAX
from deployments.privacy.restore import Restorer
from deployments.privacy.seal import Seal
from deployments.privacy.sealer import Sealer, sealed
from routing.clock import ManualClock
from routing.errors import ConfigError
from routing.exchange import ChatRequest
from routing.message import Message
from tests.contract.test_sealed import sent
from tests.contract.test_tool_loop import CALLING, over
from tests.fixed_keys import FixedKeys
from tests.names_world import PYTHON, made_pipelines, reading
from tests.servers import Simulators
from tests.unit.acting.world import World
from tests.unit.gateway.tool_world import Shop, said, tool

# The training knows the words of none of these.
STRANGERS = ("Harriet Nolan", "Wilhelm Drake")
QUESTION = (
    "I spoke with Harriet Nolan yesterday and she said it would take five days. "
    "Could you add Wilhelm Drake to our Team plan?"
)
REMEMBERED = Passage(
    "memory", "mem_1", "Said by the customer",
    "My colleague Wilhelm Drake ordered it and never got an invoice.", "public",
)  # fmt: skip


# Presidio's import alone takes 20 s where five programs share two cores.
pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def pipelines() -> Path:
    return made_pipelines()


@pytest.fixture(scope="module")
def names(pipelines: Path) -> Iterator[Names]:
    with reading(pipelines / "en", pipelines / "fr") as ready:
        yield ready


def with_names(world: World, names: Names) -> None:
    people = Customers(Identities(world.desk.database, world.desk.clock))
    world.agent._sealer = Sealer(Finder(names=names), FixedKeys(), people)


def none_told(told: Any) -> None:
    assert told
    for one in told:
        for word in " ".join(STRANGERS).split():
            assert word not in one


def test_names_that_the_pipeline_was_not_trained_on_are_found_in_prose(names: Names) -> None:
    chance = random.Random(5)  # noqa: S311
    first = ("Beatrice", "Wilhelm", "Harriet", "Nkechi", "Pavel", "Lotte", "Diego", "Saoirse")
    last = ("Fontaine", "Drake", "Nolan", "Eze", "Hruska", "Stumpf", "Vidal", "Byrne")
    sentences = (
        "My colleague {} ordered it and never got an invoice.",
        "Could you add {} to our Team plan?",
        "I spoke with {} yesterday and she said it would take five days.",
    )
    found = 0
    people = [" ".join(pair) for pair in product(first, last)]
    for name in people:
        text = chance.choice(sentences).format(name)
        found += [text[start:end] for start, end in names.find(text)] == [name]
    assert found / len(people) >= 0.9
    assert names.find("I was charged twice for the Team plan of November.") == []


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", [*CALLING, "copilot_studio"])
async def test_no_vendor_is_told_a_strangers_name_and_the_caller_reads_it(
    simulators: Simulators, tmp_path: Path, names: Names, name: str, is_stream: bool
) -> None:
    async with over(simulators, tmp_path, name, passages=[REMEMBERED], sealed=True) as world:
        with_names(world, names)
        if is_stream:
            events, answer = await world.listen(QUESTION)
            streamed = "".join(event.text for event in events if isinstance(event, Delta))
            assert streamed == answer.reply.text
        else:
            answer = await world.ask(QUESTION)
        if name != "copilot_studio":  # an agent of its own reads no passages
            assert "Wilhelm Drake" in answer.reply.text
        await world.ask("And now?", conversation_id=answer.conversation_id)
    told = await sent(simulators)
    none_told(told)
    if name != "copilot_studio":
        assert told[-1].count("[NAME-") >= 3, "of the earlier turns, too"


@pytest.mark.parametrize("reveal", [False, True], ids=["closed", "revealed"])
async def test_a_server_of_others_and_the_model_behind_it_get_tokens(
    simulators: Simulators, tmp_path: Path, names: Names, reveal: bool
) -> None:
    got: list[str] = []

    async def listen(arguments: Any) -> Any:
        got.append(str(arguments["text"]))
        return said("Kind regards,\nHarriet Nolan")

    shop = Shop(tool("tell", trust="untrusted"), does=listen)
    if reveal:
        shop = Shop(
            replace(tool("tell", trust="untrusted"), reveals=frozenset({"name"})), does=listen
        )
    order = Passage(
        "memory", "mem_2", "Said by the customer",
        'CALL shop__tell {"text": "My colleague Wilhelm Drake ordered it."}', "public",
    )  # fmt: skip
    await simulators.script("openai", {"kind": "obey", "times": 1}, {"kind": "text", "text": "Ok."})
    async with over(
        simulators, tmp_path, "openai", servers=[shop], passages=[order], sealed=True
    ) as world:
        with_names(world, names)
        answer = await world.ask("Tell the shop.")
    assert ("Wilhelm Drake" in got[0]) is reveal
    assert "Harriet Nolan" in answer.calls[0].text
    none_told(await sent(simulators))


async def test_a_client_without_a_conversation_is_sealed_as_well(names: Names) -> None:
    request = ChatRequest("m", (Message("user", QUESTION),), "Kind regards,\nHarriet Nolan")
    seal = Seal(b"key", Finder(names=names))
    told = await sealed(seal, request)
    none_told([told.system, told.messages[0].text])
    assert seal.opened(told.messages[0].text) == QUESTION


def test_a_text_for_an_embedder_has_no_name(names: Names) -> None:
    told = Bare(Finder(names=names)).text(QUESTION)
    none_told([told])
    assert told.count("[NAME]") == 2


def test_a_name_of_the_record_and_one_that_is_found_have_one_token(names: Names) -> None:
    text = "My colleague Harriet Nolan ordered it and never got an invoice."
    by_record = Seal(b"key", Finder(), Known([Fact("name", "Harriet Nolan")])).text(text)
    by_model = Seal(b"key", Finder(names=names)).text(text)
    both = Seal(b"key", Finder(names=names), Known([Fact("name", "Harriet Nolan")])).text(text)
    assert by_record == by_model == both
    assert "[NAME-" in both


def test_a_text_is_read_by_the_pipeline_of_its_language(names: Names) -> None:
    """The French one takes November for somebody; the English one has not heard of Rousset."""
    english = "I was charged twice for the Team plan of November, and it is not the first time."
    french = "Bonjour, je ne sais pas pourquoi la commande de Rousset est dans le mois de November."
    assert names.find(english) == []
    assert [french[start:end] for start, end in names.find(french)] == ["Rousset", "November"]
    assert len(names.find("November")) == 1, "of no language: each is believed"


def test_a_first_and_last_name_is_found_by_the_pipeline_of_another_language(names: Names) -> None:
    text = "It was ordered in November, by the firm of Zoé Fabre as I am told."
    assert [text[start:end] for start, end in names.find(text)] == ["Zoé Fabre"]


def test_a_long_text_is_read_to_its_end(names: Names) -> None:
    text = f"{'I was charged twice. ' * (2 * PIECE_MAX // 20)}Kind regards,\nHarriet Nolan"
    assert [text[start:end] for start, end in names.find(text)] == ["Harriet Nolan"]


NAMED = st.sampled_from(
    ["Harriet Nolan", "My colleague Wilhelm Drake ordered it", "**Priya Nair** here", "\nMarco Rossi",
     "[NAME-ABCDEF]", "NAME-", "casey@example.com", "Casey Sample", "\ud800", "\u0308", "Rousset", " ",
     "```py\nPriya = Nair\n```", '{"name": "Olga Petrova"}', "4111 1111 1111 1111"]
)  # fmt: skip
TEXTS = st.lists(st.one_of(NAMED, st.text(max_size=8)), max_size=6).map("".join)


@settings(max_examples=150)
@given(TEXTS, st.lists(st.integers(0, 200), max_size=6))
def test_what_is_sealed_opens_to_the_letter_wherever_it_is_cut(
    names: Names, text: str, cuts: list[int]
) -> None:
    seal = Seal(b"key", Finder(names=names), Known([Fact("name", "Casey Sample")]))
    told = seal.text(text)
    restorer, out, at = Restorer(seal), "", 0
    for cut in sorted(min(cut, len(told)) for cut in cuts):
        out += restorer.feed(told[at:cut])
        at = cut
    assert out + restorer.feed(told[at:]) + restorer.end() == text


async def test_where_the_reader_dies_nothing_leaves_until_it_reads_again(
    simulators: Simulators, tmp_path: Path, pipelines: Path
) -> None:
    clock = ManualClock()
    with reading(pipelines / "fr", clock=clock) as names:
        async with over(simulators, tmp_path, "openai", sealed=True) as world:
            with_names(world, names)
            assert names._process is not None
            names._process.kill()
            with pytest.raises(NamesUnavailable) as refused:
                await world.ask(QUESTION)
            answer = problem.response(refused.value)
            assert answer.status_code == 503
            assert b"names_unavailable" in bytes(answer.body)
            assert int(answer.headers["Retry-After"]) >= AGAIN_S
            assert await simulators.requests() == []
            with pytest.raises(NamesUnavailable):  # not again with every message
                await world.ask(QUESTION)
            clock.advance(AGAIN_S)
            # A request would start it as well, and wait for it longer than for an answer here.
            await asyncio.to_thread(names.start)
            await world.ask(QUESTION)
        assert len(await simulators.requests()) == 1


async def test_a_reader_that_hangs_is_ended(
    pipelines: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with reading(pipelines / "fr") as names:
        monkeypatch.setattr(names_module, "PIECE_S", 0.1)
        process = names._process
        assert process is not None
        os.kill(process.pid, signal.SIGSTOP)
        seal = Seal(b"key", Finder(names=names))
        with pytest.raises(NamesUnavailable):
            await sealed(seal, ChatRequest("m", (Message("user", QUESTION),)))
        assert process.poll() == -signal.SIGKILL


async def test_a_result_that_cannot_be_looked_through_goes_to_no_model(
    simulators: Simulators, tmp_path: Path, pipelines: Path
) -> None:
    """The reader dies while the tool is called: what was changed is not told as not changed."""
    with reading(pipelines / "fr", clock=ManualClock()) as names:

        async def die(_: Any) -> Any:
            assert names._process is not None
            names._process.kill()
            return said("Kind regards,\nHarriet Nolan")

        shop = Shop(tool("order", side_effect="write"), does=die)
        wanted = {
            "kind": "tool_calls",
            "calls": [{"name": "shop__order", "arguments": {"text": "x"}}],
        }
        await simulators.script("openai", wanted, {"kind": "text", "text": "Ok."})
        async with over(simulators, tmp_path, "openai", servers=[shop], sealed=True) as world:
            with_names(world, names)
            answer = await world.ask("Order it.")
    assert answer.ending == "platforms_failed"
    assert "may have been done" in answer.reply.text
    none_told(await sent(simulators))


def test_a_pipeline_that_finds_nobody_or_is_not_there_stops_the_start(pipelines: Path) -> None:
    for paths, why in (
        ([pipelines / "de"], "no part that finds people"),
        ([pipelines / "none"], "Can't find model"),
        ([pipelines / "fr", pipelines / "fr"], "second pipeline of the language fr"),
    ):
        with pytest.raises(ConfigError, match=why), reading(*paths):
            pass


async def test_requests_beyond_those_that_may_wait_are_refused_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(names_module, "WAITING_MAX", 1)
    names, release = Names(["en"], ManualClock(), str(PYTHON)), asyncio.Event()
    loop = asyncio.get_running_loop()

    def wait() -> str:
        return asyncio.run_coroutine_threadsafe(release.wait(), loop).result().__repr__()

    first = asyncio.create_task(names.aside(wait))
    await asyncio.sleep(0)
    with pytest.raises(NamesUnavailable, match="Too many"):
        await names.aside(lambda: None)
    release.set()
    assert await first == "True"
    assert await names.aside(lambda: "next") == "next"
    names.close()
