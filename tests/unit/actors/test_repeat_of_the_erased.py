"""What somebody had done under a key is not done again because they were erased since."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import Connection

from actors.database import Database, ToolCalls
from actors.database.people import Person
from actors.database.person_erasure import PersonErasure
from actors.database.tool_calls import Begun, Forgotten, NewCall, Outcome, Reused

CALL = NewCall("acme", "okta:ann", "key:k", "id-1", "refund", "hash", "user_1", "c", None, 1.0)
PERSON = Person("acme", "okta:ann", "h:ann")
DONE = Outcome({"refunded": True}, is_error=False)


async def erase(database: Database, person: Person = PERSON, now: float = 2.0) -> None:
    rows = PersonErasure(database)
    begun = await rows.begin(person, [person.pseudonym], "req", now)
    assert begun is not None
    await rows.run(person, begun)


def counting(made: list[str]) -> Callable[[Connection], Outcome]:
    def work(_: Connection) -> Outcome:
        made.append("refund")
        return DONE

    return work


async def test_a_call_that_was_made_is_known_by_its_id_when_who_made_it_is_erased(
    database: Database,
) -> None:
    calls, made = ToolCalls(database), list[str]()
    assert await calls.once(CALL, counting(made)) == DONE
    await erase(database)
    for _ in range(2):
        assert await calls.once(CALL, counting(made)) == Forgotten()
    assert await calls.once(replace(CALL, args_hash="other"), counting(made)) == Reused()
    assert await calls.knows("acme", "id-1")
    assert made == ["refund"]
    # Another tenant's is its own.
    assert not await calls.knows("globex", "id-1")
    assert await calls.once(replace(CALL, tenant="globex"), counting(made)) == DONE


@pytest.mark.parametrize("may_repeat", [True, False])
@pytest.mark.parametrize("ends", [True, False])
async def test_a_call_that_left_the_house_is_not_sent_again(
    database: Database, *, may_repeat: bool, ends: bool
) -> None:
    """Nor one whose end nobody knows: who repeats it is not who began it, as far as anybody can tell."""
    calls = ToolCalls(database)
    begun = await calls.begin(CALL, 10.0, may_repeat=may_repeat)
    assert isinstance(begun, Begun)
    if ends:
        assert await calls.finish(CALL, begun, DONE, 1.5)
    await erase(database)
    late = replace(CALL, at=1_000.0)
    assert await calls.begin(late, 10.0, may_repeat=may_repeat) == Forgotten()
