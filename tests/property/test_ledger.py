"""The ledger books every outcome once, to the last pico-dollar, however batches arrive."""

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.database import Database, Ledger, open_database
from actors.database.ledger import SEQ_WINDOW
from routing.errors import ErrorKind
from routing.exchange import Usage
from routing.money import Price
from routing.outcome import Outcome

MIDNIGHT = 1_767_225_600.0  # 2026-01-01T00:00:00Z

# Every example has replicas and tenants of its own, so that they can share one file.
examples = itertools.count()


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    database = open_database(tmp_path_factory.mktemp("ledger") / "x.db")
    asyncio.run(database.migrate())
    yield database
    asyncio.run(database.aclose())


tokens = st.integers(0, 2_000_000)
rates = st.decimals(0, 200, allow_nan=False, allow_infinity=False, places=6)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    cached, written, plain, reasoning, visible = (draw(tokens) for _ in range(5))
    return Usage(cached + written + plain, cached, written, reasoning + visible, reasoning)


@st.composite
def outcomes(draw: st.DrawFn) -> Outcome:
    """An outcome without a name; its cost is what a price of six decimals makes of its usage."""
    usage = draw(usages())
    price = draw(st.none() | st.builds(Price, rates, rates, rates, rates))
    return Outcome(
        tenant="",
        answer_id="",
        attempt=draw(st.integers(0, 5)),
        platform=draw(st.sampled_from(["openai", "anthropic", "google_vertex"])),
        target="openai/m",
        model="m",
        at=MIDNIGHT + draw(st.floats(0, 86_399)),
        latency_ms=draw(st.floats(0, 1e6)),
        first_byte_ms=draw(st.none() | st.floats(0, 1e6)),
        usage=usage,
        cost_usd=None if price is None else price.cost(usage),
        error=draw(st.none() | st.sampled_from(ErrorKind)),
        retry_after_s=draw(st.none() | st.floats(0, 1e6)),
        abandoned=draw(st.booleans()),
        simulated=draw(st.booleans()),
    )


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[tuple[str, int, list[Outcome]]], list[int]]:
    """Numbered batches of three replicas, and an order in which each arrives once or more often."""
    example = next(examples)
    names = (f"ans_{n}" for n in itertools.count())
    batches = [
        (
            f"{example}/{replica}",
            seq,
            [
                replace(outcome, tenant=f"{example}/{draw(st.sampled_from('ab'))}", answer_id=name)
                for outcome, name in zip(
                    draw(st.lists(outcomes(), max_size=4)), names, strict=False
                )
            ],
        )
        for replica in "xyz"
        for seq in range(1, draw(st.integers(1, 4)) + 1)
    ]
    repeats = draw(st.lists(st.integers(0, len(batches) - 1), max_size=8))
    return batches, draw(st.permutations([*range(len(batches)), *repeats]))


@settings(max_examples=40, deadline=None)
@given(deliveries())
def test_batches_in_any_order_and_number_book_each_outcome_once(
    database: Database, delivery: tuple[list[tuple[str, int, list[Outcome]]], list[int]]
) -> None:
    batches, order = delivery
    ledger = Ledger(database)

    async def deliver() -> None:
        seen: set[int] = set()
        for index in order:
            replica, seq, batch = batches[index]
            checkpoint = f"{replica}#{seq}" if index not in seen else "a repeat writes nothing"
            assert await ledger.append(replica, seq, batch, checkpoint) == (index not in seen)
            if index not in seen:
                kept = await ledger.load_checkpoint()
                assert kept is not None
                assert kept.body == checkpoint
            seen.add(index)
        booked = [outcome for _, _, batch in batches for outcome in batch]
        await expect_booked(ledger, booked)
        last = await ledger.last_seqs()
        for replica in {replica for replica, _, _ in batches}:
            assert last[replica] == max(seq for of, seq, _ in batches if of == replica)

    asyncio.run(deliver())


