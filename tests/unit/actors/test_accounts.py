"""A key opens while it lives, and its secret is nowhere on the disk."""

import pytest

from actors.database import Accounts, Database, key_id_of

ROLES = frozenset({"agent", "admin"})


async def test_a_new_key_verifies_and_says_who_it_is(database: Database) -> None:
    accounts = Accounts(database)
    made = await accounts.create_key("t", "laptop", ROLES, 100.0)
    assert await accounts.verify(made.secret, 200.0) == made.key
    assert (made.key.tenant, made.key.name, made.key.roles) == ("t", "laptop", ROLES)
    assert made.secret.startswith(f"smk_{made.key.key_id}_")
    assert key_id_of(made.secret) == made.key.key_id


@pytest.mark.parametrize("address", ["sqlite"], indirect=True)
async def test_the_secret_is_in_no_file_and_no_repr(database: Database) -> None:
    made = await Accounts(database).create_key("t", "laptop", ROLES, 100.0)
    random = made.secret.removeprefix(f"smk_{made.key.key_id}_")
    for file in database.path.parent.iterdir():
        assert random.encode() not in file.read_bytes()
    assert random not in repr(made)
    assert made.key.hash not in repr(made)


@pytest.mark.parametrize(
    "text",
    ["", "smk", "smk_", "smk__", "smk_a_", "sk_0123_456", "smk_0123456789abcdef_AAAA", "é_é_é"],
)
async def test_a_text_that_is_not_a_key_opens_nothing(database: Database, text: str) -> None:
    assert await Accounts(database).verify(text, 0.0) is None


async def test_a_key_with_one_letter_changed_opens_nothing(database: Database) -> None:
    accounts = Accounts(database)
    made = await accounts.create_key("t", "laptop", ROLES, 100.0)
    changed = made.secret[:-1] + ("A" if made.secret[-1] != "A" else "B")
    assert await accounts.verify(changed, 200.0) is None


async def test_an_expired_key_opens_nothing(database: Database) -> None:
    accounts = Accounts(database)
    made = await accounts.create_key("t", "visitor", ROLES, 100.0, expires_at=200.0)
    assert await accounts.verify(made.secret, 199.9) is not None
    assert await accounts.verify(made.secret, 200.0) is None


async def test_a_revoked_key_opens_nothing_and_stays_listed(database: Database) -> None:
    accounts = Accounts(database)
    made = await accounts.create_key("t", "laptop", ROLES, 100.0)
    assert await accounts.revoke_key("t", made.key.key_id, 150.0)
    assert not await accounts.revoke_key("t", made.key.key_id, 160.0)
    assert await accounts.verify(made.secret, 200.0) is None
    assert [key.revoked_at for key in await accounts.list_keys("t")] == [150.0]


async def test_keys_are_listed_newest_first(database: Database) -> None:
    accounts = Accounts(database)
    for at in (1.0, 3.0, 2.0):
        await accounts.create_key("t", f"key at {at}", ROLES, at)
    assert [key.created_at for key in await accounts.list_keys("t")] == [3.0, 2.0, 1.0]
