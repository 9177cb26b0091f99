"""Memory over a real database and over every store there is, and what faults do to it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from sqlalchemy import Connection

from actors.database import Database, DatabaseUnavailable, NewTurn, open_database
from actors.database.sealing import Unsealed
from actors.database.tables import metadata
from actors.memory import Memory, Window, make_memory
from actors.memory.window import WINDOW_TURNS
from actors.redis_store import OPERATION_S, RedisOptions, RedisWindows
from actors.window_store import InProcessWindows, Key, WindowStore, customer_of
from routing.clock import ManualClock, SystemClock
from routing.errors import AccessError
from tests.property.test_memory import Life, Step, lives
from tests.redis_servers import PATIENT_S, RedisServer, need, redis_cluster, redis_server


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = open_database(tmp_path / "supportmax.db")
    await database.migrate()
    yield database
    await database.aclose()


@pytest.fixture(params=["in_process", "single", "cluster"])
async def memory(request: pytest.FixtureRequest, database: Database) -> AsyncIterator[Memory]:
    store: WindowStore
    match request.param:
        case "in_process":
            store = InProcessWindows(ManualClock())
        case "single":
            server: RedisServer = request.getfixturevalue("single")
            store = over(server)
        case _:
            nodes: list[RedisServer] = request.getfixturevalue("cluster")
            urls = tuple(node.url for node in nodes)
            store = RedisWindows(RedisOptions(urls, is_cluster=True), SystemClock(), PATIENT_S)
    await store.start()
    made = make_memory(database, store, ManualClock())
    yield made
    await made.aclose()


def over(server: RedisServer, operation_s: float = PATIENT_S) -> RedisWindows:
    options = RedisOptions((server.url,), is_cluster=False)
    return RedisWindows(options, SystemClock(), operation_s)


@contextlib.asynccontextmanager
async def remembering(
    database: Database, server: RedisServer, operation_s: float = PATIENT_S
) -> AsyncIterator[Memory]:
    """A process of its own, as far as memory knows."""
    store = over(server, operation_s)
    await store.start()
    memory = make_memory(database, store, SystemClock())
    try:
        yield memory
    finally:
        await memory.aclose()


async def say(memory: Memory, *texts: str, user: str | None = "ann", of: str = "conv_1") -> None:
    for text in texts:
        turns = [NewTurn("user", text, 1.0), NewTurn("assistant", f"to {text}", 1.0, "ans_1")]
        await memory.episodes.append("acme", of, user, turns)


async def told(memory: Memory, user: str | None = "ann", of: str = "conv_1") -> list[str]:
    window = await memory.episodes.window("acme", of, user)
    assert window is not None
    return [turn.text for turn in window.turns]


async def test_what_was_said_is_remembered_however_it_is_read(memory: Memory) -> None:
    """From the database the first time, from the store the second, after more was said the third."""
    await say(memory, "one")
    assert await told(memory) == ["one", "to one"]
    assert await told(memory) == ["one", "to one"]
    await say(memory, "two")
    assert await told(memory) == ["one", "to one", "two", "to two"]
    window = await memory.episodes.window("acme", "conv_1", "ann")
    assert window is not None
    assert [turn.seq for turn in window.turns] == [1, 2, 3, 4]
    assert not window.is_degraded


async def test_a_window_holds_fifty_turns_and_a_summary_what_came_before(memory: Memory) -> None:
    window: Window | None = None
    for number in range(40):
        await say(memory, f"My order is NW-{number}.")
        window = await memory.episodes.window("acme", "conv_1", "ann")
        assert window is not None
        assert window.turns[-1].seq == 2 * number + 2
    assert window is not None
    assert len(window.turns) == WINDOW_TURNS
    assert window.turns[0].text == "My order is NW-15."
    assert "user: My order is NW-14." in window.summary.split("\n")
    assert "NW-15" not in window.summary


async def test_a_conversation_without_a_customer_is_remembered_too(memory: Memory) -> None:
    await say(memory, "hello", user=None)
    assert await told(memory, user=None) == ["hello", "to hello"]
    assert await told(memory, user=None) == ["hello", "to hello"]
    assert await memory.episodes.window("acme", "conv_1", "ann") is None


async def test_a_conversation_of_the_same_id_begins_anew_after_the_first_was_deleted(
    memory: Memory,
) -> None:
    """As many turns as before: numbers alone do not tell one from the other."""
    await say(memory, "old")
    await told(memory)
    assert await memory.conversations.delete("acme", "conv_1")
    await say(memory, "new")
    assert await told(memory) == ["new", "to new"]


async def test_writers_at_once_leave_one_conversation_that_all_read_alike(memory: Memory) -> None:
    await say(memory, "first")

    async def speak(name: str) -> None:
        for number in range(12):
            await say(memory, f"{name}{number}")
            await told(memory)

    await asyncio.gather(*(speak(name) for name in "abc"))
    read = await told(memory)
    truth = await memory.conversations.history("acme", "conv_1", WINDOW_TURNS)
    assert truth is not None
    assert read == [turn.text for turn in truth]
    assert len(read) == WINDOW_TURNS


async def test_the_conversation_of_another_is_unknown_even_when_it_is_at_hand(
    memory: Memory,
) -> None:
    await say(memory, "mine")
    await told(memory)
    assert await memory.episodes.window("acme", "conv_1", "bob") is None
    assert await memory.episodes.window("globex", "conv_1", "ann") is None
    with pytest.raises(AccessError):
        await say(memory, "injected", user="bob")
    assert await told(memory) == ["mine", "to mine"]


async def test_what_is_erased_is_gone_from_every_place_and_counted(
    memory: Memory, database: Database, request: pytest.FixtureRequest
) -> None:
    for user in ("ann-erased", "bob-kept"):
        for of in ("conv_1", "conv_2"):
            await say(memory, f"I am {user}", user=user, of=f"{of}-{user}")
            await told(memory, user, of=f"{of}-{user}")
    erased = await memory.erasure.erase("acme", "ann-erased")
    assert erased.windows == 2
    assert (erased.rows["conversations"], erased.rows["turns"]) == (2, 4)
    assert erased.is_complete
    assert "ann-erased" not in await everything(database)
    assert await memory.episodes.window("acme", "conv_1-ann-erased", "ann-erased") is None
    if "in_process" not in request.node.name:
        servers = [request.getfixturevalue("single")]
        if "cluster" in request.node.name:
            servers = request.getfixturevalue("cluster")
        held = "".join(server.everything() for server in servers)
        assert "ann-erased" not in held
        assert "bob-kept" in held
    again = await memory.erasure.erase("acme", "ann-erased")
    assert (again.windows, set(again.rows.values())) == (0, {0})
    assert await told(memory, "bob-kept", of="conv_1-bob-kept") == [
        "I am bob-kept",
        "to I am bob-kept",
    ]


async def everything(database: Database) -> str:
    """Every row of every table, as text."""

    def read(connection: Connection) -> str:
        return "\n".join(
            str(tuple(row))
            for table in metadata.sorted_tables
            for row in connection.execute(table.select())
        )

    return await database.read(read)


@pytest.mark.timeout(120)
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(life=lives)
def test_whatever_happens_two_processes_at_one_redis_show_each_their_own(
    single: RedisServer, life: list[Step]
) -> None:
    """The same lives as in this process alone, with names that tempt and ids that are guessed."""

    async def live(folder: Path) -> None:
        single.cli("flushall")
        database = open_database(folder / "x.db")
        await database.migrate()
        stores = [over(single), over(single)]
        for store in stores:
            await store.start()
        living = Life(database, stores)
        for number, step in enumerate(life):
            await living.take(number, step)
        for store in stores:
            await store.aclose()
        await database.aclose()

    with TemporaryDirectory() as folder:
        asyncio.run(live(Path(folder)))


async def test_a_cluster_that_lost_a_node_fails_nobody(database: Database, tmp_path: Path) -> None:
    need()
    with redis_cluster(tmp_path / "cluster") as nodes:
        urls = tuple(node.url for node in nodes)
        store = RedisWindows(RedisOptions(urls, is_cluster=True), SystemClock(), PATIENT_S)
        await store.start()
        memory = make_memory(database, store, SystemClock())
        for user in "abcdefgh":
            await say(memory, "before", user=user, of=f"conv_{user}")
            await told(memory, user, of=f"conv_{user}")
        nodes[0].kill()
        for user in "abcdefgh":
            await say(memory, "after", user=user, of=f"conv_{user}")
            read = await told(memory, user, of=f"conv_{user}")
            assert read == ["before", "to before", "after", "to after"]
        assert not (await memory.erasure.erase("acme", "a")).is_complete
        assert await memory.episodes.window("acme", "conv_a", "a") is None
        await memory.aclose()


async def test_without_redis_the_database_answers_and_it_is_said(
    database: Database, tmp_path: Path
) -> None:
    need()
    with redis_server(tmp_path / "redis") as server:
        async with remembering(database, server) as memory:
            await say(memory, "before")
            await told(memory)
            server.kill()
            await say(memory, "meanwhile")
            window = await memory.episodes.window("acme", "conv_1", "ann")
            assert window is not None
            assert [turn.text for turn in window.turns][-2:] == ["meanwhile", "to meanwhile"]
            assert window.is_degraded


async def test_a_redis_that_comes_back_with_old_turns_never_wins(
    database: Database, tmp_path: Path
) -> None:
    """It has everything it had when it died; what was said meanwhile it does not know."""
    need()
    with redis_server(tmp_path / "redis") as server:
        async with remembering(database, server) as memory:
            await say(memory, "before")
            await told(memory)
        server.kill()
        async with remembering(database, server) as memory:
            await say(memory, "meanwhile")
        server.start()
        key = Key(customer_of("acme", "ann"), "conv_1")
        assert server.cli("llen", key.text) == "2"
        async with remembering(database, server) as memory:
            expected = ["before", "to before", "meanwhile", "to meanwhile"]
            assert await told(memory) == expected
            assert server.cli("llen", key.text) == "4"
            assert await told(memory) == expected


async def test_a_redis_that_comes_back_with_what_was_erased_shows_it_to_nobody(
    database: Database, tmp_path: Path
) -> None:
    need()
    with redis_server(tmp_path / "redis") as server:
        async with remembering(database, server) as memory:
            await say(memory, "a secret")
            await told(memory)
            server.kill()
            erased = await memory.erasure.erase("acme", "ann")
            assert erased.windows is None
            assert not erased.is_complete
        server.start()
        assert "a secret" in server.everything()
        async with remembering(database, server) as memory:
            assert await memory.episodes.window("acme", "conv_1", "ann") is None
            await say(memory, "another beginning")
            assert await told(memory) == ["another beginning", "to another beginning"]
            assert (await memory.erasure.erase("acme", "ann")).windows == 1
        assert server.everything() == ""


@pytest.mark.parametrize("how", ["pause", "freeze"])
async def test_a_slow_redis_costs_its_time_once_and_changes_no_answer(
    database: Database, tmp_path: Path, how: str
) -> None:
    need()
    with redis_server(tmp_path / "redis") as server:
        async with remembering(database, server, OPERATION_S) as memory:
            await say(memory, "one")
            await told(memory)
            if how == "pause":
                server.cli("client", "pause", "30000", "ALL")
            else:
                server.freeze()
            began = asyncio.get_running_loop().time()
            await say(memory, "two")
            assert await told(memory) == ["one", "to one", "two", "to two"]
            assert asyncio.get_running_loop().time() - began < 15
            server.thaw()


async def test_redis_killed_in_mid_flight_fails_nobody_who_reads_or_writes(
    database: Database, tmp_path: Path
) -> None:
    need()
    with redis_server(tmp_path / "redis") as server:
        async with remembering(database, server) as memory:
            await say(memory, "start")
            running = asyncio.Event()

            async def speak(name: str) -> None:
                for number in range(20):
                    await say(memory, f"{name}{number}", of=f"conv_{name}")
                    read = await told(memory, of=f"conv_{name}")
                    assert read[-2] == f"{name}{number}"
                    running.set()

            talking = [asyncio.create_task(speak(name)) for name in "abcdef"]
            await running.wait()
            server.kill()
            await asyncio.gather(*talking)
            server.start()


async def test_without_the_database_nothing_is_believed(
    tmp_path: Path, single: RedisServer
) -> None:
    """Redis may hold what was erased or is old; only the database can tell."""
    database = open_database(tmp_path / "x.db")
    await database.migrate()
    async with remembering(database, single) as memory:
        await say(memory, "one", of="conv_gone")
        await told(memory, of="conv_gone")
        await database.aclose()
        with pytest.raises(DatabaseUnavailable):
            await memory.episodes.window("acme", "conv_gone", "ann")
        with pytest.raises(DatabaseUnavailable):
            await memory.erasure.erase("acme", "ann")


async def test_who_reads_while_a_customer_is_erased_puts_nothing_back(
    database: Database, single: RedisServer
) -> None:
    """The right to fill is taken before the database is read, and erasing takes it away."""
    async with remembering(database, single) as memory:
        await say(memory, "a secret")
        real = memory.conversations.history
        reading, going_on = asyncio.Event(), asyncio.Event()

        class Held:
            def __getattr__(self, name: str) -> object:
                return getattr(memory.conversations, name)

            async def history(self, *args: object, **kwargs: object) -> object:
                read = await real(*args, **kwargs)  # type: ignore[arg-type]
                reading.set()
                await going_on.wait()
                return read

        slow = type(memory.episodes)(Held(), memory.store, Unsealed())  # type: ignore[arg-type]
        asking = asyncio.create_task(slow.window("acme", "conv_1", "ann"))
        await reading.wait()
        assert (await memory.erasure.erase("acme", "ann")).is_complete
        going_on.set()
        found = await asking
        assert isinstance(found, Window)
        assert single.everything() == ""
