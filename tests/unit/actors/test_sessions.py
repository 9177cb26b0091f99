"""Attempts are given back once; sessions end one by one, by the provider's name, or with the person."""

from dataclasses import replace

from actors.database import Database
from actors.database.sessions import SessionRow, SessionStore
from actors.database.sign_ons import SignOnRow, SignOns

ATTEMPT = SignOnRow("state", "browser", "oidc", "nonce", "verifier", "/", 160.0)
SESSION = SessionRow(
    "t", "h-1", "oidc:ann", "oidc", "s-1", frozenset({"agent"}), 100.0, 100.0, 500.0
)


async def test_an_attempt_is_given_back_once_and_in_its_time(database: Database) -> None:
    attempts = SignOns(database)
    await attempts.begin(ATTEMPT, 100.0)
    assert await attempts.take("state", 159.0) == ATTEMPT
    assert await attempts.take("state", 159.0) is None
    await attempts.begin(ATTEMPT, 100.0)
    assert await attempts.take("state", 160.0) is None
    assert await attempts.take("unheard-of", 100.0) is None


async def test_attempts_that_nobody_finished_are_swept(database: Database) -> None:
    attempts = SignOns(database)
    await attempts.begin(ATTEMPT, 100.0)
    await attempts.begin(replace(ATTEMPT, state_hash="other", expires_at=300.0), 200.0)
    await attempts.begin(ATTEMPT, 200.0)  # the key is free again
    assert await attempts.take("other", 200.0) is not None


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
    assert await store.end_of_provider("t", "oidc", "s-1", 200.0) == 2
    assert await store.end_of_subject("t", "oidc:ann", 200.0) == 0
    assert await store.end_of_subject("other", "oidc:ann", 200.0) == 1
    assert not await store.end("t", "h-2", 200.0)


async def test_a_logout_token_is_new_once_a_provider(database: Database) -> None:
    store = SessionStore(database)
    assert await store.use_logout_token("oidc", "j", 100.0, 200.0)
    assert not await store.use_logout_token("oidc", "j", 150.0, 250.0)
    assert await store.use_logout_token("other", "j", 150.0, 250.0)


async def test_sessions_long_over_are_swept(database: Database) -> None:
    """A week after their end; until then somebody may ask what happened."""
    store = SessionStore(database)
    await store.add(SESSION)
    later = SESSION.expires_at + 7 * 86_400
    await store.add(replace(SESSION, id_hash="h-2", created_at=later, expires_at=later + 1))
    assert await store.find("h-1") == SESSION
    await store.add(replace(SESSION, id_hash="h-3", created_at=later + 1, expires_at=later + 2))
    assert await store.find("h-1") is None
