"""An open, migrated store of a test's own: a file, and a database of a real PostgreSQL."""

from tests.unit.actors.conftest import address, anyio_backend, database

__all__ = ["address", "anyio_backend", "database"]
