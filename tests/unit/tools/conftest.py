"""A desk in a file of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.tools.desk import Desk, opened


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with opened(tmp_path / "desk.db") as desk:
        yield desk
