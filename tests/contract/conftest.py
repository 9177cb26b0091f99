"""The simulators, started once for all contract tests."""

from collections.abc import Iterator

import pytest

from tests.servers import Simulators
from tests.servers import simulators as running_simulators


@pytest.fixture(scope="session")
def simulator_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulators]:
    """One process for the session: it takes a second to start."""
    with running_simulators(tmp_path_factory.mktemp("simulators")) as running:
        yield running


@pytest.fixture
async def simulators(simulator_process: Simulators) -> Simulators:
    """The simulators with nothing scripted and no request seen."""
    await simulator_process.clear()
    return simulator_process
