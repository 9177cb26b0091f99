"""From a secret to a Principal: every way in which it must not open."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.database import Accounts, Database, open_database
from deployments.security.api_keys import CACHE_S, ApiKeys
from deployments.security.key_makers import KeyMakers
from deployments.security.money_limits import MoneyLimits
from deployments.security.principal import Principal
from routing.clock import ManualClock
from routing.errors import AccessError
from tests.unit.security.test_key_makers import Given, SignOns

GRANTS = {"admin": frozenset({"chat:create", "platforms:read"}), "agent": frozenset({"chat:read"})}


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = open_database(tmp_path / "supportmax.db")
    await database.migrate()
    yield database
    await database.aclose()


@pytest.fixture
def accounts(database: Database) -> Accounts:
    return Accounts(database)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def keys(accounts: Accounts, clock: ManualClock) -> ApiKeys:
    return ApiKeys(accounts, GRANTS, clock)


async def refused(keys: ApiKeys, secret: str) -> str:
    with pytest.raises(AccessError) as caught:
        await keys.authenticate(secret)
    assert caught.value.code == "unauthenticated"
    return caught.value.detail


async def test_a_key_opens_its_own_tenant_with_what_its_roles_grant(
    accounts: Accounts, keys: ApiKeys, clock: ManualClock
) -> None:
    """Permissions are the union of the roles'; a role without grants adds none."""
    roles = frozenset({"admin", "agent", "unheard of"})
    made = await accounts.create_key("acme", "test", roles, clock.now())
    assert await keys.authenticate(made.secret) == Principal(
        "acme",
        f"key:{made.key.key_id}",
        roles,
        frozenset({"chat:create", "platforms:read", "chat:read"}),
    )


async def test_every_wrong_key_is_refused_in_the_same_words(
    accounts: Accounts, keys: ApiKeys, clock: ManualClock
) -> None:
    """A guesser learns nothing from the refusal: not whether the id exists, nor how it ended."""
    made = await accounts.create_key("acme", "live", frozenset({"admin"}), clock.now())
    revoked = await accounts.create_key("acme", "revoked", frozenset({"admin"}), clock.now())
    await accounts.revoke_key("acme", revoked.key.key_id, clock.now())
    wrong = [
        "",
        "smk_",
        "nonsense",
        made.secret[:-1],
        made.secret + "x",
        f"smk_{made.key.key_id}_wrong",
        "smk_0000000000000000_" + made.secret.rpartition("_")[2],
        revoked.secret,
        "x" * 257,
        "smk_" + "x" * 100_000,
        "smk_ünï_cödé",
    ]
    assert len({await refused(keys, secret) for secret in wrong}) == 1


async def test_a_key_ends_when_it_expires(
    accounts: Accounts, keys: ApiKeys, clock: ManualClock
) -> None:
    """Good until its time, and not after it (and a moment of the cache)."""
    made = await accounts.create_key("acme", "k", frozenset(), clock.now(), clock.now() + 60)
    clock.advance(50)
    await keys.authenticate(made.secret)
    clock.advance(10 + CACHE_S)
    await refused(keys, made.secret)


async def test_a_revoked_key_dies_within_five_seconds(
    accounts: Accounts, keys: ApiKeys, clock: ManualClock
) -> None:
    """The cache keeps it for less than that, however often it is used meanwhile."""
    made = await accounts.create_key("acme", "k", frozenset({"admin"}), clock.now())
    await keys.authenticate(made.secret)
    await accounts.revoke_key("acme", made.key.key_id, clock.now())
    clock.advance(4.9)
    await keys.authenticate(made.secret)
    clock.advance(0.1)
    await refused(keys, made.secret)


async def test_a_wrong_secret_never_hits_what_is_remembered_of_the_right_one(
    accounts: Accounts, keys: ApiKeys, clock: ManualClock
) -> None:
    """The memory is keyed by the whole secret; the same id with another ending is unknown."""
    made = await accounts.create_key("acme", "k", frozenset({"admin"}), clock.now())
    await keys.authenticate(made.secret)
    await refused(keys, made.secret[:-1] + ("a" if made.secret[-1] != "a" else "b"))
    assert (await keys.authenticate(made.secret)).tenant == "acme"


async def test_the_secret_is_nowhere_in_the_database_file(
    accounts: Accounts, database: Database, clock: ManualClock
) -> None:
    """Who steals the file has hashes."""
    made = await accounts.create_key("acme", "k", frozenset({"admin"}), clock.now())
    files = [database.path, Path(f"{database.path}-wal")]
    kept = b"".join(file.read_bytes() for file in files if file.exists())
    assert made.key.key_id.encode() in kept
    assert made.secret.rpartition("_")[2].encode() not in kept


async def test_a_key_that_was_cut_is_not_whole_for_a_moment_while_its_maker_is_erased(
    accounts: Accounts, clock: ManualClock
) -> None:
    """Of an erased person nothing is known, which holds a key to nothing: it is looked up again."""
    given = Given({("acme", "okta:ann"): frozenset({"agent"})})
    limits = MoneyLimits({})
    keys = ApiKeys(accounts, GRANTS, clock, KeyMakers([], GRANTS, limits, [given], SignOns()))
    made = await accounts.create_key(
        "acme", "hers", frozenset({"admin"}), clock.now(), created_by="okta:ann"
    )
    assert "platforms:read" not in (await keys.authenticate(made.secret)).permissions
    await accounts.revoke_key("acme", made.key.key_id, clock.now())
    given.roles.clear()  # within the time for which a key is remembered
    await refused(keys, made.secret)
