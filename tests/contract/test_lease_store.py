"""Leases of limits in a real Redis and a cluster of three: the script does what was written down."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from actors.lease_store import Claim, LimitKey, Loan
from actors.redis_store import RedisLeases, RedisOptions
from actors.window_store import StoreUnavailable
from deployments.limiting import LIMIT_OPERATION_S
from deployments.security.leased_limits import ALONE_S, LeasedLimits
from deployments.security.limit_account import Demand, Standing
from routing.clock import ManualClock, SystemClock
from routing.gcra import Rate
from tests.limit_world import ModelLeases, Replicas, demand, part
from tests.ports import free_port
from tests.redis_servers import PATIENT_S, RedisServer, need, redis_server

# Nothing comes back of it while a test runs.
STILL = Rate(0.0, 100.0)
KEY = LimitKey("acme", "tenant-chat", "")


@pytest.fixture(params=["single", "cluster"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[RedisLeases]:
    servers: list[RedisServer] = []
    match request.param:
        case "single":
            servers.append(request.getfixturevalue("single"))
        case _:
            servers.extend(request.getfixturevalue("cluster"))
    urls = tuple(server.url for server in servers)
    options = RedisOptions(urls, is_cluster=len(urls) > 1)
    made = RedisLeases(options, SystemClock(), PATIENT_S)
    await made.start()
    yield made
    await made.aclose()


def first(want: float, holder: str = "r1", rate: Rate = STILL, key: LimitKey = KEY) -> Claim:
    return Claim(key, rate, holder, 1, 0.0, 0.0, 0.0, want)


async def test_no_more_is_lent_than_there_is(store: RedisLeases) -> None:
    assert (await store.claim(first(60.0))).granted == 60.0
    assert await store.claim(first(60.0, "r2")) == Loan(40.0, 0.0, 0.0)
    assert (await store.claim(first(60.0, "r3"))).granted == 0.0
    # Another tenant's, and another day's, are others.
    assert (await store.claim(first(60.0, key=LimitKey("other", "tenant-chat", "")))).granted == 60
    assert (await store.claim(first(60.0, key=KEY._replace(period="1")))).granted == 60.0


async def test_what_is_used_becomes_a_debt_and_what_is_given_back_does_not(
    store: RedisLeases,
) -> None:
    claim = first(60.0)
    await store.claim(claim)
    told = await store.claim(replace(claim, seq=2, used=20.0, held=10.0, want=0.0))
    assert told.debt == pytest.approx(20.0)
    assert told.room == pytest.approx(70.0)
    refunded = await store.claim(replace(claim, seq=3, used=-500.0, told=20.0, want=1_000.0))
    assert refunded.debt == 0.0
    assert refunded.granted == 100.0


async def test_the_same_claim_twice_and_a_late_one_change_nothing(store: RedisLeases) -> None:
    claim = first(30.0)
    await store.claim(claim)
    used = replace(claim, seq=2, used=25.0, held=5.0, want=25.0)
    assert await store.claim(used) == await store.claim(used)
    assert (await store.claim(claim)).granted == 0.0
    assert (await store.claim(first(100.0, "r2"))).granted == pytest.approx(45.0)


async def test_the_script_does_what_the_model_does_for_any_claims(store: RedisLeases) -> None:
    """A thousand random claims of five holders, late and repeated ones among them."""
    model, chance = ModelLeases(ManualClock()), random.Random(7)  # noqa: S311  a test's claims
    seqs: dict[str, int] = {}
    for _ in range(1_000):
        holder = f"r{chance.randrange(5)}"
        seqs[holder] = seqs.get(holder, 0) + chance.choice((1, 1, 1, 0, -1))
        used, held = chance.uniform(-20, 40), chance.uniform(0, 10)
        claim = Claim(KEY, STILL, holder, seqs[holder], used, 0.0, held, chance.uniform(0, 30))
        real, written = await store.claim(claim), model.settle(claim, 0.0)
        assert real.granted == pytest.approx(written.granted, abs=1e-6)
        assert real.room == pytest.approx(written.room, abs=1e-6)
        assert real.debt == pytest.approx(written.debt, abs=1e-6)


async def test_a_debt_drains_by_the_servers_own_time(store: RedisLeases) -> None:
    """A replica's clock is nowhere in it."""
    fast = Rate(1_000.0, 100.0)
    claim = first(100.0, rate=fast)
    began = time.monotonic()
    await store.claim(claim)
    debt = (await store.claim(replace(claim, seq=2, used=100.0, want=0.0))).debt
    while debt > 0.0:
        debt = (await store.claim(replace(claim, seq=2, used=100.0, want=0.0))).debt
    assert 0.1 <= time.monotonic() - began < PATIENT_S


async def test_what_is_kept_ends_by_itself(store: RedisLeases, single: RedisServer) -> None:
    await store.claim(first(10.0, rate=Rate(10.0, 100.0)))
    kept = [int(single.cli("pttl", key)) for key in single.cli("keys", "*").splitlines()]
    assert all(0 < ms <= 30_000 for ms in kept)


