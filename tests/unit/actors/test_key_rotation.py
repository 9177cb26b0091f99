"""A key is replaced by another of the same powers; both open for a while, and never three."""

import pytest

from actors.database import Accounts, Database
from actors.database.key_hash import KeyHash
from routing.errors import ConflictError

ROLES = frozenset({"agent"})
ONE, TWO = b"1" * 32, b"2" * 32


async def test_both_keys_open_until_the_old_ones_time_is_over(database: Database) -> None:
    accounts = Accounts(database)
    scopes, networks = frozenset({"chat:create"}), ("10.0.0.0/8",)
    old = await accounts.create_key("t", "crm", ROLES, 100.0, None, scopes, networks)
    new = await accounts.replace_key("t", old.key.key_id, 200.0, 50.0, None)
    assert new is not None
    assert (new.key.name, new.key.roles) == ("crm", ROLES)
    assert (new.key.scopes, new.key.networks) == (scopes, networks)
    assert await accounts.verify(old.secret, 249.0) is not None
    assert await accounts.verify(old.secret, 250.0) is None
    assert await accounts.verify(new.secret, 10_000.0) == new.key


async def test_a_third_key_of_a_family_has_to_wait(database: Database) -> None:
    """Whoever rotates twice in a row has forgotten a program, or has one too many."""
    accounts = Accounts(database)
    first = await accounts.create_key("t", "crm", ROLES, 100.0)
    second = await accounts.replace_key("t", first.key.key_id, 200.0, 50.0, None)
    assert second is not None
    for key_id in (first.key.key_id, second.key.key_id):
        with pytest.raises(ConflictError, match="Revoke"):
            await accounts.replace_key("t", key_id, 210.0, 50.0, None)
    third = await accounts.replace_key("t", second.key.key_id, 250.0, 50.0, None)
    assert third is not None
    assert third.key.family == first.key.key_id


async def test_a_replaced_key_never_lives_longer_than_it_would_have(database: Database) -> None:
    accounts = Accounts(database)
    old = await accounts.create_key("t", "crm", ROLES, 100.0, expires_at=210.0)
    await accounts.replace_key("t", old.key.key_id, 200.0, 50.0, None)
    assert await accounts.verify(old.secret, 210.0) is None


async def test_nobody_replaces_another_tenants_key_or_a_dead_one(database: Database) -> None:
    accounts = Accounts(database)
    key = await accounts.create_key("t", "crm", ROLES, 100.0)
    assert await accounts.replace_key("other", key.key.key_id, 200.0, 50.0, None) is None
    await accounts.revoke_key("t", key.key.key_id, 200.0)
    assert await accounts.replace_key("t", key.key.key_id, 200.0, 50.0, None) is None
    assert await accounts.replace_key("t", "unheard-of", 200.0, 50.0, None) is None


async def test_a_key_is_worth_nothing_without_the_pepper_it_was_hashed_with(
    database: Database,
) -> None:
    """Who copies the database and can try keys at a service of his own opens nothing there."""
    made = await Accounts(database, KeyHash([ONE])).create_key("t", "crm", ROLES, 100.0)
    assert await Accounts(database, KeyHash([ONE])).verify(made.secret, 200.0) is not None
    assert await Accounts(database, KeyHash([TWO])).verify(made.secret, 200.0) is None
    assert await Accounts(database).verify(made.secret, 200.0) is None
    both = Accounts(database, KeyHash([TWO, ONE]))
    assert await both.verify(made.secret, 200.0) is not None
    fresh = await both.create_key("t", "crm", ROLES, 100.0)
    assert await Accounts(database, KeyHash([TWO])).verify(fresh.secret, 200.0) is not None


async def test_a_key_from_before_there_was_a_pepper_stays_good(database: Database) -> None:
    made = await Accounts(database).create_key("t", "old", ROLES, 100.0)
    assert await Accounts(database, KeyHash([ONE])).verify(made.secret, 200.0) is not None
