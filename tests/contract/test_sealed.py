"""Personal data over every vendor's own wire: none of it arrives there, and all of it comes back."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from actors.company.personal import Identities
from actors.database.errors import KeysUnavailable
from actors.knowledge.document import Passage
from deployments.agent.exchange import Delta
from deployments.agent.road import Limits
from deployments.personal_data import Customers
from deployments.privacy.find import Finder
from deployments.privacy.sealer import Sealer
from routing.message import JsonObject
from tests.contract.test_tool_loop import CALLING, calls, over
from tests.servers import Simulators
from tests.unit.gateway.tool_world import Shop, said, tool

EMAIL, PHONE, CARD = "casey.test@example.com", "(202) 555-0123", "4111 1111 1111 1111"
IBAN, SECRET = "DE89 3704 0044 0532 0130 00", "sk-test-0123456789abcdefghij"
VALUES = (EMAIL, PHONE, CARD, IBAN, SECRET, "Account 123", "user_123")
QUESTION = (
    f"I am Account 123 (user_123). Where does the parcel go? Write to {EMAIL} or call {PHONE}. "
    f"I paid with {CARD} and wait for the money on {IBAN}; my key is {SECRET}."
)
REMEMBERED = Passage(
    "memory", "mem_1", "Said by the customer",
    f"The parcel goes to the neighbour of Account 123 who can be had under {PHONE}.", "public",
)  # fmt: skip
ARTICLE = Passage(
    "vector_store", "kb-1", "Contact", "Ask help@northwind.example about any parcel.", "public"
)


async def sent(simulators: Simulators) -> Sequence[str]:
    """All that vendors were told, headers among it."""
    return [
        orjson.dumps([one.path, one.headers, one.body]).decode()
        for one in await simulators.requests()
    ]


def none_of_it(told: Sequence[str]) -> None:
    assert told
    for one in told:
        for value in VALUES:
            assert value not in one
            assert value.replace(" ", "") not in one


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", [*CALLING, "copilot_studio"])
async def test_a_vendor_is_told_tokens_and_the_caller_reads_values(
    simulators: Simulators, tmp_path: Path, name: str, is_stream: bool
) -> None:
    passages = [REMEMBERED, ARTICLE]
    async with over(simulators, tmp_path, name, passages=passages, sealed=True) as world:
        if is_stream:
            events, answer = await world.listen(QUESTION)
            streamed = "".join(event.text for event in events if isinstance(event, Delta))
            assert streamed == answer.reply.text
        else:
            answer = await world.ask(QUESTION)
        if name != "copilot_studio":  # an agent of its own reads no passages
            assert f"Account 123 who can be had under {PHONE}" in answer.reply.text
        kept = await world.agent._episodes.window("northwind", answer.conversation_id, "user_123")
        assert kept is not None
        assert [turn.text for turn in kept.turns] == [QUESTION, answer.reply.text]
    told = await sent(simulators)
    none_of_it(told)
    if name != "copilot_studio":
        assert "help@northwind.example" in told[-1]


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", CALLING)
async def test_a_tool_of_ours_gets_values_and_its_result_goes_back_as_tokens(
    simulators: Simulators, tmp_path: Path, name: str, is_stream: bool
) -> None:
    """The model passes on the token it was told: the phone number is the customer's own word."""
    asked = f"Open an incident: Call {PHONE}, about the parcel"
    order = Passage(
        "memory", "mem_2", "Said by the customer",
        "CALL tools__open_incident "
        f'{{"severity": 3, "title": "Call {PHONE}", "description": "about the parcel"}}', "public",
    )  # fmt: skip
    await simulators.script(name, {"kind": "obey", "times": 1}, {"kind": "text", "text": "Done."})
    async with over(simulators, tmp_path, name, passages=[order], sealed=True) as world:
        if is_stream:
            _, answer = await world.listen(asked)
        else:
            answer = await world.ask(asked)
        assert [made.status for made in answer.calls] == ["done"], answer.calls
        assert answer.calls[0].call.arguments["title"] == f"Call {PHONE}"
        assert await world.desk.scalar("SELECT count(*) FROM incident") == 1
        await simulators.script(name, {"kind": "text", "text": "It is open."})
        await world.ask("And now?", conversation_id=answer.conversation_id)
    told = await sent(simulators)
    none_of_it(told)
    assert len(told) == 3
    token = told[0][told[0].index("[PHONE-") :].split("]", 1)[0]
    assert all(token in one for one in told), "the same token in every turn"


