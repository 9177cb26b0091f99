"""A provider's logout ends the sessions it is about: those there are, and those on their way."""

import asyncio
from dataclasses import replace
from itertools import product

import pytest
from sqlalchemy import func, select

from actors.database import Database, open_database
from actors.database.address import Address
from actors.database.identity_tables import logout_mark, session
from actors.database.logouts import Logout
from actors.database.sessions import SessionRow, SessionStore

AT, HELD_S = 100.0, 700.0
PEOPLE = 40
ROW = SessionRow("t", "h", "p:ann", "p", "s-1", frozenset({"agent"}), AT, AT, AT + 3600)
LOGOUT = Logout("p", "j", AT + 600, "t", "p:ann", None, AT, AT + HELD_S)
# Whom it names, by which name of the session, and by which that mean something of this person alone.
TOLD = [
    replace(LOGOUT, subject=subject, provider_session=named, of_subject=of_subject)
    for subject, named, of_subject in [
        ("p:ann", None, ()), ("p:ann", "s-1", ()), (None, "s-1", ()),
        ("p:ann", None, ("s-1",)), ("p:ann", None, ("s-2", "s-1")),
    ]
]  # fmt: skip
OPENED = [
    replace(ROW, tenant=tenant, provider=provider, subject=subject, provider_session=named)
    for tenant, provider, subject, named in product(
        ("t", "u"), ("p", "q"), ("p:ann", "p:bob"), ("s-1", "s-2", "s-3", None)
    )
]


async def kept(database: Database) -> int:
    counted = select(func.count()).select_from(logout_mark)
    return int(await database.read(lambda connection: connection.execute(counted).scalar() or 0))


@pytest.mark.parametrize("told", TOLD, ids=range(len(TOLD)))
async def test_a_session_on_its_way_is_refused_where_one_that_is_open_would_end(
    database: Database, told: Logout
) -> None:
    """The very same ones: of every tenant, provider, person and name."""
    store = SessionStore(database)
    for number, row in enumerate(OPENED):
        assert await store.add(replace(row, id_hash=f"open-{number}"), AT)
    ended = await store.end_by_provider(told, AT)
    assert ended
    gone = {row.id_hash for row in ended}
    for number, row in enumerate(OPENED):
        ends = f"open-{number}" in gone
        assert await store.is_signed_off(row, AT) is ends, row
        assert await store.add(replace(row, id_hash=f"late-{number}"), AT) is not ends, row
    late = select(func.count()).where(session.c.id_hash.like("late-%"))
    there = await database.read(lambda connection: connection.execute(late).scalar())
    assert there == len(OPENED) - len(gone)


async def test_a_word_is_void_up_to_the_logout_and_good_after_it(database: Database) -> None:
    """Also when an older logout comes later; and of who signs nobody off nothing is asked."""
    store = SessionStore(database)
    assert await store.end_by_provider(LOGOUT, AT) == ()
    older = replace(LOGOUT, token_id="j-2", at=AT - 50)  # noqa: S106  its id
    assert await store.end_by_provider(older, AT) == ()
    assert not await store.add(ROW, AT - 60)
    assert not await store.add(ROW, AT)
    assert await store.add(ROW, AT + 0.001)
    assert await store.add(replace(ROW, id_hash="h-2"))
    newer = replace(LOGOUT, token_id="j-3", at=AT + 50, held_until=AT + 800)  # noqa: S106
    assert await store.end_by_provider(newer, AT) is not None
    assert not await store.add(replace(ROW, id_hash="h-3"), AT + 50)


async def test_a_session_kept_in_the_providers_own_spelling_ends_too(database: Database) -> None:
    """One of before names were kept in one: the very word that opened it ends it."""
    store = SessionStore(database)
    assert await store.add(replace(ROW, subject="p:Ann"))
    told = replace(LOGOUT, as_said="p:Ann", of_subject=(ROW.provider_session or "s-1",))
    assert [row.subject for row in await store.end_by_provider(told, AT) or ()] == ["p:Ann"]


async def test_marks_go_when_what_they_are_for_is_too_old(database: Database) -> None:
    """With the next logout; one session's name is one mark, however often it is said."""
    store = SessionStore(database)
    many = replace(LOGOUT, of_subject=tuple(f"s-{n}" for n in range(100)))
    assert await store.end_by_provider(many, AT) == ()
    again = replace(many, token_id="j-2")  # noqa: S106  its id
    assert await store.end_by_provider(again, AT) == ()
    assert await kept(database) == 101
    other = replace(LOGOUT, token_id="j-3", subject="p:bob", held_until=AT + 2 * HELD_S)  # noqa: S106
    assert await store.end_by_provider(other, AT + HELD_S) == ()
    assert await kept(database) == 102
    last = replace(other, token_id="j-4")  # noqa: S106  its id
    assert await store.end_by_provider(last, AT + HELD_S + 1) == ()
    assert await kept(database) == 1


async def test_a_logout_that_was_used_before_marks_nothing(database: Database) -> None:
    store = SessionStore(database)
    assert await store.end_by_provider(LOGOUT, AT) == ()
    assert await store.end_by_provider(replace(LOGOUT, subject="p:bob"), AT) is None
    assert await store.add(replace(ROW, subject="p:bob"), AT)


async def test_no_mark_says_whose_it_is(database: Database) -> None:
    store = SessionStore(database)
    told = replace(LOGOUT, of_subject=("s-secret",))
    assert await store.end_by_provider(told, AT) == ()
    found = await database.read(lambda connection: connection.execute(select(logout_mark)).all())
    assert {row.tenant for row in found} == {"t"}
    assert not [row for row in found if "ann" in row.whose or "secret" in row.whose]


async def test_of_a_logout_and_a_session_at_once_one_sees_the_other(address: Address) -> None:
    """In two processes: whichever is first, no session is open afterwards."""
    first, second = open_database(address), open_database(address)
    await first.migrate()
    people = [f"p:person-{number}" for number in range(PEOPLE)]
    rows = [replace(ROW, id_hash=each, subject=each) for each in people]
    told = [replace(LOGOUT, token_id=each, subject=each) for each in people]
    await asyncio.gather(
        *(SessionStore(first).add(each, AT) for each in rows),
        *(SessionStore(second).end_by_provider(each, AT) for each in told),
    )
    still = select(func.count()).select_from(session).where(session.c.ended_at.is_(None))
    assert await first.read(lambda connection: connection.execute(still).scalar()) == 0
    for database in (first, second):
        await database.aclose()
