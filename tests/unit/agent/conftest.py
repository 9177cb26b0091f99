"""Here time is virtual: a deadline of a minute passes as soon as nobody has anything else to do."""

import pytest

from tests.unit.virtual_time import VirtualTimeLoop


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, object]]:
    return "asyncio", {"loop_factory": VirtualTimeLoop}
