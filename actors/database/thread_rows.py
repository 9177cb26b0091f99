"""A thread's rows: what they mean, how they are found, and what may be added to them.

Inside a transaction of `threads.py`; nobody else calls these.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson
from sqlalchemy import Connection, Row, bindparam, delete, func, insert, select, update

from actors.database.sealed_places import ITEM_BODY, ITEM_STATE, THREAD_METADATA
from actors.database.sealing import Keys
from actors.database.tables import thread, thread_item
from routing.errors import AccessError, ConflictError, RequestError, Violation
from routing.message import JsonObject, ProviderState

# A support conversation has tens of items; 2,000 is a program that forgot to begin another.
ITEMS_MAX = 2_000
# 1 MiB: as much as a whole request may bring, images left aside, which are not kept.
ITEM_BYTES_MAX = 1_048_576
# 4 MiB are about a million tokens, the largest context window there is; more cannot be asked.
THREAD_BYTES_MAX = 4_194_304
_SHOWN = 80  # characters of an id that is somebody else's text


@dataclass(frozen=True, slots=True)
class Thread:
    """A thread without its items. `vendor_id` is its id at `vendor` when they are kept there."""

    id: str
    metadata: Mapping[str, str]
    created_at: float
    vendor: str | None = None
    vendor_id: str | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """One item: `body` as callers see it, `state` for the platform that made it alone.

    `answer_id` joins the items of one answer; `state` stands with the first of them.
    """

    id: str
    body: JsonObject
    answer_id: str | None = None
    state: ProviderState | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Some of a thread's items, and whether there are others after them."""

    items: Sequence[Item]
    has_more: bool


@dataclass(frozen=True, slots=True)
class Held:
    """A thread that nobody else may write to until the lease ends, and all that is in it."""

    lease: str
    thread: Thread
    items: Sequence[Item]


_Found: TypeAlias = Row[*tuple[Any, ...]]
_MINE = (thread.c.tenant == bindparam("of")) & (thread.c.id == bindparam("named"))
_IN_MINE = (thread_item.c.tenant == bindparam("of")) & (
    thread_item.c.thread_id == bindparam("named")
)

THREAD = select(thread).where(_MINE)
DELETE = delete(thread).where(_MINE)
RELABEL = (
    update(thread)
    .where(_MINE)
    .values(
        metadata=bindparam("labels"), user_id=func.coalesce(bindparam("owner"), thread.c.user_id)
    )
)
LEASE = (
    update(thread).where(_MINE).values(lease=bindparam("holder"), leased_until=bindparam("until"))
)
ITEMS = select(thread_item).where(_IN_MINE).order_by(thread_item.c.seq)
_ITEM = select(thread_item).where(_IN_MINE, thread_item.c.id == bindparam("item"))
_INSERT = insert(thread_item)


def find(connection: Connection, tenant: str, thread_id: str, owner: str | None) -> _Found:
    """The thread's row, if it is `owner`'s; None is anybody. Raises AccessError: `not_found`."""
    row = connection.execute(THREAD, {"of": tenant, "named": thread_id}).first()
    if row is None or (owner is not None and row.user_id != owner):
        raise AccessError("not_found", f"Conversation with id '{thread_id[:_SHOWN]}' not found.")
    return row


def find_free(
    connection: Connection, tenant: str, thread_id: str, owner: str | None, now: float
) -> _Found:
    """The same of a thread that nobody runs just now.

    Raises:
        AccessError: `not_found`.
        ConflictError: `conversation_locked`.
    """
    row = find(connection, tenant, thread_id, owner)
    if row.lease is not None and row.leased_until > now:
        message = "A run on this conversation is under way; try again when it has ended."
        raise ConflictError("conversation_locked", message)
    return row


