"""A process that is killed loses nothing it was told is written, and leaves no half of anything."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from actors.database import Conversations, open_database

ROOT = Path(__file__).parents[3]

# Eight writers append two turns at a time; a line is printed only after the commit.
PROGRAM = """
import asyncio, os, sys
from actors.database import Conversations, NewTurn, open_database

async def writer(conversations, name):
    for n in range(1, 100_000):
        turns = [NewTurn("user", f"{n} asked", n), NewTurn("assistant", f"{n} answered", n)]
        last = (await conversations.append("t", name, "u", turns)).last_seq
        os.write(1, f"{name} {last}\\n".encode())

async def main():
    database = open_database(sys.argv[1])
    await database.migrate()
    conversations = Conversations(database)
    await asyncio.gather(*(writer(conversations, f"c{n}") for n in range(8)))

asyncio.run(main())
"""


@pytest.mark.parametrize("acknowledged_before_the_kill", [1, 97, 1003])
def test_a_killed_process_loses_no_acknowledged_append(
    tmp_path: Path, acknowledged_before_the_kill: int
) -> None:
    path = tmp_path / "x.db"
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(path)], stdout=subprocess.PIPE, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(acknowledged_before_the_kill)]
        process.kill()
        lines += process.stdout.readlines()
    acknowledged: dict[str, int] = {}
    for line in lines:
        if line.endswith(b"\n"):
            name, last = line.decode().split()
            acknowledged[name] = int(last)
    assert acknowledged

    async def verify() -> None:
        database = open_database(path)
        await database.migrate()
        for name, last in acknowledged.items():
            rows = await Conversations(database).history("t", name, 1_000_000)
            assert rows is not None
            assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
            assert len(rows) >= last
            assert [row.text for row in rows] == [
                f"{n} {verb}"
                for n in range(1, len(rows) // 2 + 1)
                for verb in ("asked", "answered")
            ]
        await database.aclose()

    asyncio.run(verify())
