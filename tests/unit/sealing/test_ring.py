"""Keys of tenants: made once, held for minutes, asked for again, replaced long before they are worn."""

import asyncio
import pickle

import pytest

from actors.database import Database
from actors.database.data_keys import DataKeys
from actors.database.errors import KeysUnavailable
from actors.sealing.envelope import Place
from actors.sealing.errors import SealBroken
from actors.sealing.loading import (
    BLOCK_FIRST,
    HANDOVER_S,
    KEY_AGE_S,
    MESSAGES_MAX,
    MESSAGES_PER_KEY,
)
from actors.sealing.ring import ASK_AGAIN_S, FRESH_S, STALE_S
from routing.clock import ManualClock
from tests.unit.sealing.keyed import LocalProvider, ring_over

pytestmark = pytest.mark.anyio

TEXT = Place("turn", "text")
ROW = ("conv_1", 1)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def provider() -> LocalProvider:
    return LocalProvider()


async def test_what_one_process_seals_another_one_opens(
    database: Database, provider: LocalProvider, clock: ManualClock
) -> None:
    one, other = ring_over(database, provider, clock), ring_over(database, provider, clock)
    sealed = (await one.to_seal("acme")).seal(TEXT, ROW, "My card was charged twice.")
    assert "card" not in sealed
    assert (await other.to_open("acme")).open(TEXT, ROW, sealed) == "My card was charged twice."


async def test_processes_that_begin_at_once_agree_on_one_key(
    database: Database, provider: LocalProvider, clock: ManualClock
) -> None:
    rings = [ring_over(database, provider, clock) for _ in range(8)]
    made = await asyncio.gather(*(ring.to_seal("acme") for ring in rings))
    assert {keys.current for keys in made} == {1}
    assert len(await DataKeys(database).keys("acme")) == 1
    sealed = made[0].seal(TEXT, ROW, "hello")
    assert all(keys.open(TEXT, ROW, sealed) == "hello" for keys in made)


async def test_who_looks_for_somebody_makes_no_keys_and_misses_none_that_were_made_a_moment_ago(
    database: Database, provider: LocalProvider, clock: ManualClock
) -> None:
    """Also not where this process has held the tenant's other keys for a while."""
    looks, writes = ring_over(database, provider, clock), ring_over(database, provider, clock)
    assert (await looks.to_find("acme")).indexes_of(TEXT, "ann") == ("ann",)
    assert await DataKeys(database).keys("acme") == []
    await looks.to_seal("acme")
    index = (await writes.to_seek("acme")).index_of(TEXT, "ann")
    assert (await looks.to_find("acme")).indexes_of(TEXT, "ann") == (index, "ann")
    refusing = ring_over(database, provider, clock, refuses_clear=True)
    assert (await refusing.to_find("nobody")).indexes_of(TEXT, "ann") == ()


async def test_a_tenant_for_whom_nothing_was_sealed_costs_the_provider_nothing(
    database: Database, provider: LocalProvider, clock: ManualClock
) -> None:
    keys = await ring_over(database, provider, clock).to_open("nobody")
    assert keys.open(TEXT, ROW, "written long ago") == "written long ago"
    assert provider.asked == 0


async def test_the_provider_is_asked_once_in_five_minutes_however_many_want_the_key(
    database: Database, provider: LocalProvider, clock: ManualClock
) -> None:
    ring = ring_over(database, provider, clock)
    await ring.to_seal("acme")
    provider.asked = 0
    for _ in range(10):
        clock.advance(FRESH_S / 10 - 0.001)
        await asyncio.gather(*(ring.to_open("acme") for _ in range(20)))
    assert provider.asked == 0
    clock.advance(0.1)
    await asyncio.gather(*(ring.to_open("acme") for _ in range(20)))
    assert provider.asked == 1