def find_item(connection: Connection, tenant: str, thread_id: str, item_id: str) -> _Found:
    """An item's row; raises AccessError: `not_found`."""
    asked = {"of": tenant, "named": thread_id, "item": item_id}
    row = connection.execute(_ITEM, asked).first()
    if row is None:
        raise AccessError("not_found", f"Item with id '{item_id[:_SHOWN]}' not found.")
    return row


def must_be_here(row: _Found) -> None:
    """Raise RequestError where the thread's items are kept at the vendor."""
    if row.vendor is not None:
        message = f"The items of this conversation are kept at {row.vendor}, as {row.vendor_id}."
        raise RequestError("conversation_at_vendor", message)


def must_have_room(row: _Found, items: int, size: int) -> None:
    """Raise RequestError where so many items more are too many."""
    if row.items + items > ITEMS_MAX or row.bytes + size > THREAD_BYTES_MAX:
        message = (
            f"A conversation holds {ITEMS_MAX} items and {THREAD_BYTES_MAX} bytes at most; "
            "begin another, or delete items."
        )
        raise RequestError("conversation_full", message)


def append(
    connection: Connection,
    keys: Keys,
    row: _Found,
    tenant: str,
    items: Sequence[Item],
    sizes: Sequence[int],
    now: float,
    vendor: tuple[str, str] | None = None,
) -> None:
    """Put `items` at the end of the thread in `row`, which nobody holds afterwards."""
    if items:
        connection.execute(_INSERT, values(keys, tenant, row.id, row.last_seq + 1, items, sizes))
    changed: dict[str, object] = {
        "last_seq": row.last_seq + len(items),
        "items": row.items + len(items),
        "bytes": row.bytes + sum(sizes),
        "updated_at": now,
        "lease": None,
        "leased_until": None,
    }
    if vendor is not None:
        changed["vendor"], changed["vendor_id"] = vendor
    mine = (thread.c.tenant == tenant) & (thread.c.id == row.id)
    connection.execute(update(thread).where(mine).values(changed))


def values(
    keys: Keys,
    tenant: str,
    thread_id: str,
    first: int,
    items: Sequence[Item],
    sizes: Sequence[int],
) -> list[dict[str, object]]:
    """The rows of `items`, numbered from `first` on."""
    return [
        {
            "tenant": tenant,
            "thread_id": thread_id,
            "seq": seq,
            "id": item.id,
            "body": keys.seal_json(ITEM_BODY, (thread_id, seq), item.body),
            "size": size,
            "answer_id": item.answer_id,
            "platform": None if item.state is None else item.state.platform,
            "state": None
            if item.state is None
            else keys.seal_json(ITEM_STATE, (thread_id, seq), list(item.state.items)),
        }
        for seq, (item, size) in enumerate(zip(items, sizes, strict=True), first)
    ]


def size_of(item: Item) -> int:
    """What an item counts for, in bytes of JSON."""
    state = b"" if item.state is None else orjson.dumps(item.state.items)
    return len(orjson.dumps(item.body)) + len(state)


def sizes_of(items: Sequence[Item]) -> list[int]:
    """The same of a caller's items; raises RequestError where one is too large."""
    sizes = [size_of(item) for item in items]
    for index, size in enumerate(sizes):
        if size > ITEM_BYTES_MAX:
            message = f"an item has {ITEM_BYTES_MAX} bytes at most"
            raise RequestError("invalid_request", message, (Violation(f"/items/{index}", message),))
    return sizes


def thread_of(keys: Keys, row: _Found) -> Thread:
    """The thread in its row."""
    labels = keys.open_json(THREAD_METADATA, (row.id,), row.metadata)
    return Thread(row.id, labels, row.created_at, row.vendor, row.vendor_id)


def item_of(keys: Keys, row: _Found) -> Item:
    """The item in its row."""
    place, state = (row.thread_id, row.seq), None
    if row.state is not None:
        own_words = keys.open_json(ITEM_STATE, place, row.state)
        state = ProviderState(row.platform, tuple(own_words))
    return Item(row.id, keys.open_json(ITEM_BODY, place, row.body), row.answer_id, state)
