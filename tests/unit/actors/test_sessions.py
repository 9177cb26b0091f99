"""Sign-ons end once; sessions end one by one, by the provider's name, or with the person."""

from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from actors.database import Database
from actors.database.errors import DatabaseUnavailable
from actors.database.legal_holds import LegalHold, LegalHolds
from actors.database.logouts import Logout
from actors.database.retention import DAY_S, KINDS, Ages, Retention
from actors.database.sessions import SessionRow, SessionStore
from actors.database.sign_ons import SignOns
from config.retention import RetentionSettings

SESSION = SessionRow(
    "t", "h-1", "oidc:ann", "oidc", "s-1", frozenset({"agent"}), 100.0, 100.0, 500.0
)

LOGOUT = Logout("oidc", "j", 200.0, "t", "oidc:ann", "s-1", 100.0, 300.0)
SECOND = replace(LOGOUT, token_id="j-2")  # noqa: S106  its id


def ids(ended: tuple[SessionRow, ...] | None) -> set[str]:
    """Which sessions ended, for a token that was new."""
    assert ended is not None
    return {row.id_hash for row in ended}


async def test_a_sign_on_comes_to_its_end_once(database: Database) -> None:
    finished = SignOns(database)
    assert not await finished.is_finished("state")
    assert await finished.finish("state", 160.0, 100.0)
    assert await finished.is_finished("state")
    assert not await finished.finish("state", 160.0, 159.0)


async def test_what_is_too_old_anyway_is_swept(database: Database) -> None:
    finished = SignOns(database)
    assert await finished.finish("state", 160.0, 100.0)
    assert await finished.finish("other", 300.0, 160.0)
    assert not await finished.is_finished("state")
    assert await finished.is_finished("other")


async def test_a_session_is_found_by_its_hash_until_it_is_ended(database: Database) -> None:
    store = SessionStore(database)
    await store.add(SESSION)
    assert await store.find("h-1") == SESSION
    await store.seen(SESSION, 150.0)
    assert await store.find("h-1") == replace(SESSION, seen_at=150.0)
    assert await store.end("t", "h-1", 200.0)
    assert not await store.end("t", "h-1", 200.0)
    found = await store.find("h-1")
    assert found is not None
    assert found.ended_at == 200.0
    assert await store.find("h-2") is None


async def test_what_ends_is_of_one_tenant(database: Database) -> None:
    """The same person and the same session's name in another company go on."""
    store = SessionStore(database)
    for number, tenant in enumerate(("t", "t", "other")):
        await store.add(replace(SESSION, tenant=tenant, id_hash=f"h-{number}"))
    one, everything = LOGOUT, replace(SECOND, provider_session=None)
    assert ids(await store.end_by_provider(one, 200.0)) == {"h-0", "h-1"}
    assert ids(await store.end_by_provider(everything, 200.0)) == set()
    elsewhere = replace(everything, token_id="j-3", tenant="other")  # noqa: S106  its id
    assert ids(await store.end_by_provider(elsewhere, 200.0)) == {"h-2"}
    assert not await store.end("t", "h-2", 200.0)


async def test_a_logout_token_is_new_once_a_provider(database: Database) -> None:
    store = SessionStore(database)
    assert await store.end_by_provider(LOGOUT, 100.0) == ()
    assert await store.end_by_provider(LOGOUT, 150.0) is None
    assert await store.end_by_provider(replace(LOGOUT, provider="other"), 150.0) == ()


async def test_a_logout_token_whose_sessions_could_not_be_ended_is_still_new(
    database: Database,
) -> None:
    """The provider repeats it, and then they end."""
    store = SessionStore(database)
    await store.add(SESSION)
    away, back = (
        text("ALTER TABLE session RENAME TO away"),
        text("ALTER TABLE away RENAME TO session"),
    )
    await database.write(lambda connection: connection.execute(away).close())
    with pytest.raises((DatabaseUnavailable, DBAPIError)):
        await store.end_by_provider(LOGOUT, 200.0)
    await database.write(lambda connection: connection.execute(back).close())
    assert ids(await store.end_by_provider(LOGOUT, 200.0)) == {"h-1"}


async def test_a_session_the_provider_gave_no_name_ends_with_any_of_its_persons(
    database: Database,
) -> None:
    """Where the logout token says both; other people's and other named ones go on."""
    store = SessionStore(database)
    await store.add(replace(SESSION, provider_session=None))
    await store.add(replace(SESSION, id_hash="h-2", provider_session="s-2"))
    await store.add(replace(SESSION, id_hash="h-3", provider_session=None, subject="oidc:bob"))
    nameless = replace(LOGOUT, subject=None)
    assert ids(await store.end_by_provider(nameless, 200.0)) == set()
    assert ids(await store.end_by_provider(SECOND, 200.0)) == {"h-1"}


async def test_sessions_long_over_go_by_retention_and_never_under_a_hold(
    database: Database,
) -> None:
    """A sign-on takes away nobody's: of a company under a hold they are evidence."""
    store, week = SessionStore(database), RetentionSettings().sessions
    await store.add(SESSION)
    await store.add(replace(SESSION, id_hash="h-2", subject="oidc:bob"))
    await LegalHolds(database).place("t", LegalHold("oidc:ann", "oidc:counsel", 100.0))
    later = SESSION.expires_at + week * DAY_S + 1
    await store.add(replace(SESSION, id_hash="h-3", created_at=later, expires_at=later + 1))
    assert await store.find("h-1") == SESSION
    assert await store.find("h-2") is not None
    (kind,) = [kind for kind in KINDS if kind.name == "sessions"]
    assert await Retention(database).remove(kind, Ages(week, {}), later) == {"t": 1}
    assert await store.find("h-1") == SESSION
    assert await store.find("h-2") is None
    assert await store.find("h-3") is not None