async def test_eight_replicas_at_a_real_redis_let_in_what_one_bucket_would(
    single: RedisServer,
) -> None:
    rate, clock = Rate(200.0, 100.0), SystemClock()
    options = RedisOptions((single.url,), is_cluster=False)
    world = Replicas(ModelLeases(clock), clock, 0)
    world.all = [
        LeasedLimits(RedisLeases(options, clock, PATIENT_S), f"r{n}", part(clock), clock)
        for n in range(8)
    ]
    for limits in world.all:
        await limits.start()
    began, pressed_s = clock.monotonic(), 2.0
    await world.press(demand(rate), began + pressed_s, 0.005)
    for limits in world.all:
        await limits.aclose()
    # The two clocks are one machine's, and run alike to a thousandth.
    assert world.most_in_excess(rate) <= 1.0
    assert world.total >= 0.85 * (rate.burst + rate.per_s * pressed_s)


async def test_a_redis_that_is_killed_leaves_every_replica_what_it_borrowed_and_its_part_of_the_rest(
    tmp_path: Path,
) -> None:
    """In the middle of its work."""
    need()
    with redis_server(tmp_path) as server:
        clock = SystemClock()
        options = RedisOptions((server.url,), is_cluster=False)
        limits = LeasedLimits(RedisLeases(options, clock, PATIENT_S), "r", part(clock), clock)
        await limits.start()
        asked = demand(Rate(100.0, 400.0))
        assert (await limits.admit((asked,))).wait_s == 0.0
        server.kill()
        began = time.monotonic()
        let_in_at_once, refused = await let_in(limits, asked)
        assert asked.chunk - 1 <= let_in_at_once
        assert let_in_at_once <= asked.chunk + 25.0 * (time.monotonic() - began)
        assert limits.is_degraded
        assert 0.0 < refused.wait_s <= 1 / 25.0
        await limits.aclose()


async def test_a_redis_that_is_slow_holds_up_one_answer_a_second(single: RedisServer) -> None:
    """It answers after 250 ms, which nobody waits for."""
    clock = SystemClock()
    async with relay(single.port, 0.25) as port:
        options = RedisOptions((f"redis://127.0.0.1:{port}",), is_cluster=False)
        limits = LeasedLimits(
            RedisLeases(options, clock, LIMIT_OPERATION_S), "r", part(clock), clock
        )
        asked = demand(Rate(0.0, 400.0))
        began = time.monotonic()
        assert (await let_in(limits, asked))[0] == 20
        assert time.monotonic() - began < PATIENT_S
        assert limits.is_degraded
        await limits.aclose()


async def until_degraded(limits: LeasedLimits, asked: Demand, *, degraded: bool) -> None:
    until = time.monotonic() + 10 * ALONE_S
    while limits.is_degraded is not degraded:
        assert time.monotonic() < until
        # By force, so that something has to be told whoever is refused.
        limits.settle((asked,), 1.0)
        await limits.admit((asked,))
        await asyncio.sleep(0.02)


async def let_in(limits: LeasedLimits, asked: Demand) -> tuple[int, Standing]:
    """How many in a row, and what the first who was not was told."""
    count = 0
    while (standing := await limits.admit((asked,))).wait_s == 0.0:
        count += 1
    return count, standing


async def test_a_redis_that_comes_back_is_used_again(tmp_path: Path) -> None:
    need()
    with redis_server(tmp_path) as server:
        clock = SystemClock()
        options = RedisOptions((server.url,), is_cluster=False)
        limits = LeasedLimits(RedisLeases(options, clock, PATIENT_S), "r", part(clock), clock)
        await limits.start()
        asked = (demand(Rate(1.0, 400.0)),)
        await limits.admit(asked)
        server.kill()
        limits.settle(asked, 100.0)
        await until_degraded(limits, asked[0], degraded=True)
        server.start()
        await until_degraded(limits, asked[0], degraded=False)
        await limits.aclose()


async def test_nobody_at_the_address_is_no_reason_to_fail() -> None:
    clock = SystemClock()
    options = RedisOptions((f"redis://127.0.0.1:{free_port()}",), is_cluster=False)
    store = RedisLeases(options, clock, LIMIT_OPERATION_S)
    await store.start()
    with pytest.raises(StoreUnavailable):
        await store.claim(first(1.0))
    limits = LeasedLimits(store, "r", part(clock), clock)
    assert (await limits.admit((demand(Rate(0.0, 40.0)),))).wait_s == 0.0
    await limits.aclose()


@contextlib.asynccontextmanager
async def relay(port: int, delay_s: float) -> AsyncIterator[int]:
    """Passes bytes on, answers late; its port."""
    open_ones = set[asyncio.Task[None]]()

    async def pump(
        source: asyncio.StreamReader, sink: asyncio.StreamWriter, after_s: float
    ) -> None:
        while data := await source.read(65_536):
            await asyncio.sleep(after_s)
            sink.write(data)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_ones.add(task)
        there, back = await asyncio.open_connection("127.0.0.1", port)
        try:
            with contextlib.suppress(OSError):
                await asyncio.gather(pump(reader, back, 0.0), pump(there, writer, delay_s))
        finally:
            for end in (back, writer):
                end.close()
                with contextlib.suppress(OSError):
                    await end.wait_closed()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for task in open_ones:
            task.cancel()
        await asyncio.gather(*open_ones, return_exceptions=True)
