"""What the answers of a conversation did with tools: the calls, and whether outsiders' words came in.

Kept beside the turns that people said, and gone with their conversation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    Double,
    ForeignKeyConstraint,
    Row,
    Table,
    Text,
    bindparam,
    func,
    insert,
    select,
)
from sqlalchemy.exc import IntegrityError

from actors.database.engine import Database
from actors.database.sealed_places import TOOL_TURN_CALLS
from actors.database.tables import metadata
from routing.errors import AccessError
from routing.message import JsonObject

tool_turn = Table(
    "tool_turn",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("conversation_id", Text, primary_key=True),
    Column("answer_id", Text, primary_key=True),
    Column("calls", JSON, nullable=False),
    Column("tainted", Boolean, nullable=False),
    Column("at", Double, nullable=False),
    ForeignKeyConstraint(
        ["tenant", "conversation_id"],
        ["conversation.tenant", "conversation.id"],
        ondelete="CASCADE",
    ),
)


@dataclass(frozen=True, slots=True)
class ToolTurns:
    """The calls of one answer, in the order they were made, each as its writer has it."""

    answer_id: str
    calls: Sequence[JsonObject]
    at: float


@dataclass(frozen=True, slots=True)
class KeptTools:
    """The last answers that used tools, oldest first. `tainted` is of the whole conversation."""

    answers: tuple[ToolTurns, ...] = ()
    tainted: bool = False


class ToolTurnStore:
    """Keeps them for the tenant whose conversation it is."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(
        self, tenant: str, conversation_id: str, turns: ToolTurns, *, tainted: bool
    ) -> None:
        """Keep what one answer did; its conversation must be kept already.

        Raises:
            AccessError: `not_found`: it is not, or was erased since.
            DatabaseBusy: Nothing was written.
            DatabaseUnavailable: The same.
        """
        keys = await self._database.sealing.to_seal(tenant)
        calls = [dict(call) for call in turns.calls]
        values = {
            "tenant": tenant,
            "conversation_id": conversation_id,
            "answer_id": turns.answer_id,
            "calls": keys.seal_json(TOOL_TURN_CALLS, (conversation_id, turns.answer_id), calls),
            "tainted": tainted,
            "at": turns.at,
        }
        try:
            await self._database.write(
                lambda connection: connection.execute(insert(tool_turn), values).close()
            )
        except IntegrityError as error:
            raise AccessError("not_found", f"no conversation {conversation_id}") from error

    async def of(self, tenant: str, conversation_id: str, limit: int) -> KeptTools:
        """The last `limit` answers that used tools."""
        asked = {"of": tenant, "named": conversation_id}
        keys = await self._database.sealing.to_open(tenant)

        def opened(row: Row[*tuple[Any, ...]]) -> ToolTurns:
            place = (conversation_id, row.answer_id)
            return ToolTurns(
                row.answer_id, keys.open_json(TOOL_TURN_CALLS, place, row.calls), row.at
            )

        def work(connection: Connection) -> KeptTools:
            rows = connection.execute(_LAST.limit(limit), asked).all()
            answers = [opened(row) for row in reversed(rows)]
            stained = connection.execute(_TAINTED, asked).scalar_one()
            return KeptTools(tuple(answers), stained > 0)

        return await self._database.read(work)


_IS = (tool_turn.c.tenant == bindparam("of")) & (tool_turn.c.conversation_id == bindparam("named"))
_LAST = select(tool_turn).where(_IS).order_by(tool_turn.c.at.desc(), tool_turn.c.answer_id)
_TAINTED = select(func.count()).select_from(tool_turn).where(_IS, tool_turn.c.tainted)
