"""Every statement can be said to PostgreSQL as well."""

from typing import TYPE_CHECKING

import pytest
from sqlalchemy.dialects import registry

from actors.company import customers, passwords, plans, refunds
from actors.database import (
    accounts,
    approval_outcomes,
    approvals,
    conversations,
    decisions,
    idempotency,
    ledger,
    role_assignments,
    savings,
    tool_calls,
)
from actors.knowledge import records

if TYPE_CHECKING:
    from sqlalchemy.sql.elements import ClauseElement


def statements(dialect: str) -> "list[ClauseElement]":
    return [
        accounts._BY_ID,
        conversations._extending(dialect),
        conversations._HISTORY,
        decisions._keeping(dialect),
        decisions._BY_ID,
        idempotency._taking(dialect),
        ledger._noting(dialect),
        ledger._booking(dialect),
        ledger.saving(dialect),
        ledger._sums(),
        savings._keeping(dialect),
        savings._keeping_targets(dialect),
        savings._by_answer("bucket"),
        savings._by_target("day"),
        *(statement for statement, _ in records._QUERIES),
        tool_calls._taking(dialect),
        tool_calls._ENDING,
        tool_calls._TAKING_OVER,
        approvals._asking(dialect),
        approvals._DECIDING,
        approvals._SECONDING,
        approval_outcomes._FINISHING,
        role_assignments._SWEEPING,
        role_assignments._COUNT,
        customers._CUSTOMER_LOCKED,
        customers._INVOICES,
        refunds._SUM,
        plans._CAME,
        passwords._SENT,
    ]


@pytest.mark.parametrize("name", ["sqlite", "postgresql"])
def test_every_statement_can_be_said_in_both_dialects(name: str) -> None:
    dialect = registry.load(name)()
    assert dialect.name == name
    for statement in statements(name):
        assert str(statement.compile(dialect=dialect))


def test_a_dialect_nobody_prepared_for_is_refused() -> None:
    with pytest.raises(NotImplementedError, match="oracle"):
        ledger._noting("oracle")
