"""Here time is virtual: a minute under pressure passes in no time."""

import pytest

from tests.unit.virtual_time import VirtualTimeLoop


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return "asyncio", {"loop_factory": VirtualTimeLoop}
