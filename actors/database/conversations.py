"""What was said: conversations and their turns, in the order they were written."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from types import EllipsisType
from typing import Any, Literal, TypeAlias

from sqlalchemy import Connection, Row, bindparam, delete, func, insert, select, update
from sqlalchemy.sql.dml import ReturningInsert

from actors.database.engine import Database
from actors.database.erasing import is_being_erased
from actors.database.sealed_places import CONVERSATION_SUMMARY, TURN_TEXT
from actors.database.sealing import Keys
from actors.database.tables import conversation, turn
from actors.database.upsert import insert_into
from actors.randomness import random_bytes
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


@dataclass(frozen=True, slots=True)
class Head:
    """Where a conversation stands: its owner, its last turn, and what is kept of its beginning.

    `incarnation` differs between two conversations of one id, of which the first was deleted;
    empty: nothing was appended since conversations have one. `summary` is of the turns up to
    `summary_seq`.
    """

    user_id: str | None
    last_seq: int
    incarnation: str
    summary: str
    summary_seq: int


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
        keys = await self._database.sealing.to_open(tenant)

        def work(connection: Connection) -> list[TurnRow] | None:
            rows = connection.execute(
                _HISTORY, {"of": tenant, "named": conversation_id, "at_most": limit}
            ).all()
            if not rows or (user_id is not ... and rows[0].user_id != user_id):
                return None
            # One row without a turn stands for a conversation in which nothing was said.
            said = [row for row in reversed(rows) if row.seq is not None]
            return [_turn(keys, conversation_id, row) for row in said]

        return await self._database.read(work)

    async def begin(
        self, tenant: str, conversation_id: str, user_id: str | None, now: float
    ) -> None:
        """Make the conversation `user_id`'s before anything is said in it; raises as `append` does."""
        opening = _opening(tenant, conversation_id, user_id, 0, now)

        def work(connection: Connection) -> None:
            _extended(connection, opening)

        await self._database.write(work)

    async def append(
        self, tenant: str, conversation_id: str, user_id: str | None, turns: Sequence[NewTurn]
    ) -> Head:
        """Add `turns` and return where the conversation then stands, once they are committed.

        The first append begins the conversation and makes it `user_id`'s.

        Raises:
            AccessError: `not_found`: the conversation is another user's; nothing was written.
            DatabaseBusy: Nothing was written.
            DatabaseUnavailable: The same.
        """
        opening = _opening(tenant, conversation_id, user_id, len(turns), turns[-1].at)
        keys = await self._database.sealing.to_seal(tenant)

        def work(connection: Connection) -> Head:
            head = _head(keys, conversation_id, _extended(connection, opening))
            first = head.last_seq - len(turns) + 1
            connection.execute(
                _TURN,
                [
                    {
                        "tenant": tenant,
                        "conversation_id": conversation_id,
                        "seq": seq,
                        "role": new.role,
                        "text": keys.seal(TURN_TEXT, (conversation_id, seq), new.text),
                        "answer_id": new.answer_id,
                        "at": new.at,
                    }
                    for seq, new in enumerate(turns, first)
                ],
            )
            return head

        return await self._database.write(work)

    async def head(self, tenant: str, conversation_id: str) -> Head | None:
        """Where the tenant's conversation stands; one row by its key, whatever its length."""
        keys = await self._database.sealing.to_open(tenant)

        def work(connection: Connection) -> Head | None:
            row = connection.execute(_HEAD, {"of": tenant, "named": conversation_id}).one_or_none()
            return None if row is None else _head(keys, conversation_id, row)

        return await self._database.read(work)

    async def between(
        self, tenant: str, conversation_id: str, after: int, until: int
    ) -> list[TurnRow]:
        """The turns behind number `after` up to `until`, oldest first."""
        given = {"of": tenant, "named": conversation_id, "after": after, "until": until}
        keys = await self._database.sealing.to_open(tenant)
        return await self._database.read(
            lambda connection: [
                _turn(keys, conversation_id, row) for row in connection.execute(_BETWEEN, given)
            ]
        )

    async def keep_summary(
        self, tenant: str, conversation_id: str, known: Head, summary: str, summary_seq: int
    ) -> bool:
        """Replace the summary that `known` holds; False if it was replaced in between."""
        keys = await self._database.sealing.to_seal(tenant)
        given = {
            "of": tenant,
            "named": conversation_id,
            "same": known.incarnation,
            "expected": known.summary_seq,
            "said": keys.seal(CONVERSATION_SUMMARY, (conversation_id,), summary),
            "said_until": summary_seq,
        }
        return await self._database.write(
            lambda connection: connection.execute(_SUMMARY, given).rowcount > 0
        )

    async def of_user(self, tenant: str, user_id: str, limit: int) -> list[tuple[str, int, float]]:
        """The customer's conversations, the last changed first: id, number of turns, last change."""
        c = conversation.c
        statement = (
            select(c.id, c.last_seq, c.updated_at)
            .where(c.tenant == tenant, c.user_id == user_id)
            .order_by(c.updated_at.desc(), c.id)
            .limit(limit)
        )
        return await self._database.read(
            lambda connection: [
                (r.id, r.last_seq, r.updated_at) for r in connection.execute(statement)
            ]
        )

    async def delete(self, tenant: str, conversation_id: str) -> bool:
        """Remove a conversation with all its turns; False if the tenant has no such one."""
        statement = delete(conversation).where(
            conversation.c.tenant == tenant, conversation.c.id == conversation_id
        )
        return await self._database.write(
            lambda connection: connection.execute(statement).rowcount > 0
        )


