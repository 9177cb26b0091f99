"""The numbered files build, in SQLite and in PostgreSQL, exactly the tables that the code speaks of.

Whoever changes a table writes a file for it: a test that fails prints what has to be in it.
"""

import asyncio
import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Column, Connection, MetaData, Table, inspect
from sqlalchemy.dialects import registry
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import CreateIndex, CreateTable

import actors.database
from actors.database import Database, open_database
from actors.database.migrate import migrations
from actors.database.tables import metadata
from tests.postgresql import Postgres

for module in pkgutil.iter_modules(actors.database.__path__):
    importlib.import_module(f"actors.database.{module.name}")

_DIALECT: Dialect = registry.load("postgresql")()


@dataclass(frozen=True, slots=True)
class Shape:
    """What there is of a table, in words that both databases and the code are brought to."""

    columns: frozenset[tuple[str, str, bool]]
    key: tuple[str, ...]
    indexes: frozenset[tuple[str, tuple[str, ...], bool]]
    references: frozenset[tuple[tuple[str, ...], str, str]]


def kind_of(type_: object) -> str:
    """The one word for a type: SQLite keeps ours, PostgreSQL says its own."""
    words = {"DOUBLE": "DOUBLE PRECISION", "REAL": "DOUBLE PRECISION", "FLOAT": "DOUBLE PRECISION"}
    return words.get(str(type_), str(type_))


def spoken_of(table: Table) -> Shape:
    """As the code has it."""
    return Shape(
        frozenset((c.name, kind_of(c.type), bool(c.nullable)) for c in table.columns),
        tuple(c.name for c in table.primary_key.columns),
        frozenset(
            (str(i.name), tuple(c.name for c in i.columns), bool(i.unique)) for i in table.indexes
        ),
        frozenset(
            (tuple(f.column_keys), f.referred_table.name, f.ondelete or "")
            for f in table.foreign_key_constraints
        ),
    )


def built(connection: Connection) -> dict[str, Shape]:
    """As the files left it."""
    seen = inspect(connection)
    return {
        name: Shape(
            frozenset(
                (c["name"], kind_of(c["type"]), bool(c["nullable"])) for c in seen.get_columns(name)
            ),
            tuple(seen.get_pk_constraint(name)["constrained_columns"]),
            frozenset(
                (str(i["name"]), tuple(str(c) for c in i["column_names"]), bool(i["unique"]))
                for i in seen.get_indexes(name)
            ),
            frozenset(
                (
                    tuple(f["constrained_columns"]),
                    f["referred_table"],
                    f.get("options", {}).get("ondelete", ""),
                )
                for f in seen.get_foreign_keys(name)
            ),
        )
        for name in seen.get_table_names()
        if name != "schema_version"
    }


def to_write(there: Mapping[str, Shape], wanted: MetaData) -> str:
    """The statements that the files lack, as a file would have them; empty where they lack none."""
    lines: list[str] = []
    for table in wanted.sorted_tables:
        found, asked = there.get(table.name), spoken_of(table)
        if found is None:
            lines.append(f"{_said(CreateTable(table))};")
            lines += [f"{_said(CreateIndex(index))};" for index in sorted(table.indexes, key=str)]
        elif found != asked:
            lines += _changes(table, found, asked)
    lines += [f"DROP TABLE {name};" for name in sorted(set(there) - set(wanted.tables))]
    return "\n\n".join(lines)


def _changes(table: Table, found: Shape, asked: Shape) -> list[str]:
    names = {name for name, _, _ in found.columns}
    lines = [
        f"ALTER TABLE {table.name} ADD COLUMN {_column(column)};"
        for column in table.columns
        if column.name not in names
    ]
    known = {name for name, _, _ in found.indexes}
    lines += [
        f"{_said(CreateIndex(index))};" for index in table.indexes if str(index.name) not in known
    ]
    return lines or [f"-- {table.name} differs: the files build {found}, the code has {asked}"]


def _column(column: Column[object]) -> str:
    default = "" if column.nullable else " NOT NULL DEFAULT …"
    return f"{column.name} {column.type.compile(_DIALECT)}{default}"


def _said(statement: CreateTable | CreateIndex) -> str:
    return str(statement.compile(dialect=_DIALECT)).strip().replace("\t", "  ")


async def test_the_files_build_exactly_the_tables_that_the_code_speaks_of(
    database: Database,
) -> None:
    there = await database.read(built)
    lacking = to_write(there, metadata)
    number = max(migrations()) + 1
    assert not lacking, f"write actors/database/migrations/{number:04}_….sql:\n\n{lacking}"
    assert there == {table.name: spoken_of(table) for table in metadata.sorted_tables}


def test_the_numbers_have_no_gap_and_no_double() -> None:
    """Two people who take the same number at once find out here."""
    names = sorted(path.name for path in migrations().values())
    files = list(migrations().values())
    assert [int(name[:4]) for name in names] == list(range(1, len(files) + 1))
    folder = files[0].parent
    assert len(list(folder.glob("*.sql"))) == len(files), sorted(p.name for p in folder.iterdir())


def test_what_a_file_lacks_is_said_in_words_that_can_be_put_into_it() -> None:
    wanted = MetaData()
    for name in ("checkpoint", "feedback"):
        metadata.tables[name].to_metadata(wanted)
    kept = spoken_of(metadata.tables["feedback"])
    fewer = Shape(
        frozenset(c for c in kept.columns if c[0] != "surplus"),
        kept.key,
        frozenset(),
        kept.references,
    )
    said = to_write({"feedback": fewer}, wanted)
    assert "CREATE TABLE checkpoint" in said
    assert "ALTER TABLE feedback ADD COLUMN surplus DOUBLE PRECISION;" in said
    assert "CREATE INDEX feedback_by_state ON feedback (taught, at);" in said


async def test_an_empty_server_that_many_migrate_at_once_is_migrated_once(
    postgres: Postgres,
) -> None:
    """Each would fail at the first table that another made."""
    server = postgres.new()
    databases = [open_database(server) for _ in range(8)]
    versions = await asyncio.gather(*(database.migrate() for database in databases))
    assert set(versions) == {max(migrations())}
    assert set(await databases[0].read(built)) == set(metadata.tables)
    for database in databases:
        await database.aclose()
