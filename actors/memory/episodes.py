"""Conversations as they are remembered: the last turns at hand, the rest in a few lines.

The database is the truth. A window from the store counts only if its last item bears the mark
that the database has at that moment, so a stale one never wins; every read asks for that one row.
"""

import asyncio
import logging
import secrets
from collections.abc import Sequence

import orjson

from actors.database.conversations import Conversations, Head, NewTurn, TurnRow
from actors.database.errors import DatabaseBusy, DatabaseUnavailable, KeysUnavailable
from actors.database.sealed_places import WINDOW_ITEM
from actors.database.sealing import Keys, Sealing
from actors.memory.summary import fold
from actors.memory.window import WINDOW_TURNS, Window
from actors.sealing.errors import SealBroken
from actors.window_store import Key, StoreUnavailable, WindowStore, owner_of

_log = logging.getLogger(__name__)

# Turns that are folded into a summary at one go; more are a conversation from before there were
# summaries, whose beginning takes its turn with the next messages.
FOLD_MAX = 200


class Episodes:
    """Reads and extends conversations, for the tenant and customer they belong to and nobody else."""

    def __init__(self, conversations: Conversations, store: WindowStore, sealing: Sealing) -> None:
        self._conversations = conversations
        self._store = store
        self._sealing = sealing

    async def ready(self, tenant: str) -> None:
        """See that what will be said can be kept.

        Raises:
            KeysUnavailable: it could not be sealed, and is not kept in clear.
        """
        try:
            await self._sealing.to_seal(tenant)
        except KeysUnavailable:
            raise
        except (DatabaseBusy, DatabaseUnavailable):
            # A database that is away may be back when there is something to keep.
            _log.warning("whether conversations can be sealed is not known just now")

    async def window(self, tenant: str, conversation_id: str, user_id: str | None) -> Window | None:
        """The last `WINDOW_TURNS` turns; None if the customer has no such conversation.

        Raises:
            DatabaseBusy: The truth could not be asked, and nothing else is believed.
            DatabaseUnavailable: The same.
        """
        key = _key(tenant, user_id, conversation_id)
        head, held = await asyncio.gather(
            self._conversations.head(tenant, conversation_id), self._read(key)
        )
        if head is None or head.user_id != user_id:
            return None
        if held is not None:
            turns = _turns(await self._sealing.to_open(tenant), key, held, head)
            if turns is not None:
                return Window(turns, head.summary)
        return await self._from_the_truth(
            tenant, conversation_id, user_id, key, known_away=held is None
        )

    async def begin(
        self, tenant: str, conversation_id: str, user_id: str | None, now: float
    ) -> None:
        """Begin a conversation in which nothing is said yet; raises as `append` does."""
        await self._conversations.begin(tenant, conversation_id, user_id, now)

    async def append(
        self, tenant: str, conversation_id: str, user_id: str | None, turns: Sequence[NewTurn]
    ) -> bool:
        """Add turns; once this returns they are committed. False: the store was not told.

        Raises:
            AccessError: `not_found`: the conversation is another customer's.
            DatabaseBusy: Nothing was written.
            DatabaseUnavailable: The same.
        """
        head = await self._conversations.append(tenant, conversation_id, user_id, turns)
        first = head.last_seq - len(turns) + 1
        rows = [
            TurnRow(seq, new.role, new.text, new.at, new.answer_id)
            for seq, new in enumerate(turns, first)
        ]
        key = _key(tenant, user_id, conversation_id)
        after = _mark(head.incarnation, first - 1)
        keys = await self._sealing.to_seal(tenant)
        items = [_item(keys, key, head.incarnation, row) for row in rows]
        telling = self._extend(key, after, items)
        if not _is_behind(head):
            return await telling
        told, _ = await asyncio.gather(telling, self._catch_up(tenant, conversation_id, head))
        return told

    async def _from_the_truth(
        self,
        tenant: str,
        conversation_id: str,
        user_id: str | None,
        key: Key,
        *,
        known_away: bool,
    ) -> Window | None:
        """The window as the database has it, and the store put right if it can be."""
        token = secrets.token_hex(8)
        # The right is taken before the database is read: what is erased or added in between ends
        # the right, so nothing that is no longer so is put back.
        away = known_away or not await self._lease(key, token)
        head = await self._conversations.head(tenant, conversation_id)
        turns = await self._conversations.history(
            tenant, conversation_id, WINDOW_TURNS, user_id=user_id
        )
        if head is None or head.user_id != user_id or turns is None:
            return None
        head = await self._catch_up(tenant, conversation_id, head)
        if not away and turns and head.incarnation:
            keys = await self._sealing.to_seal(tenant)
            items = [_item(keys, key, head.incarnation, turn) for turn in turns]
            away = not await self._fill(key, token, items)
        return Window(tuple(turns), head.summary, is_degraded=away)

    async def _catch_up(self, tenant: str, conversation_id: str, head: Head) -> Head:
        """Fold into the summary what has left the window."""
        if not _is_behind(head):
            return head
        until = min(head.last_seq - WINDOW_TURNS, head.summary_seq + FOLD_MAX)
        try:
            gone = await self._conversations.between(
                tenant, conversation_id, head.summary_seq, until
            )
            summary = fold(head.summary, gone)
            await self._conversations.keep_summary(tenant, conversation_id, head, summary, until)
        except (DatabaseBusy, DatabaseUnavailable):
            # The turns are kept; the next message folds these too.
            _log.warning("the summary of %s is late", conversation_id)
            return head
        return Head(head.user_id, head.last_seq, head.incarnation, summary, until)

    async def _read(self, key: Key) -> list[bytes] | None:
        """What the store has; None while it is away."""
        try:
            return await self._store.read(key)
        except StoreUnavailable:
            return None

    async def _extend(self, key: Key, after: bytes, items: Sequence[bytes]) -> bool:
        try:
            await self._store.extend(key, after, items, WINDOW_TURNS)
        except StoreUnavailable:
            return False
        return True

    async def _lease(self, key: Key, token: str) -> bool:
        try:
            await self._store.lease(key, token)
        except StoreUnavailable:
            return False
        return True

    async def _fill(self, key: Key, token: str, items: Sequence[bytes]) -> bool:
        try:
            await self._store.fill(key, token, items)
        except StoreUnavailable:
            return False
        return True


