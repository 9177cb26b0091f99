"""The people of two tenants over a file and over a real PostgreSQL, with an audit log that is real."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.database import Database, open_database
from actors.database.address import Address
from actors.memory import Memory, make_memory
from actors.window_store import InProcessWindows
from deployments.security.trail import Trail
from routing.clock import ManualClock
from tests.audit_world import AuditWorld
from tests.people_world import fill


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Address:
    if request.param == "sqlite":
        return tmp_path / "supportmax.db"
    server: Address = request.getfixturevalue("postgres_server")
    return server


@pytest.fixture
async def database(address: Address) -> AsyncIterator[Database]:
    """Filled with everybody."""
    database = open_database(address)
    await database.migrate()
    await fill(database)
    yield database
    await database.aclose()


@pytest.fixture
def memory(database: Database, clock: ManualClock) -> Memory:
    return make_memory(database, InProcessWindows(clock), clock)


@pytest.fixture
def audit(tmp_path: Path) -> AuditWorld:
    folder = tmp_path / "audited"
    folder.mkdir()
    return AuditWorld(folder)


@pytest.fixture
async def trail(audit: AuditWorld) -> AsyncIterator[Trail]:
    async with audit.trail() as trail:
        yield trail
