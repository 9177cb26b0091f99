"""An open, migrated store of a test's own: a file, and a database of a real PostgreSQL."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.database import Database, open_database
from actors.database.address import Address


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


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