async def test_withdrawn_access_takes_effect_within_five_minutes(
    database: Database, provider: LocalProvider, clock: ManualClock
) -> None:
    ring = ring_over(database, provider, clock)
    await ring.to_seal("acme")
    provider.refuses = True
    clock.advance(FRESH_S)
    with pytest.raises(KeysUnavailable):
        await ring.to_open("acme")
    with pytest.raises(KeysUnavailable):
        await ring.to_seal("acme")
    with pytest.raises(KeysUnavailable):
        ring.derive("acme", "tokens")


async def test_support_goes_on_through_a_short_outage_and_not_through_a_long_one(
    database: Database, provider: LocalProvider, clock: ManualClock
) -> None:
    ring = ring_over(database, provider, clock)
    sealed = (await ring.to_seal("acme")).seal(TEXT, ROW, "hello")
    provider.is_away, provider.asked = True, 0
    clock.advance(FRESH_S)
    assert (await ring.to_open("acme")).open(TEXT, ROW, sealed) == "hello"
    assert (await ring.to_seal("acme")).open(TEXT, ROW, sealed) == "hello"
    assert provider.asked == 1, "it is left alone for a moment after it failed"
    clock.advance(ASK_AGAIN_S)
    await ring.to_open("acme")
    assert provider.asked == 2
    clock.advance(STALE_S - FRESH_S - ASK_AGAIN_S)
    with pytest.raises(KeysUnavailable):
        await ring.to_open("acme")
    provider.is_away = False
    assert (await ring.to_open("acme")).open(TEXT, ROW, sealed) == "hello"


async def test_without_the_provider_nothing_is_made_and_nothing_is_sealed(
    database: Database, provider: LocalProvider, clock: ManualClock
) -> None:
    provider.is_away = True
    with pytest.raises(KeysUnavailable) as refused:
        await ring_over(database, provider, clock).to_seal("acme")
    assert refused.value.retry_after_s > 0
    assert await DataKeys(database).keys("acme") == []
    again = pickle.loads(pickle.dumps(refused.value))  # noqa: S301  errors cross processes
    assert again.retry_after_s == refused.value.retry_after_s


async def test_a_wrapped_key_put_under_another_tenant_opens_nothing(
    database: Database, provider: LocalProvider, clock: ManualClock
) -> None:
    ring = ring_over(database, provider, clock)
    await ring.to_seal("acme")
    stored = (await DataKeys(database).keys("acme"))[0]
    await DataKeys(database).add(
        type(stored)("globex", "seal", 1, stored.wrapped, stored.provider, stored.created_at), 0.0
    )
    with pytest.raises(KeysUnavailable):
        await ring.to_open("globex")


@pytest.mark.parametrize("worn_by", ["messages", "age"])
async def test_a_key_is_replaced_long_before_it_is_worn_and_goes_on_opening(
    database: Database, provider: LocalProvider, clock: ManualClock, worn_by: str
) -> None:
    store, first = DataKeys(database), ring_over(database, provider, clock)
    before = (await first.to_seal("acme")).seal(TEXT, ROW, "before")
    if worn_by == "messages":
        key = (await store.keys("acme"))[0]
        assert await store.reserve(key, MESSAGES_PER_KEY - BLOCK_FIRST, MESSAGES_MAX)
    else:
        clock.advance(KEY_AGE_S)
    second = ring_over(database, provider, clock)
    assert (await second.to_seal("acme")).current == 1, "nobody knows the next one yet"
    assert [key.number for key in await store.keys("acme")] == [1, 2]
    clock.advance(HANDOVER_S)
    keys = await second.to_seal("acme")
    assert keys.current == 2
    after = keys.seal(TEXT, ROW, "after")
    assert keys.open(TEXT, ROW, before) == "before"
    assert (await first.to_open("acme")).open(TEXT, ROW, after) == "after"


