"""The door itself: who may read the file, what shares a transaction, what each caller is told."""

import asyncio
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from anyio.lowlevel import checkpoint as checkpoint_reached
from sqlalchemy import Connection, event, insert, select
from sqlalchemy.exc import IntegrityError

from actors.database import Database, DatabaseBusy, DatabaseUnavailable, open_database
from actors.database.lane import MAX_WAITING
from actors.database.migrate import migrations
from actors.database.tables import checkpoint, turn
from routing.errors import ConfigError

ROOT = Path(__file__).parents[3]
FILE = pytest.mark.parametrize("address", ["sqlite"], indirect=True)


def saving(name: str) -> Callable[[Connection], None]:
    row = {"name": name, "version": 1, "at": 0.0, "body": ""}
    return lambda connection: connection.execute(insert(checkpoint), row).close()


def saving_an_orphan_turn(connection: Connection) -> None:
    """Breaks a foreign key in a way that only the commit finds out."""
    connection.exec_driver_sql("PRAGMA defer_foreign_keys=ON")
    row = {"tenant": "t", "conversation_id": "none", "seq": 1, "role": "user", "text": "", "at": 0}
    connection.execute(insert(turn), row)


def saved(connection: Connection) -> set[str]:
    return set(connection.scalars(select(checkpoint.c.name)))


@asynccontextmanager
async def held_up(database: Database) -> AsyncIterator[None]:
    """The writing thread stands still inside a transaction until the block ends."""
    loop, entered, released = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

    def stand_still(_: Connection) -> None:
        loop.call_soon_threadsafe(entered.set)
        released.wait(30)

    standing = asyncio.create_task(database.write(stand_still))
    await entered.wait()
    try:
        yield
    finally:
        released.set()
    await standing


async def expect_waiting(database: Database, count: int) -> None:
    """Tasks made just before have run up to their place in the queue."""
    await checkpoint_reached()
    assert len(database._writing._waiting) == count


@FILE
async def test_the_file_and_its_companions_are_readable_by_their_owner_alone(
    database: Database,
) -> None:
    await database.write(saving("a"))
    files = sorted(database.path.parent.iterdir())
    assert [file.name.removeprefix("supportmax.db") for file in files] == [
        "",
        "-shm",
        "-wal",
        ".lock",
    ]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


async def test_a_file_that_was_open_to_others_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    path.touch(0o644)
    database = open_database(f"sqlite:///{path}")
    await database.migrate()
    await database.aclose()
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "url",
    [
        "mysql://u:secret@h/d",
        "postgresql+psycopg://u:secret@h/d",
        "postgresql://u:secret@h",
        "postgresql://:secret@h/d",
        "postgresql://u:secret@h/d?sslmode=disable",
        "postgresql://u:secret@h:port/d",
        "sqlite://",
        "sqlite:///:memory:",
        "://",
    ],
)
def test_a_url_that_names_no_store_is_refused_without_showing_its_password(url: str) -> None:
    with pytest.raises(ConfigError) as refused:
        open_database(url)
    assert "secret" not in str(refused.value)


async def test_migrating_again_changes_nothing(database: Database) -> None:
    await database.write(saving("kept"))
    assert await database.migrate() == max(migrations())
    assert await database.read(saved) == {"kept"}


async def test_a_file_of_a_newer_version_is_refused(database: Database) -> None:
    await database.write(
        lambda connection: connection.exec_driver_sql(
            "INSERT INTO schema_version VALUES (9999)"
        ).close()
    )
    with pytest.raises(ConfigError, match="9999 is newer"):
        await database.migrate()


