"""A key is worked on by one caller at a time, and answered the same to all."""

import asyncio
from typing import TYPE_CHECKING

from actors.database import Database, Done, Fresh, Idempotency, Mismatch, Running
from actors.database.idempotency import KEPT_S, LEASE_S

if TYPE_CHECKING:
    from routing.message import JsonObject

NOW = 1_767_225_600.0
ANSWER: "JsonObject" = {"id": "ans_1", "cost_usd": 0.0035}


async def test_of_many_callers_with_one_key_exactly_one_does_the_work(database: Database) -> None:
    keys = Idempotency(database)
    begun = await asyncio.gather(*(keys.begin("t", "k", "hash", NOW) for _ in range(30)))
    assert sum(isinstance(result, Fresh) for result in begun) == 1
    assert [result for result in begun if not isinstance(result, Fresh)] == [Running(NOW)] * 29


async def test_a_repeat_gets_the_first_answer(database: Database) -> None:
    keys = Idempotency(database)
    fresh = await keys.begin("t", "k", "hash", NOW)
    assert isinstance(fresh, Fresh)
    assert await keys.finish("t", "k", fresh.lease, 200, ANSWER)
    assert await keys.begin("t", "k", "hash", NOW + KEPT_S - 1) == Done(200, ANSWER)


async def test_another_body_under_the_same_key_is_a_mismatch(database: Database) -> None:
    keys = Idempotency(database)
    fresh = await keys.begin("t", "k", "hash", NOW)
    assert isinstance(fresh, Fresh)
    assert await keys.begin("t", "k", "other", NOW) == Mismatch()
    await keys.finish("t", "k", fresh.lease, 200, ANSWER)
    assert await keys.begin("t", "k", "other", NOW) == Mismatch()


async def test_a_day_later_the_key_is_free_for_any_body(database: Database) -> None:
    keys = Idempotency(database)
    await keys.begin("t", "k", "hash", NOW)
    assert isinstance(await keys.begin("t", "k", "other", NOW + KEPT_S), Fresh)
    assert await keys.begin("t", "k", "other", NOW + KEPT_S + 1) == Running(NOW + KEPT_S)


async def test_an_abandoned_key_may_be_tried_again_at_once(database: Database) -> None:
    keys = Idempotency(database)
    fresh = await keys.begin("t", "k", "hash", NOW)
    assert isinstance(fresh, Fresh)
    await keys.abandon("t", "k", fresh.lease)
    assert isinstance(await keys.begin("t", "k", "hash", NOW), Fresh)


async def test_every_try_of_a_request_learns_when_the_first_began(database: Database) -> None:
    keys = Idempotency(database)
    fresh = await keys.begin("t", "k", "hash", NOW)
    assert isinstance(fresh, Fresh)
    await keys.abandon("t", "k", fresh.lease)
    assert await keys.begin("t", "k", "other", NOW + 1) == Mismatch()
    again = await keys.begin("t", "k", "hash", NOW + 1)
    after_a_crash = await keys.begin("t", "k", "hash", NOW + 1 + LEASE_S)
    a_day_later = await keys.begin("t", "k", "hash", NOW + KEPT_S)
    tries = (fresh, again, after_a_crash, a_day_later)
    assert [isinstance(begun, Fresh) and begun.since for begun in tries] == [
        NOW, NOW, NOW, NOW + KEPT_S,
    ]  # fmt: skip


async def test_a_dead_process_key_is_taken_over_and_its_late_answer_is_not_kept(
    database: Database,
) -> None:
    keys = Idempotency(database)
    first = await keys.begin("t", "k", "hash", NOW)
    assert isinstance(first, Fresh)
    assert await keys.begin("t", "k", "hash", NOW + LEASE_S - 1) == Running(NOW)
    second = await keys.begin("t", "k", "hash", NOW + LEASE_S)
    assert isinstance(second, Fresh)
    assert not await keys.finish("t", "k", first.lease, 200, {"id": "late"})
    await keys.abandon("t", "k", first.lease)
    assert await keys.finish("t", "k", second.lease, 200, ANSWER)
    assert await keys.begin("t", "k", "hash", NOW + LEASE_S) == Done(200, ANSWER)


async def test_a_takeover_does_not_make_the_key_live_longer(database: Database) -> None:
    keys = Idempotency(database)
    await keys.begin("t", "k", "hash", NOW)
    await keys.begin("t", "k", "hash", NOW + LEASE_S)
    assert isinstance(await keys.begin("t", "k", "other", NOW + KEPT_S), Fresh)


async def test_pruning_drops_what_is_older_than_a_day_and_nothing_else(database: Database) -> None:
    keys = Idempotency(database)
    await keys.begin("t", "old", "hash", NOW)
    await keys.begin("t", "young", "hash", NOW + 1)
    assert await keys.prune(NOW + KEPT_S) == 1
    assert await keys.begin("t", "young", "hash", NOW + 2) == Running(NOW + 1)