async def test_no_key_seals_more_than_the_standard_allows(
    database: Database, provider: LocalProvider, clock: ManualClock
) -> None:
    store = DataKeys(database)
    await ring_over(database, provider, clock).to_seal("acme")
    key = (await store.keys("acme"))[0]
    assert await store.reserve(key, MESSAGES_MAX - BLOCK_FIRST, MESSAGES_MAX) == MESSAGES_MAX
    assert await store.reserve(key, 1, MESSAGES_MAX) is None
    keys = await ring_over(database, provider, clock).to_seal("acme")
    with pytest.raises(KeysUnavailable):
        keys.seal(TEXT, ROW, "one too many")


async def test_a_process_counts_before_it_seals(
    database: Database, provider: LocalProvider, clock: ManualClock
) -> None:
    ring = ring_over(database, provider, clock)
    keys = await ring.to_seal("acme")
    for _ in range(BLOCK_FIRST):
        keys.seal(TEXT, ROW, "x")
    with pytest.raises(KeysUnavailable):
        keys.seal(TEXT, ROW, "x")
    (await ring.to_seal("acme")).seal(TEXT, ROW, "x")


async def test_destroyed_keys_leave_nothing_readable_and_their_numbers_are_not_used_again(
    database: Database, provider: LocalProvider, clock: ManualClock
) -> None:
    ring = ring_over(database, provider, clock)
    await ring.ready("acme")
    sealed = (await ring.to_seal("acme")).seal(TEXT, ROW, "forget me")
    assert await DataKeys(database).destroy("acme", clock.now()) == 2
    assert await DataKeys(database).destroy("acme", clock.now()) == 0
    assert all(not key.wrapped for key in await DataKeys(database).keys("acme"))
    clock.advance(FRESH_S)
    keys = await ring.to_seal("acme")
    assert keys.current == 2
    with pytest.raises(SealBroken):
        keys.open(TEXT, ROW, sealed)


async def test_what_another_process_sealed_under_a_newer_key_is_read_at_the_second_try(
    database: Database, provider: LocalProvider, clock: ManualClock
) -> None:
    old, new = ring_over(database, provider, clock), ring_over(database, provider, clock)
    held = await old.to_seal("acme")
    await DataKeys(database).destroy("acme", clock.now())
    sealed = (await new.to_seal("acme")).seal(TEXT, ROW, "hello")
    with pytest.raises(KeysUnavailable):
        held.open(TEXT, ROW, sealed)
    assert (await old.to_open("acme")).open(TEXT, ROW, sealed) == "hello"


async def test_derived_keys_are_the_same_everywhere_and_differ_by_tenant_and_purpose(
    database: Database, provider: LocalProvider, clock: ManualClock
) -> None:
    one, other = ring_over(database, provider, clock), ring_over(database, provider, clock)
    with pytest.raises(KeysUnavailable):
        one.derive("acme", "tokens")
    for ring, tenant in ((one, "acme"), (other, "acme"), (one, "globex")):
        await ring.ready(tenant)
    assert one.derive("acme", "tokens") == other.derive("acme", "tokens")
    assert len(one.derive("acme", "tokens")) == 32
    made = {one.derive(t, p) for t in ("acme", "globex") for p in ("tokens", "cookies")}
    assert len(made) == 4


async def test_tenants_held_are_bounded_and_the_one_longest_unused_goes(
    database: Database, provider: LocalProvider, clock: ManualClock
) -> None:
    ring = ring_over(database, provider, clock, tenants_max=2)
    for tenant in ("a", "b", "a", "c"):
        await ring.to_seal(tenant)
    provider.asked = 0
    await ring.to_seal("a")
    assert provider.asked == 0
    await ring.to_seal("b")
    assert provider.asked == 1


async def test_a_caller_that_leaves_takes_the_answer_from_nobody(
    database: Database, provider: LocalProvider, clock: ManualClock
) -> None:
    ring = ring_over(database, provider, clock)
    provider.gate = asyncio.Event()
    leaving = asyncio.create_task(ring.to_seal("acme"))
    staying = asyncio.create_task(ring.to_seal("acme"))
    await provider.begun.wait()
    leaving.cancel()
    provider.gate.set()
    assert (await staying).current == 1
