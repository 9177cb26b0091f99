"""What was said: conversations and their turns, in the order they were written."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from types import EllipsisType
from typing import Any, Literal, TypeAlias

from sqlalchemy import Connection, bindparam, delete, insert, select
from sqlalchemy.sql.dml import ReturningInsert

from actors.database.engine import Database
from actors.database.tables import conversation, turn
from actors.database.upsert import insert_into
from routing.errors import AccessError

Role: TypeAlias = Literal["user", "assistant"]


@dataclass(frozen=True, slots=True)
class NewTurn:
    """One turn to append; `answer_id` names the answer whose text it is."""

    role: Role
    text: str
    at: float
    answer_id: str | None = None


@dataclass(frozen=True, slots=True)
class TurnRow:
    """One turn as it was written; `seq` counts from 1 without a gap."""

    seq: int
    role: Role
    text: str
    at: float
    answer_id: str | None


class Conversations:
    """Appends turns and reads them back, for the tenant they belong to and nobody else."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def history(
        self,
        tenant: str,
        conversation_id: str,
        limit: int,
        *,
        user_id: str | EllipsisType | None = ...,
    ) -> list[TurnRow] | None:
        """The last `limit` turns, oldest first; None if the tenant has no such conversation.

        Given a `user_id`, the conversation of another user is unknown too; None is then
        nobody in particular, as it is for `append`.
        """

        def work(connection: Connection) -> list[TurnRow] | None:
            rows = connection.execute(
                _HISTORY, {"of": tenant, "named": conversation_id, "at_most": limit}
            ).all()
            if not rows or (user_id is not ... and rows[0].user_id != user_id):
                return None
            # One row without a turn stands for a conversation in which nothing was said.
            said = [row for row in reversed(rows) if row.seq is not None]
            return [TurnRow(row.seq, row.role, row.text, row.at, row.answer_id) for row in said]

        return await self._database.read(work)

    async def append(
        self, tenant: str, conversation_id: str, user_id: str | None, turns: Sequence[NewTurn]
    ) -> int:
        """Add `turns` and return the last one's number, once they are committed.

        The first append begins the conversation and makes it `user_id`'s.

        Raises:
            AccessError: `not_found`: the conversation is another user's; nothing was written.
            DatabaseBusy: Nothing was written.
            DatabaseUnavailable: The same.
        """
        opening = {
            "tenant": tenant,
            "id": conversation_id,
            "user_id": user_id,
            "last_seq": len(turns),
            "created_at": turns[-1].at,
            "updated_at": turns[-1].at,
        }

        def work(connection: Connection) -> int:
            extending = _extending(connection.dialect.name)
            last: int | None = connection.execute(extending, opening).scalar()
            if last is None:
                raise AccessError("not_found", f"no conversation {conversation_id}")
            first = last - len(turns) + 1
            connection.execute(
                _TURN,
                [
                    {
                        "tenant": tenant,
                        "conversation_id": conversation_id,
                        "seq": seq,
                        "role": new.role,
                        "text": new.text,
                        "answer_id": new.answer_id,
                        "at": new.at,
                    }
                    for seq, new in enumerate(turns, first)
                ],
            )
            return last

        return await self._database.write(work)

    async def delete(self, tenant: str, conversation_id: str) -> bool:
        """Remove a conversation with all its turns; False if the tenant has no such one."""
        statement = delete(conversation).where(
            conversation.c.tenant == tenant, conversation.c.id == conversation_id
        )
        return await self._database.write(
            lambda connection: connection.execute(statement).rowcount > 0
        )


@cache
def _extending(dialect: str) -> ReturningInsert[Any]:
    """Begin the conversation, or reserve the next numbers in it; no row if it is another's."""
    statement = insert_into(conversation, dialect)
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["tenant", "id"],
        set_={"last_seq": conversation.c.last_seq + new.last_seq, "updated_at": new.updated_at},
        where=conversation.c.user_id.is_not_distinct_from(new.user_id),
    ).returning(conversation.c.last_seq)


_TURN = insert(turn)
_HISTORY = (
    select(
        conversation.c.user_id, turn.c.seq, turn.c.role, turn.c.text, turn.c.at, turn.c.answer_id
    )
    .select_from(
        conversation.outerjoin(
            turn,
            (turn.c.tenant == conversation.c.tenant)
            & (turn.c.conversation_id == conversation.c.id),
        )
    )
    .where(conversation.c.tenant == bindparam("of"), conversation.c.id == bindparam("named"))
    .order_by(turn.c.seq.desc())
    .limit(bindparam("at_most"))
)
