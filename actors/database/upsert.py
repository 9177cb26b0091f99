"""INSERT … ON CONFLICT, which SQLite and PostgreSQL both speak and SQLAlchemy spells twice."""

from typing import TypeAlias

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite

Insert: TypeAlias = sqlite.Insert | postgresql.Insert


def insert_into(table: Table, dialect: str) -> Insert:
    """An INSERT that has `on_conflict_do_nothing` and `on_conflict_do_update`.

    `dialect` is `connection.dialect.name`. Callers keep the finished statement (with
    `functools.cache` on the dialect): building one costs as much as running it.
    """
    match dialect:
        case "sqlite":
            return sqlite.insert(table)
        case "postgresql":
            return postgresql.insert(table)
        case _:
            raise NotImplementedError(dialect)
