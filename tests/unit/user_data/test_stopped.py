"""An erasure that is stopped anywhere is finished by the next, and leaves nothing in the file."""

import asyncio
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import pytest
from sqlalchemy import Connection
from typing_extensions import override

from actors.database import Database, open_database
from actors.database.people_map import HOLDINGS
from actors.database.person_erasure import PersonErasure
from actors.memory import make_memory
from actors.window_store import InProcessWindows
from deployments.security.principal import Principal
from deployments.security.trail import Trail
from deployments.user_data.erasing import Erasing
from routing.clock import ManualClock
from tests.audit_world import AuditWorld
from tests.people_world import ANN, EVERYBODY, everything, fill

T = TypeVar("T")
ADMIN = Principal(ANN.tenant, "key:0123456789abcdef")


class Killed(Exception):
    """The process is gone."""


class Mortal(Database):
    """A store whose process dies after so many transactions."""

    left = 0

    @override
    async def write(self, work: Callable[[Connection], T]) -> T:
        if self.left == 0:
            raise Killed
        self.left -= 1
        return await super().write(work)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("people") / "template.db"

    async def make() -> None:
        database = open_database(path)
        await database.migrate()
        await fill(database)
        await database.aclose()

    asyncio.run(make())
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


@pytest.mark.timeout(240)
async def test_whoever_dies_at_any_step_leaves_an_erasure_that_is_finished_by_the_next(
    template: Path, tmp_path: Path, trail: Trail, clock: ManualClock
) -> None:
    """Killed after every number of transactions there is, and gone on with by another process."""
    whole: dict[str, object] = {}
    database = Mortal(tmp_path / "x.db")
    for steps in range(400):
        _as_it_was(template, tmp_path / "x.db")
        database.left, died = steps, False
        try:
            await _over(database, trail, clock).erase(ADMIN, ANN.user)
        except Killed:
            died = True
        database.left = 1_000
        others = _over(database, trail, clock)
        await others.go_on(ADMIN, 10)
        report = await others.erase(ADMIN, ANN.user)
        assert report is not None
        whole = whole or dict(report.body)
        assert report.body == whole, f"killed after {steps} transactions"
        left = [row for rows in (await everything(database)).values() for row in rows]
        assert not [row for row in left if ANN.canary in row]
        if not died:
            break
    await database.aclose()
    assert len(HOLDINGS) / 2 < steps < 399


def _as_it_was(template: Path, path: Path) -> None:
    with closing(sqlite3.connect(template)) as kept, closing(sqlite3.connect(path)) as now:
        kept.backup(now)


def _over(database: Database, trail: Trail, clock: ManualClock) -> Erasing:
    memory = make_memory(database, InProcessWindows(clock), clock)
    return Erasing(PersonErasure(database), memory.erasure, trail, clock)


def test_of_what_was_erased_nothing_is_left_in_the_file_and_its_log(
    template: Path, tmp_path: Path, clock: ManualClock
) -> None:
    """SQLite overwrites what is deleted (secure_delete), and its log is emptied when nobody reads."""
    path = tmp_path / "x.db"
    shutil.copy(template, path)
    assert ANN.canary.encode() in path.read_bytes()
    audited = tmp_path / "audited"
    audited.mkdir()

    async def erase() -> None:
        database = open_database(path)
        async with AuditWorld(audited).trail() as trail:
            await _over(database, trail, clock).erase(ADMIN, ANN.user)
        await database.aclose()

    asyncio.run(erase())
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    left = b"".join(file.read_bytes() for file in tmp_path.glob("x.db*"))
    assert ANN.canary.encode() not in left
    assert EVERYBODY[1].canary.encode() in left
