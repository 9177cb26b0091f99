"""Two tenants with two people each, and something of everybody in every table that knows people.

Names are the same in both tenants. What is to go holds a canary in every text of every column; what
is kept holds the name where it has to, and nothing else of anybody.
"""

import hashlib
import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import orjson
from sqlalchemy import JSON, BigInteger, Boolean, Column, Connection, Double, Integer, Table, insert

import actors.database
from actors.database import Database
from actors.database.people import Person
from actors.database.people_map import HOLDINGS, NAMINGS
from actors.database.tables import metadata

for module in pkgutil.iter_modules(actors.database.__path__):
    importlib.import_module(f"actors.database.{module.name}")

AT = 1_767_225_600.0
TENANTS, USERS = ("acme", "globex"), ("ann-7f", "bob-8e")
SOMEBODY = "somebody"
"""Of whom the rows are in which people are named for what they did."""
ABOUT_NAMES = {
    "budget", "budget_abroad", "budget_lease", "budget_loan", "budget_spend",
    "directory_end", "directory_user",
}  # fmt: skip
"""Tables that are kept with the name in them, each for a reason that is told."""


@dataclass(frozen=True)
class Somebody:
    """One person of one tenant."""

    tenant: str
    user: str

    @property
    def id(self) -> str:
        """What names made at random are made of."""
        return hashlib.sha256(f"{self.tenant}/{self.user}".encode()).hexdigest()[:24]

    @property
    def canary(self) -> str:
        """The beginning of everything this person said."""
        return f"canary:{self.tenant}:{self.user}:"

    @property
    def person(self) -> Person:
        """The same for the map, with a pseudonym."""
        return Person(self.tenant, self.user, f"h:{self.id}")


EVERYBODY = tuple(Somebody(tenant, user) for tenant in TENANTS for user in USERS)
ANN = EVERYBODY[0]


async def fill(database: Database) -> None:
    """Put everybody into the database."""

    def work(connection: Connection) -> None:
        rows = [row for one in EVERYBODY for row in _rows_of(one)]
        order = {table.name: place for place, table in enumerate(metadata.sorted_tables)}
        for table, values in sorted(rows, key=lambda row: order[row[0].name]):
            connection.execute(insert(table), values)

    await database.write(work)


async def everything(database: Database) -> dict[str, list[str]]:
    """Every row of every table, in words."""

    def work(connection: Connection) -> dict[str, list[str]]:
        return {
            table.name: sorted(repr(tuple(row)) for row in connection.execute(table.select()))
            for table in metadata.sorted_tables
        }

    return await database.read(work)


def of_others(everywhere: Mapping[str, list[str]], one: Somebody) -> dict[str, list[str]]:
    """The rows that have nothing to do with this person: no other's may change by a byte."""
    marks = [f"'{other.id}" for other in EVERYBODY if other != one]
    names = [other.id for other in EVERYBODY if other != one]
    return {
        table: [row for row in rows if any(name in row for name in (*marks, *names))]
        for table, rows in everywhere.items()
    }


def canaries(one: Somebody) -> set[str]:
    """Everything this person said."""
    found = set[str]()
    for _, values in _rows_of(one):
        for value in values.values():
            text = value if isinstance(value, str) else orjson.dumps(value).decode()
            if one.canary in text:
                found.add(text.split('"')[-2] if '"' in text else text)
    return found


def _rows_of(one: Somebody) -> Iterator[tuple[Table, dict[str, object]]]:
    """A row for each holding, and one for each column that names who did something."""
    for holding in HOLDINGS:
        says = one.canary if holding.fate == "erased" else None
        yield holding.table, _row(holding.table, one, says, _links(one, holding.section))
    yield from _of_somebody_else(one)


