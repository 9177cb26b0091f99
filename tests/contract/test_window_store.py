"""The store of windows keeps its promises in this process, in one Redis and in a cluster of three."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.redis_store import OPERATION_S, RedisOptions, RedisWindows
from actors.window_store import (
    IN_PROCESS_TTL_S,
    InProcessWindows,
    Key,
    StoreUnavailable,
    WindowStore,
    customer_of,
    owner_of,
)
from routing.clock import ManualClock, SystemClock
from tests.ports import free_port
from tests.redis_servers import PATIENT_S, RedisServer, need, redis_server
from tests.tls import CERTIFICATE, certificate

KEY = Key(customer_of("acme", "ann"), "conv_1")


@pytest.fixture(params=["in_process", "single", "cluster"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[WindowStore]:
    made: WindowStore
    match request.param:
        case "in_process":
            made = InProcessWindows(ManualClock())
        case "single":
            server: RedisServer = request.getfixturevalue("single")
            made = RedisWindows(
                RedisOptions((server.url,), is_cluster=False), SystemClock(), PATIENT_S
            )
        case _:
            nodes: list[RedisServer] = request.getfixturevalue("cluster")
            urls = tuple(node.url for node in nodes)
            made = RedisWindows(RedisOptions(urls, is_cluster=True), SystemClock(), PATIENT_S)
    await made.start()
    yield made
    await made.aclose()


async def filled(store: WindowStore, key: Key, *items: bytes) -> None:
    await store.lease(key, "t")
    assert await store.fill(key, "t", items)


async def test_what_was_filled_in_is_read_back_in_its_order(store: WindowStore) -> None:
    assert await store.read(KEY) == []
    await filled(store, KEY, b"i 1 a", b"i 2 b")
    assert await store.read(KEY) == [b"i 1 a", b"i 2 b"]


async def test_a_list_grows_only_behind_the_mark_it_ends_with(store: WindowStore) -> None:
    await filled(store, KEY, b"i 1 a", b"i 2 b")
    assert await store.extend(KEY, b"i 2 ", [b"i 3 c"], 50)
    assert await store.read(KEY) == [b"i 1 a", b"i 2 b", b"i 3 c"]
    assert not await store.extend(KEY, b"i 2 ", [b"i 3 d"], 50)
    assert await store.read(KEY) == []


async def test_extending_begins_no_list(store: WindowStore) -> None:
    assert not await store.extend(KEY, b"i 0 ", [b"i 1 a"], 50)
    assert await store.read(KEY) == []


async def test_a_list_keeps_its_last_items_alone(store: WindowStore) -> None:
    await filled(store, KEY, *(f"i {n} x".encode() for n in range(1, 51)))
    assert await store.extend(KEY, b"i 50 ", [b"i 51 x", b"i 52 x"], 50)
    read = await store.read(KEY)
    assert (len(read), read[0], read[-1]) == (50, b"i 3 x", b"i 52 x")


async def test_only_the_last_who_took_the_right_may_fill_and_only_once(store: WindowStore) -> None:
    await store.lease(KEY, "early")
    await store.lease(KEY, "late")
    assert not await store.fill(KEY, "early", [b"i 1 a"])
    assert await store.fill(KEY, "late", [b"i 1 b"])
    assert not await store.fill(KEY, "late", [b"i 1 c"])
    assert await store.read(KEY) == [b"i 1 b"]


async def test_who_adds_in_between_ends_the_right_to_fill(store: WindowStore) -> None:
    """A reader that read before the write must not put its old reading in place."""
    await store.lease(KEY, "t")
    await store.extend(KEY, b"i 2 ", [b"i 3 c"], 50)
    assert not await store.fill(KEY, "t", [b"i 2 b"])


async def test_forgetting_an_owner_takes_their_lists_and_rights_and_nobody_elses(
    store: WindowStore,
) -> None:
    other = Key(customer_of("acme", "anne"), "conv_1")
    second = Key(KEY.owner, "conv_2")
    for key in (KEY, second, other):
        await filled(store, key, b"i 1 a")
    await store.lease(KEY, "t")
    assert await store.forget(KEY.owner) == 2
    assert not await store.fill(KEY, "t", [b"i 1 a"])
    assert [await store.read(key) for key in (KEY, second, other)] == [[], [], [b"i 1 a"]]
    assert await store.forget(KEY.owner) == 0


async def test_no_two_owners_share_a_key(store: WindowStore) -> None:
    """Names are chosen to tempt: separators, braces, wildcards, quoting itself, nothing at all."""
    names = ["", "a", "a:b", "a}", "{a", "*", "a%3Ab", "?", "[a]", "%", "é"]
    keys = [Key(owner_of(t, u, c), c) for t in names for u in (*names, None) for c in ("c", "c:d")]
    assert len({key.text for key in keys}) == len(keys)
    for number, key in enumerate(keys):
        await filled(store, key, f"i {number} ".encode())
    assert await store.forget(owner_of("*", "a", "c")) == 2
    left = [await store.read(key) for key in keys]
    assert sum(not held for held in left) == 2
    assert all(not held or held == [f"i {n} ".encode()] for n, held in enumerate(left))


async def test_the_stand_in_forgets_in_time_and_in_number() -> None:
    clock = ManualClock()
    store = InProcessWindows(clock, windows_max=2)
    keys = [Key(KEY.owner, f"conv_{n}") for n in range(3)]
    for key in keys:
        await filled(store, key, b"i 1 a")
    assert [len(await store.read(key)) for key in keys] == [0, 1, 1]
    clock.advance(IN_PROCESS_TTL_S)
    assert [len(await store.read(key)) for key in keys] == [0, 0, 0]


async def test_a_window_in_redis_has_an_end(single: RedisServer) -> None:
    store = RedisWindows(RedisOptions((single.url,), is_cluster=False), SystemClock(), PATIENT_S)
    await store.start()
    await filled(store, KEY, b"i 1 a")
    assert 3_500 < int(single.cli("ttl", KEY.text)) <= 3_600
    await store.lease(KEY, "t")
    assert 0 <= int(single.cli("ttl", KEY.lease)) <= 5
    await store.aclose()


async def test_a_frozen_redis_costs_one_caller_its_time_and_the_next_nothing(
    tmp_path: Path,
) -> None:
    need()
    with redis_server(tmp_path) as server:
        clock, loop = ManualClock(), asyncio.get_running_loop()
        store = RedisWindows(RedisOptions((server.url,), is_cluster=False), clock)
        await store.start()
        # What is measured is the silence: what comes before it has all the time it needs.
        patient = RedisWindows(RedisOptions((server.url,), is_cluster=False), clock, PATIENT_S)
        await patient.start()
        await filled(patient, KEY, b"i 1 a")
        await patient.aclose()
        assert await read_again(store, clock) == [b"i 1 a"]
        server.freeze()
        began = loop.time()
        with pytest.raises(StoreUnavailable):
            await store.read(KEY)
        assert OPERATION_S * 0.5 < loop.time() - began < OPERATION_S * 20
        # It would not end in no time at all if it waited for anything.
        async with asyncio.timeout(0):
            with pytest.raises(StoreUnavailable):
                await store.read(KEY)
        server.thaw()
        assert await read_again(store, clock) == [b"i 1 a"]
        await store.aclose()


async def read_again(store: WindowStore, clock: ManualClock) -> list[bytes]:
    """What a store reads in the end: on busy cores its time for one answer may be over before."""
    async with asyncio.timeout(PATIENT_S):
        while True:
            clock.advance(2.0)
            with contextlib.suppress(StoreUnavailable):
                return list(await store.read(KEY))


async def test_a_reply_nobody_waited_for_is_given_to_nobody_else(single: RedisServer) -> None:
    """A reader that leaves in the middle takes its connection along."""
    store = RedisWindows(
        RedisOptions((single.url,), is_cluster=False, connections_max=2), SystemClock(), PATIENT_S
    )
    await store.start()
    mine, theirs = Key(customer_of("acme", "a"), "c"), Key(customer_of("acme", "b"), "c")
    await filled(store, mine, b"mine")
    await filled(store, theirs, b"theirs")
    for _ in range(100):
        leaving = asyncio.create_task(store.read(theirs))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        leaving.cancel()
        assert await store.read(mine) == [b"mine"]
        await asyncio.gather(leaving, return_exceptions=True)
    await store.aclose()


async def test_a_redis_behind_tls_and_a_password_is_entered_and_no_other_is_believed(
    tmp_path: Path,
) -> None:
    need()
    certificate(tmp_path)
    pem, key = str(tmp_path / CERTIFICATE), str(tmp_path / "key.pem")
    port = str(free_port())
    options = ("--tls-port", port, "--tls-cert-file", pem, "--tls-key-file", key)
    patient = ("--tls-ca-cert-file", pem, "--tls-auth-clients", "no")
    url = f"rediss://127.0.0.1:{port}"
    with redis_server(tmp_path / "redis", *options, *patient, password="right"):  # noqa: S106
        for password, ca_file, enters in (
            ("right", pem, True),
            ("wrong", pem, False),
            ("right", None, False),
        ):
            store = RedisWindows(
                RedisOptions((url,), is_cluster=False, password=password, tls_ca_file=ca_file),
                ManualClock(),
                PATIENT_S,
            )
            await store.start()
            if enters:
                await filled(store, KEY, b"i 1 a")
                assert await store.read(KEY) == [b"i 1 a"]
            else:
                with pytest.raises(StoreUnavailable):
                    await store.read(KEY)
            await store.aclose()
