"""The servers that are started once for all contract tests: the simulators, and Redis in both shapes."""

from collections.abc import Iterator

import pytest

from tests.redis_servers import RedisServer, need, redis_cluster, redis_server
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


@pytest.fixture(scope="session")
def _single(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    need()
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="session")
def _cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[RedisServer]]:
    need()
    with redis_cluster(tmp_path_factory.mktemp("cluster")) as nodes:
        yield nodes


@pytest.fixture
def single(_single: RedisServer) -> RedisServer:
    """One Redis with nothing in it; a test that ends or freezes one starts its own."""
    _single.cli("flushall")
    return _single


@pytest.fixture
def cluster(_cluster: list[RedisServer]) -> list[RedisServer]:
    """The nodes of a cluster of three with nothing in it."""
    for node in _cluster:
        node.cli("flushall")
    return _cluster