def _is_behind(head: Head) -> bool:
    """Whether turns have left the window that are not in the summary."""
    return bool(head.incarnation) and head.last_seq - WINDOW_TURNS > head.summary_seq


def _key(tenant: str, user_id: str | None, conversation_id: str) -> Key:
    return Key(owner_of(tenant, user_id, conversation_id), conversation_id)


def _mark(incarnation: str, seq: int) -> bytes:
    return f"{incarnation} {seq} ".encode()


def _item(keys: Keys, key: Key, incarnation: str, turn: TurnRow) -> bytes:
    body = orjson.dumps([turn.role, turn.text, turn.at, turn.answer_id]).decode()
    place = (key.owner, key.name, incarnation, turn.seq)
    return _mark(incarnation, turn.seq) + keys.seal(WINDOW_ITEM, place, body).encode()


def _turns(keys: Keys, key: Key, items: Sequence[bytes], head: Head) -> tuple[TurnRow, ...] | None:
    """The items as turns, if they are exactly the window the database speaks of."""
    first = max(head.last_seq - WINDOW_TURNS, 0) + 1
    if not head.incarnation or len(items) != head.last_seq - first + 1:
        return None
    turns = list[TurnRow]()
    for seq, item in enumerate(items, first):
        mark = _mark(head.incarnation, seq)
        if not item.startswith(mark):
            return None
        place = (key.owner, key.name, head.incarnation, seq)
        try:
            body = keys.open(WINDOW_ITEM, place, item[len(mark) :].decode())
        except (SealBroken, UnicodeDecodeError):
            return None  # The truth is elsewhere, and is asked.
        role, text, at, answer_id = orjson.loads(body)
        turns.append(TurnRow(seq, role, text, at, answer_id))
    return tuple(turns)
