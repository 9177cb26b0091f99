"""An open, migrated store in a file of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.database import Database, open_database


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = open_database(tmp_path / "supportmax.db")
    await database.migrate()
    yield database
    await database.aclose()
