"""Memory over a file and over a real PostgreSQL, its windows in this process."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.database import Database, open_database
from actors.database.address import Address
from actors.memory import Memory, make_memory
from actors.window_store import InProcessWindows
from routing.clock import ManualClock


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1_000.0)


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Address:
    if request.param == "sqlite":
        return tmp_path / "supportmax.db"
    server: Address = request.getfixturevalue("postgres_server")
    return server


@pytest.fixture
async def database(address: Address) -> AsyncIterator[Database]:
    database = open_database(address)
    await database.migrate()
    yield database
    await database.aclose()


@pytest.fixture
def memory(database: Database, clock: ManualClock) -> Memory:
    return make_memory(database, InProcessWindows(clock), clock)
