"""What every test shares: one event loop, asyncio's, which is the one the product runs on."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from actors.database.address import Server
from actors.database.migrate import apply_pending
from actors.database.postgresql import migrate_alone
from tests import postgresql

# Before anything imports numpy, which reads it once: on busy cores threads that wait for each other
# by spinning made a test of 20 s take four minutes. Our matrices are small.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# Hypothesis' own deadline is 200 ms of wall clock for each example, which says how busy the machine
# is; what may not take longer has a bound of its own, and every test its timeout.
settings.register_profile("supportmax", deadline=None)
settings.load_profile("supportmax")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgres() -> Iterator[postgresql.Postgres]:
    """A PostgreSQL, started once for all tests that need one: 6 s."""
    with postgresql.running() as running:
        yield running


@pytest.fixture(scope="session")
def _migrated(postgres: postgresql.Postgres) -> Server:
    server = postgres.new()
    migrate_alone(server, lambda connection: apply_pending(connection, str(server)))
    return server


@pytest.fixture
def postgres_server(postgres: postgresql.Postgres, _migrated: Server) -> Iterator[Server]:
    """A migrated database of the test's own on it."""
    server = postgres.new(_migrated)
    yield server
    postgres.drop(server)
