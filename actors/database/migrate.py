"""Numbered migrations: `migrations/NNNN_name.sql`, each applied exactly once and in order.

They are written in the SQL that SQLite and PostgreSQL share. A file that was released
is never changed; tests compare what they build with `tables.py`.
"""

from pathlib import Path

from sqlalchemy import Column, Connection, Integer, MetaData, Table, func, insert, select

from routing.errors import ConfigError

_MIGRATIONS = Path(__file__).parent / "migrations"

_schema_version = Table(
    "schema_version", MetaData(), Column("version", Integer, primary_key=True, autoincrement=False)
)


def migrations() -> dict[int, Path]:
    """Every migration by its number, in order."""
    return {int(path.name[:4]): path for path in sorted(_MIGRATIONS.glob("[0-9]*.sql"))}


def apply_pending(connection: Connection, where: str) -> int:
    """Apply what is missing inside the caller's write transaction; the version afterwards.

    The caller's transaction holds the write lock from its beginning (BEGIN IMMEDIATE),
    so of several processes one applies and the others find it done.

    Raises:
        ConfigError: `where` holds a newer schema than this code knows.
    """
    _schema_version.create(connection, checkfirst=True)
    present: int = connection.execute(select(func.max(_schema_version.c.version))).scalar() or 0
    known = migrations()
    newest = max(known)
    if present > newest:
        raise ConfigError(
            where, None, "", f"schema version {present} is newer than this code's {newest}"
        )
    for version, path in known.items():
        if version > present:
            for statement in _statements(path.read_text("utf-8")):
                connection.exec_driver_sql(statement)
            connection.execute(insert(_schema_version).values(version=version))
    return newest


def _statements(script: str) -> list[str]:
    # No semicolon inside a statement: these files hold plain DDL, no triggers.
    code = "\n".join(line.partition("--")[0] for line in script.splitlines())
    return [statement.strip() for statement in code.split(";") if statement.strip()]