def test_processes_that_start_at_once_on_an_empty_directory_all_find_the_schema(
    tmp_path: Path,
) -> None:
    program = """
import asyncio, sys
from actors.database import Ledger, open_database
async def main():
    database = open_database(sys.argv[1])
    await database.migrate()
    assert await Ledger(database).append(sys.argv[2], 1, [], "{}")
    await database.aclose()
print('ready', flush=True)
sys.stdin.read(1)
asyncio.run(main())
"""
    command = [sys.executable, "-c", program, str(tmp_path / "new" / "x.db")]
    started = [
        subprocess.Popen(
            [*command, f"r{n}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
        )
        for n in range(4)
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.stdout.close()
    for process in started:
        assert process.stdin is not None
        process.stdin.close()
    assert [process.wait(50) for process in started] == [0, 0, 0, 0]
    with closing(sqlite3.connect(tmp_path / "new" / "x.db")) as connection:
        assert connection.execute("SELECT count(*) FROM reporter").fetchone() == (4,)
        assert connection.execute("SELECT version FROM checkpoint").fetchone() == (4,)


async def test_what_waits_for_one_commit_shares_the_next(database: Database) -> None:
    commits: list[None] = []
    async with held_up(database):
        event.listen(database._writing._store.engine, "commit", lambda _: commits.append(None))
        appends = [asyncio.create_task(database.write(saving(f"n{n}"))) for n in range(60)]
        await expect_waiting(database, 60)
    await asyncio.gather(*appends)
    assert len(commits) == 2  # the one that held us up, and one for all
    assert len(await database.read(saved)) == 60


@FILE
async def test_one_caller_in_a_shared_transaction_fails_alone(database: Database) -> None:
    async with held_up(database):
        works = [saving("a"), saving("twice"), saving("twice"), saving_an_orphan_turn, saving("b")]
        appends = [asyncio.create_task(database.write(work)) for work in works]
        await expect_waiting(database, len(works))
    results = await asyncio.gather(*appends, return_exceptions=True)
    assert [type(result) for result in results] == [
        type(None),
        type(None),
        IntegrityError,
        IntegrityError,
        type(None),
    ]
    assert await database.read(saved) == {"a", "twice", "b"}


@FILE
async def test_every_caller_is_told_when_the_lock_cannot_be_had_and_the_next_succeeds(
    database: Database,
) -> None:
    await database.write(
        lambda connection: connection.exec_driver_sql("PRAGMA busy_timeout=1").close()
    )
    with closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        results = await asyncio.gather(
            *(database.write(saving(f"n{n}")) for n in range(3)), return_exceptions=True
        )
        assert [type(result) for result in results] == [DatabaseUnavailable] * 3
        assert "locked" in str(results[0])
        other.execute("ROLLBACK")
    await database.write(saving("after"))
    assert await database.read(saved) == {"after"}


async def test_a_full_queue_refuses_the_next_caller_and_keeps_the_others(
    database: Database,
) -> None:
    async with held_up(database):
        waiting = [asyncio.create_task(database.write(saved)) for _ in range(MAX_WAITING)]
        await expect_waiting(database, MAX_WAITING)
        with pytest.raises(DatabaseBusy):
            await database.write(saved)
    await asyncio.gather(*waiting)


async def test_a_caller_who_stops_waiting_does_not_stop_the_write(database: Database) -> None:
    async with held_up(database):
        leaving = asyncio.create_task(database.write(saving("kept")))
        await expect_waiting(database, 1)
        leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    await database.write(lambda _: None)
    assert await database.read(saved) == {"kept"}


async def test_a_read_sees_every_write_acknowledged_before_it(database: Database) -> None:
    for n in range(50):
        await database.write(saving(f"n{n}"))
        assert f"n{n}" in await database.read(saved)


async def test_a_read_cannot_write(database: Database) -> None:
    with pytest.raises(DatabaseUnavailable, match=r"read-?only"):
        await database.read(saving("a"))
    assert await database.read(saved) == set()


async def test_closing_finishes_what_waits_and_takes_nothing_new(tmp_path: Path) -> None:
    database = open_database(tmp_path / "x.db")
    await database.migrate()
    async with held_up(database):
        last = asyncio.create_task(database.write(saving("last")))
        await expect_waiting(database, 1)
        closing_down = asyncio.create_task(database.aclose())
        await checkpoint_reached()
    await closing_down
    await last
    with pytest.raises(DatabaseUnavailable):
        await database.write(saving("late"))
    with closing(sqlite3.connect(tmp_path / "x.db")) as connection:
        assert connection.execute("SELECT name FROM checkpoint").fetchall() == [("last",)]


async def test_what_is_written_stands_in_no_error(database: Database) -> None:
    """An error ends up in a log: it may tell the statement, and no word of whoever it was about."""
    words = "please move my account before my surgery"
    row = {"name": "a", "version": 1, "at": 0.0, "body": words}
    twice = [row, row]
    with pytest.raises(IntegrityError) as refused:
        await database.write(
            lambda connection: connection.execute(insert(checkpoint), twice).close()
        )
    assert "INSERT INTO checkpoint" in str(refused.value)
    assert words not in str(refused.value)