_OF_HEAD = (
    conversation.c.user_id,
    conversation.c.last_seq,
    conversation.c.incarnation,
    conversation.c.summary,
    conversation.c.summary_seq,
)


@cache
def _extending(dialect: str) -> ReturningInsert[Any]:
    """Begin the conversation, or reserve the next numbers in it; no row if it is another's."""
    statement = insert_into(conversation, dialect)
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["tenant", "id"],
        set_={
            "last_seq": conversation.c.last_seq + new.last_seq,
            "updated_at": new.updated_at,
            "incarnation": func.coalesce(conversation.c.incarnation, new.incarnation),
        },
        where=conversation.c.user_id.is_not_distinct_from(new.user_id),
    ).returning(*_OF_HEAD)


def _opening(
    tenant: str, conversation_id: str, user_id: str | None, turns: int, at: float
) -> dict[str, str | float | None]:
    return {
        "tenant": tenant,
        "id": conversation_id,
        "user_id": user_id,
        "last_seq": turns,
        "created_at": at,
        "updated_at": at,
        "incarnation": random_bytes(8).hex(),
    }


def _extended(
    connection: Connection, opening: dict[str, str | float | None]
) -> Row[*tuple[Any, ...]]:
    # An answer that was under way when its customer was erased brings nothing back.
    if is_being_erased(connection, str(opening["tenant"]), opening["user_id"]):
        raise AccessError("not_found", f"no conversation {opening['id']}")
    row = connection.execute(_extending(connection.dialect.name), opening).one_or_none()
    if row is None:
        raise AccessError("not_found", f"no conversation {opening['id']}")
    return row


def _head(keys: Keys, conversation_id: str, row: Row[*tuple[Any, ...]]) -> Head:
    kept = row.summary
    summary = keys.open(CONVERSATION_SUMMARY, (conversation_id,), kept) if kept else ""
    return Head(row.user_id, row.last_seq, row.incarnation or "", summary, row.summary_seq or 0)


def _turn(keys: Keys, conversation_id: str, row: Row[*tuple[Any, ...]]) -> TurnRow:
    text = keys.open(TURN_TEXT, (conversation_id, row.seq), row.text)
    return TurnRow(row.seq, row.role, text, row.at, row.answer_id)


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
_HEAD = select(*_OF_HEAD).where(
    conversation.c.tenant == bindparam("of"), conversation.c.id == bindparam("named")
)
_BETWEEN = (
    select(turn.c.seq, turn.c.role, turn.c.text, turn.c.at, turn.c.answer_id)
    .where(
        turn.c.tenant == bindparam("of"),
        turn.c.conversation_id == bindparam("named"),
        turn.c.seq > bindparam("after"),
        turn.c.seq <= bindparam("until"),
    )
    .order_by(turn.c.seq)
)
_SUMMARY = (
    update(conversation)
    .where(
        conversation.c.tenant == bindparam("of"),
        conversation.c.id == bindparam("named"),
        conversation.c.incarnation == bindparam("same"),
        func.coalesce(conversation.c.summary_seq, 0) == bindparam("expected"),
    )
    .values(summary=bindparam("said"), summary_seq=bindparam("said_until"))
)