def _links(one: Somebody, section: str) -> dict[str, object]:
    """What joins the row to the person, or to what is joined to them."""
    conversation = f"conv_{one.id}"
    limit = {"scope": "user", "subject": one.user, "day": 20_454}
    links: dict[str, dict[str, object]] = {
        "feedback": {"decision_id": f"dec_{one.id}", "taught": True},
        "decisions": {"id": f"dec_{one.id}", "answer_id": f"ans_{one.id}"},
        "ledger": {"answer_id": f"ans_{one.id}"},
        "savings": {"answer_id": f"ans_{one.id}"},
        "kept_answers": {"user_id": one.user, "state": "done"},
        "requests_under_way": {
            "key": f"running-{one.id}", "user_id": one.user, "state": "running", "answer": None,
        },
        "tool_turns": {"conversation_id": conversation},
        "tool_calls": {"customer": one.user, "conversation_id": conversation, "state": "done"},
        "approvals": {"customer": one.user, "conversation_id": conversation},
        "runbook_steps": {"run_id": f"run_{one.id}"},
        "runbook_runs": {"id": f"run_{one.id}", "user_id": one.user},
        "facts": {"user_id": one.user},
        "turns": {"conversation_id": conversation, "answer_id": f"ans_{one.id}"},
        "conversations": {"id": conversation, "user_id": one.user},
        "thread_items": {"thread_id": f"thread_{one.id}"},
        "threads": {"id": f"thread_{one.id}", "user_id": one.user, "lease": None},
        "sessions": {"subject": one.user},
        "roles": {"subject": one.user},
        "keys": {"key_id": f"live-{one.id}", "created_by": one.user, "revoked_at": None},
        "ended_keys": {"key_id": f"ended-{one.id}", "created_by": one.user, "revoked_at": AT},
        "directory": {
            "id": one.id, "subject": one.user, "user_name": one.user, "name_key": one.user,
        },
        "directory_groups": {"group_id": f"group-{one.id}", "user_id": one.id},
        "put_out": {"subject": one.user},
        "refunds": {"user_id": one.user, "invoice_id": f"invoice.id-{one.id}"},
        "limits": {**limit, "id": f"limit-{one.id}", "configured": False},
        "configured_limits": {**limit, "id": f"configured-{one.id}", "configured": True},
    }  # fmt: skip
    if section in links:
        return links[section]
    return limit if section.startswith(("budget_", "limits_")) else {"user_id": one.user}


def _of_somebody_else(one: Somebody) -> Iterator[tuple[Table, dict[str, object]]]:
    tables = metadata.tables
    somebody: dict[str, object] = {"user_id": SOMEBODY, "customer": SOMEBODY}
    yield (
        tables["directory_group"],
        _row(tables["directory_group"], one, None, {"id": f"group-{one.id}"}),
    )
    for naming in NAMINGS:
        act = f"{naming.column}-{one.id}"
        links: dict[str, object] = {
            **somebody,
            "id": act,
            "key": act,
            "name": act,
            naming.column: one.user,
        }
        special: dict[str, dict[str, object]] = {
            "runbook_run": {"id": f"run_else_{one.id}"},
            "runbook_step": {"run_id": f"run_else_{one.id}"},
            "legal_hold": {"user_id": f"{SOMEBODY}-{one.id}"},
            "role_assignment": {"subject": f"{SOMEBODY}-{one.id}"},
            "platform_settings": {"version": int(one.id[:6], 16)},
            "tool_approval": {"live_key": act},
        }
        links |= special.get(naming.table.name, {})
        yield naming.table, _row(naming.table, one, None, links)


def _row(
    table: Table, one: Somebody, says: str | None, links: Mapping[str, object]
) -> dict[str, object]:
    values: dict[str, object] = {}
    for column in table.columns:
        if column.name == "tenant":
            values["tenant"] = one.tenant
        elif column.name in links:
            values[column.name] = links[column.name]
        else:
            values[column.name] = _value(table, column, one, says)
    return values


def _value(table: Table, column: Column[object], one: Somebody, says: str | None) -> object:
    said = None if says is None else f"{says}{table.name}.{column.name}"
    match column.type:
        case Double():
            return AT
        case Boolean():
            return False
        case BigInteger() | Integer():
            return 1
        case JSON():
            return {"said": said or "-"}
        case _ if column.primary_key or column.unique or said is None:
            return f"{table.name}.{column.name}-{one.id}"
        case _:
            return said