async def expect_booked(ledger: Ledger, booked: list[Outcome]) -> None:
    for outcome in booked:
        assert await ledger.attempts_of(outcome.tenant, outcome.answer_id) == [outcome]
    for tenant in {outcome.tenant for outcome in booked}:
        theirs = [outcome for outcome in booked if outcome.tenant == tenant]
        spent = await ledger.spend(tenant, MIDNIGHT)
        assert sum(spend.attempts for spend in spent) == len(theirs)
        assert sum(spend.unpriced_attempts for spend in spent) == sum(
            outcome.cost_usd is None for outcome in theirs
        )
        for spend in spent:
            its = [
                outcome
                for outcome in theirs
                if (outcome.platform, outcome.simulated) == (spend.platform, spend.simulated)
            ]
            assert spend.cost_usd == sum(
                (outcome.cost_usd for outcome in its if outcome.cost_usd is not None), Decimal(0)
            )
            assert spend.usage == sum((outcome.usage for outcome in its), Usage())


@settings(max_examples=30, deadline=None)
@given(costs=st.lists(st.decimals(0, 10**9, places=12, allow_nan=False), min_size=1, max_size=20))
def test_sums_beyond_the_range_of_sixty_four_bits_are_exact(
    database: Database, costs: list[Decimal]
) -> None:
    costs = [min(cost, Decimal(9000000)) for cost in costs]  # one attempt, 9 million USD
    example = next(examples)
    plain = Outcome("t", "", 0, "openai", "openai/m", "m", MIDNIGHT, 1.0, None, Usage(), None)
    batch = [
        replace(plain, tenant=f"{example}", answer_id=f"{n}", cost_usd=cost)
        for n, cost in enumerate(costs)
    ]
    ledger = Ledger(database)

    async def check() -> None:
        await ledger.append(f"{example}", 1, batch)
        (spend,) = await ledger.spend(f"{example}", 0.0)
        assert spend.cost_usd == sum(costs)

    asyncio.run(check())


def test_today_begins_at_midnight_utc_and_holds_every_tenant(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    plain = Outcome(
        "a", "1", 0, "openai", "openai/m", "m", MIDNIGHT, 1.0, None, Usage(), Decimal("0.1")
    )

    async def check() -> None:
        database = open_database(tmp_path_factory.mktemp("today") / "x.db")
        await database.migrate()
        ledger = Ledger(database)
        batch = [
            plain,
            replace(plain, tenant="b", cost_usd=Decimal("0.2")),
            replace(plain, answer_id="2", at=MIDNIGHT - 0.001),
            replace(plain, answer_id="3", target="anthropic/m", cost_usd=None),
        ]
        await ledger.append("r", 1, batch)
        assert await ledger.spend_today(MIDNIGHT + 86_399) == {
            "openai/m": Decimal("0.3"),
            "anthropic/m": Decimal(0),
        }
        await database.aclose()

    asyncio.run(check())


def test_a_batch_older_than_the_window_counts_as_seen(database: Database) -> None:
    ledger = Ledger(database)

    async def check() -> None:
        assert await ledger.append("w", SEQ_WINDOW + 10, [])
        assert not await ledger.append("w", 10, [])
        assert await ledger.append("w", 11, [])
        assert not await ledger.append("w", 11, [])

    asyncio.run(check())


def test_a_replica_that_is_forgotten_starts_anew(database: Database) -> None:
    ledger = Ledger(database)

    async def check() -> None:
        assert await ledger.append("gone", 1, [])
        await ledger.forget("gone")
        assert "gone" not in await ledger.last_seqs()

    asyncio.run(check())


def test_the_checkpoint_of_a_batch_is_kept_with_it_and_its_version_grows(
    database: Database,
) -> None:
    ledger = Ledger(database)

    async def check() -> None:
        before = await ledger.load_checkpoint()
        await ledger.append("v", 1, [], b'{"scorecards": []}', now=7.0)
        await ledger.append("v", 2, [], None)
        after = await ledger.load_checkpoint()
        assert after is not None
        assert (after.at, after.body) == (7.0, '{"scorecards": []}')
        assert after.version == (before.version if before else 0) + 1
        assert await ledger.load_checkpoint("unheard of") is None

    asyncio.run(check())
