"""A fact has words of the customer behind it, holds from when it was said, and is one person's."""

import pytest

from actors.database import Database, NewTurn
from actors.database.memory_facts import FACTS_MAX, Facts, NewFact
from actors.memory import Memory, Said
from routing.errors import ConflictError, RequestError


async def spoken(memory: Memory, text: str, at: float = 10.0, user: str = "ann") -> Said:
    turns = [NewTurn("user", text, at), NewTurn("assistant", f"You said: {text}", at)]
    head = await memory.conversations.append("acme", f"conv_{user}", user, turns)
    return Said(f"conv_{user}", head.last_seq - 1)


async def test_what_a_customer_said_is_remembered_with_its_source(memory: Memory) -> None:
    said = await spoken(memory, "Please write to me in  SPANISH, ok?")
    fact = await memory.facts.remember_said("acme", "ann", "language", "Spanish", said, "key:1")
    assert (fact.source, fact.source_ref, fact.valid_from) == ("customer", "conv_ann#1", 10.0)
    assert fact.quote == "Please write to me in  SPANISH, ok?"
    assert await memory.facts.recall("acme", "ann") == [fact]


async def test_what_no_turn_of_theirs_says_is_not_remembered(memory: Memory) -> None:
    """Neither a model's own words, nor another's turn, nor a turn there is not."""
    said = await spoken(memory, "I like Spanish")
    other = await spoken(memory, "I like Dutch", user="bob")
    for value, place in [
        ("German", said),
        ("You said", Said(said.conversation_id, said.turn + 1)),
        ("Dutch", other),
        ("Spanish", Said(said.conversation_id, 99)),
        ("Spanish", Said("conv_none", 1)),
    ]:
        with pytest.raises(RequestError, match="word for word"):
            await memory.facts.remember_said("acme", "ann", "language", value, place, "key:1")
    with pytest.raises(RequestError):
        await memory.facts.remember_said("globex", "ann", "language", "Spanish", said, "key:1")
    assert await memory.facts.history("acme", "ann", 9) == []


async def test_a_later_statement_replaces_an_earlier_one_which_is_kept_with_its_end(
    memory: Memory,
) -> None:
    first = await spoken(memory, "Spanish please", 10.0)
    second = await spoken(memory, "No, Dutch please", 20.0)
    await memory.facts.remember_said("acme", "ann", "language", "Spanish", first, "key:1")
    await memory.facts.remember_said("acme", "ann", "language", "Dutch", second, "key:1")
    held = await memory.facts.history("acme", "ann", 9)
    assert [(f.value, f.valid_from, f.valid_to) for f in held] == [
        ("Dutch", 20.0, None),
        ("Spanish", 10.0, 20.0),
    ]
    assert [f.value for f in await memory.facts.recall("acme", "ann")] == ["Dutch"]
    with pytest.raises(ConflictError, match="later source"):
        await memory.facts.remember_said("acme", "ann", "language", "Spanish", first, "key:1")


async def test_saying_the_same_again_changes_nothing(memory: Memory) -> None:
    said = await spoken(memory, "Spanish please")
    again = await spoken(memory, "As I said, Spanish", 20.0)
    first = await memory.facts.remember_said("acme", "ann", "language", "Spanish", said, "key:1")
    second = await memory.facts.remember_said("acme", "ann", "language", "Spanish", again, "key:2")
    assert first == second


async def test_forgetting_an_attribute_takes_its_former_values_too(memory: Memory) -> None:
    for at, value in ((10.0, "Spanish"), (20.0, "Dutch")):
        said = await spoken(memory, value, at)
        await memory.facts.remember_said("acme", "ann", "language", value, said, "key:1")
    assert await memory.facts.forget("acme", "bob", "language") == 0
    assert await memory.facts.forget("acme", "ann", "language") == 2
    assert await memory.facts.history("acme", "ann", 9) == []


async def test_one_customer_is_not_remembered_without_end(database: Database) -> None:
    facts = Facts(database)

    def fact(number: int) -> NewFact:
        return NewFact(f"f{number}", f"a{number}", "x", "record", "r", "", "us", 1.0, 1.0)

    for number in range(FACTS_MAX):
        await facts.remember("acme", "ann", fact(number))
    with pytest.raises(RequestError, match="remembered of this customer already"):
        await facts.remember("acme", "ann", fact(FACTS_MAX))
    await facts.remember("acme", "bob", fact(0))