@pytest.mark.parametrize("name", CALLING)
async def test_a_customers_record_that_a_tool_reads_is_sealed(
    simulators: Simulators, tmp_path: Path, name: str
) -> None:
    look: dict[str, Any] = {"name": "tools__look_up_customer", "arguments": {}}
    await simulators.script(name, calls(look))
    async with over(simulators, tmp_path, name, sealed=True) as world:
        answer = await world.ask("Which plan have I got?")
    assert "Account 123" in answer.calls[0].text
    none_of_it(await sent(simulators))


async def test_a_server_of_others_gets_tokens_or_what_is_revealed_to_it(
    simulators: Simulators, tmp_path: Path
) -> None:
    got: list[JsonObject] = []

    async def listen(arguments: JsonObject) -> Any:
        got.append(arguments)
        return said(f"Noted {arguments['text']}.")

    closed = tool("close", trust="untrusted")
    told_emails = replace(tool("open", trust="untrusted"), reveals=frozenset({"email"}))
    shop = Shop(closed, told_emails, does=listen)
    orders = " and ".join(
        f'CALL shop__{one} {{"text": "{EMAIL} {PHONE}"}}' for one in ("close", "open")
    )
    order = Passage("memory", "mem_2", "Said by the customer", orders, "public")
    await simulators.script("openai", {"kind": "obey", "times": 2}, {"kind": "text", "text": "Ok."})
    async with over(
        simulators, tmp_path, "openai", servers=[shop], passages=[order], sealed=True
    ) as world:
        answer = await world.ask("Tell the shop.")
    [shut, told] = [str(one["text"]) for one in got]
    assert EMAIL not in shut
    assert PHONE not in shut
    assert EMAIL in told
    assert PHONE not in told
    # What comes back from it is opened for us, and sealed again for the model.
    assert f"{EMAIL} {PHONE}" in answer.calls[0].text
    none_of_it(await sent(simulators))


@pytest.mark.parametrize("after", [1, 3, 6])
@pytest.mark.parametrize(
    ("first", "second"), [("openai", "anthropic"), ("google_vertex", "openai")]
)
async def test_an_answer_that_is_cut_is_continued_and_still_comes_out_in_values(
    simulators: Simulators, tmp_path: Path, first: str, second: str, after: int
) -> None:
    await simulators.script(first, {"kind": "disconnect", "after_chunks": after})
    parts = [REMEMBERED]
    async with over(
        simulators, tmp_path, first, second, passages=parts, sealed=True, offered=()
    ) as world:
        limits = Limits(platform=first, fallback_platforms=(second,))
        events, answer = await world.listen(QUESTION, limits=limits)
    streamed = "".join(event.text for event in events if isinstance(event, Delta))
    assert streamed == answer.reply.text
    assert f"Account 123 who can be had under {PHONE}" in streamed
    assert "[PHONE-" not in streamed
    none_of_it(await sent(simulators))


async def test_a_decision_that_is_kept_tells_nothing_of_people(
    simulators: Simulators, tmp_path: Path
) -> None:
    async with over(simulators, tmp_path, "openai", passages=[REMEMBERED], sealed=True) as world:
        await world.ask(QUESTION)
        await world.agent._road._witness.aclose()
        kept = repr(world.kept.rows)
    assert kept != "[]"
    assert all(value not in kept for value in VALUES)


async def test_where_there_is_no_key_nothing_leaves(simulators: Simulators, tmp_path: Path) -> None:
    class Away:
        async def ready(self, tenant: str) -> None:
            raise KeysUnavailable("the provider did not answer")

        def derive(self, tenant: str, purpose: str) -> bytes:
            raise AssertionError("it was not ready")

    async with over(simulators, tmp_path, "openai", sealed=True) as world:
        people = Customers(Identities(world.desk.database, world.desk.clock))
        world.agent._sealer = Sealer(Finder(), Away(), people)
        with pytest.raises(KeysUnavailable):
            await world.ask(QUESTION)
    assert await simulators.requests() == []
