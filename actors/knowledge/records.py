"""What a company knows about one customer: account, invoices, orders, asked for by user id only.

Three fixed, parametrised, read-only queries; no text of a user or a model ever becomes
SQL. The demo company's tables are loaded from CSV; a real company's would be reached
through a connector that answers the same call.
"""

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path

from sqlalchemy import Column, ColumnElement, Connection, Row, Table, bindparam, insert, select

from actors.database import Database
from actors.database.tables import customer, customer_order, invoice
from actors.knowledge.document import Passage
from actors.knowledge.tokenise import tokenise
from routing.errors import ConfigError

# The newest of each kind that are considered: two years of monthly invoices.
CONSIDERED = 24

# What people write when they mean a kind of record, beside the words that stand in it.
_ACCOUNT_WORDS = "account plan subscription tier region member customer status"
_INVOICE_WORDS = "invoice bill charge charged pay payment refund receipt money card cost price"
_ORDER_WORDS = "order ordered buy bought purchase delivery deliver ship add-on"


@dataclass(frozen=True, slots=True)
class _Record:
    """A passage, the words it answers to, and its age; the account has no date and goes first."""

    passage: Passage
    words: frozenset[str]
    day: str


class Records:
    """The records of a company's customers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self, tenant: str, directory: Path) -> bool:
        """Fill the tenant's tables from `{customers,invoices,orders}.csv`; False if filled before.

        Raises:
            ConfigError: A file is missing or a line of it cannot be meant; nothing was written.
        """
        rows = {table: _rows_of(directory / name, table, tenant) for name, table in _FILES}
        known = {row["user_id"] for row in rows[customer]}
        for name, table in _FILES:
            for line, row in enumerate(rows[table], 2):
                if row["user_id"] not in known:
                    path = str(directory / name)
                    raise ConfigError(path, line, "user_id", f"no customer {row['user_id']}")

        def work(connection: Connection) -> bool:
            # Any row at all: of a customer who was erased, what accounts must keep is still there.
            for table in rows:
                any_of = select(table.c.tenant).where(table.c.tenant == tenant).limit(1)
                if connection.execute(any_of).first() is not None:
                    return False
            for table, values in rows.items():
                if values:
                    connection.execute(insert(table), values)
            return True

        return await self._database.write(work)

    async def records_of(
        self, tenant: str, user_id: str, query: str, limit: int = 5
    ) -> tuple[Passage, ...]:
        """At most `limit` records of that user that share words with the question: best first, then newest.

        Their audience is `public`: they may be shown to the user they belong to, whom
        the caller has authenticated or takes the tenant's word for.
        """
        asked = {"of": tenant, "who": user_id}

        def work(connection: Connection) -> list[_Record]:
            return [
                describe(row)
                for statement, describe in _QUERIES
                for row in connection.execute(statement, asked)
            ]

        records = await self._database.read(work)
        words = frozenset(tokenise(query))
        scored = [(len(words & record.words), record) for record in records]
        scored.sort(key=lambda pair: (pair[0], pair[1].day == "", pair[1].day), reverse=True)
        return tuple(record.passage for score, record in scored[:limit] if score)


def _record(kind: str, record_id: str, title: str, text: str, day: str) -> _Record:
    passage = Passage("database", record_id, title, text, "public")
    return _Record(passage, frozenset(tokenise(f"{kind} {title} {text}")), day)


def _account(row: Row[*tuple[object, ...]]) -> _Record:
    # No e-mail address: no answer needs it, so no platform is sent it.
    text = (
        f"{row.account_name}: {row.plan} plan, {row.status}, region {row.region}, "
        f"customer since {row.since}"
    )
    return _record(_ACCOUNT_WORDS, row.user_id, row.account_name, text, "")


def _invoice(row: Row[*tuple[object, ...]]) -> _Record:
    title = f"Invoice {row.id}"
    state = f"{row.status} (payment of {row.paid_at})" if row.paid_at else row.status
    text = f"{title} of {row.issued}: {_usd(row.amount_cents)} {state}, {row.description}"
    return _record(_INVOICE_WORDS, row.id, title, text, row.issued)


def _order(row: Row[*tuple[object, ...]]) -> _Record:
    title = f"Order {row.id}"
    text = (
        f"{title} of {row.placed}: {row.quantity} x {row.item}, "
        f"{_usd(row.amount_cents)}, {row.status}"
    )
    return _record(_ORDER_WORDS, row.id, title, text, row.placed)


def _usd(cents: int) -> str:
    return f"${Decimal(cents).scaleb(-2):,.2f}"


def _is_theirs(table: Table) -> ColumnElement[bool]:
    return (table.c.tenant == bindparam("of")) & (table.c.user_id == bindparam("who"))


_QUERIES = (
    (select(customer).where(_is_theirs(customer)), _account),
    (
        select(invoice)
        .where(_is_theirs(invoice))
        .order_by(invoice.c.issued.desc(), invoice.c.id.desc())
        .limit(CONSIDERED),
        _invoice,
    ),
    (
        select(customer_order)
        .where(_is_theirs(customer_order))
        .order_by(customer_order.c.placed.desc(), customer_order.c.id.desc())
        .limit(CONSIDERED),
        _order,
    ),
)
_FILES = (("customers.csv", customer), ("invoices.csv", invoice), ("orders.csv", customer_order))

# Columns that a file names differently from the table.
_HEADINGS = {
    (invoice, "id"): "invoice_id",
    (customer_order, "id"): "order_id",
    (invoice, "amount_cents"): "amount_usd",
    (customer_order, "amount_cents"): "amount_usd",
}


def _rows_of(path: Path, table: Table, tenant: str) -> list[dict[str, object]]:
    """The file's lines as rows of `table`."""
    columns = [column for column in table.columns if column.name != "tenant"]
    headings = [_HEADINGS.get((table, column.name), column.name) for column in columns]
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.reader(file)
            first = next(reader, [])
            if first != headings:
                raise ConfigError(str(path), 1, "", f"the first line must be {','.join(headings)}")
            return list(_parsed(str(path), reader, columns, headings, tenant))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(str(path), None, "", f"cannot be read: {error}") from error


def _parsed(
    path: str,
    lines: Iterator[list[str]],
    columns: list[Column[object]],
    headings: list[str],
    tenant: str,
) -> Iterator[dict[str, object]]:
    for number, cells in enumerate(lines, 2):
        if len(cells) != len(columns):
            raise ConfigError(path, number, "", f"has {len(cells)} cells, not {len(columns)}")
        row: dict[str, object] = {"tenant": tenant}
        for column, heading, cell in zip(columns, headings, cells, strict=True):
            try:
                row[column.name] = _cell(column, cell)
            except (ValueError, InvalidOperation) as error:
                raise ConfigError(path, number, heading, f"cannot be {cell!r}") from error
        yield row


def _cell(column: Column[object], text: str) -> object:
    if not text:
        if column.nullable:
            return None
        raise ValueError(text)
    parse = _PARSERS.get(column.name)
    return text if parse is None else parse(text)


def _cents(text: str) -> int:
    cents = Decimal(text).scaleb(2)
    if cents != int(cents):
        raise ValueError(text)
    return int(cents)


def _day(text: str) -> str:
    return date.fromisoformat(text).isoformat()


_PARSERS: dict[str, Callable[[str], object]] = {
    "amount_cents": _cents,
    "quantity": int,
    "issued": _day,
    "placed": _day,
    "since": _day,
}
