"""The one door to the relational store: SQLite embedded, PostgreSQL behind the same seam later.

Open it once per process with `open_database`, hand it to the repositories, and let
`deployments/app.py` close it. Nothing else in SupportMax speaks SQL, apart from
`actors/knowledge/records.py` and `actors/company`, which read and change a company's own tables
through the same door.
"""

from actors.database.accounts import Accounts, ApiKey, NewApiKey, key_id_of
from actors.database.approvals import ApprovalRow, Approvals
from actors.database.conversations import Conversations, NewTurn, TurnRow
from actors.database.decisions import DecisionRow, Decisions, NewDecision
from actors.database.engine import Database, open_database
from actors.database.errors import DatabaseBusy, DatabaseUnavailable
from actors.database.idempotency import Begun, Done, Fresh, Idempotency, Mismatch, Running
from actors.database.knowledge import KnowledgeStore
from actors.database.ledger import Checkpoint, Ledger, Spend
from actors.database.savings import Savings
from actors.database.thread_rows import Held, Item, Page, Thread
from actors.database.threads import Threads
from actors.database.tool_calls import ToolCalls

__all__ = [
    "Accounts",
    "ApiKey",
    "ApprovalRow",
    "Approvals",
    "Begun",
    "Checkpoint",
    "Conversations",
    "Database",
    "DatabaseBusy",
    "DatabaseUnavailable",
    "DecisionRow",
    "Decisions",
    "Done",
    "Fresh",
    "Held",
    "Idempotency",
    "Item",
    "KnowledgeStore",
    "Ledger",
    "Mismatch",
    "NewApiKey",
    "NewDecision",
    "NewTurn",
    "Page",
    "Running",
    "Savings",
    "Spend",
    "Thread",
    "Threads",
    "ToolCalls",
    "TurnRow",
    "key_id_of",
    "open_database",
]
