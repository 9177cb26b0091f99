"""Threads: conversations of OpenAI's API, item by item, with one writer at a time.

Whoever runs a thread holds a lease on it until a moment named in advance: a process that
dies in the middle leaves the thread as it was, and free again at that moment.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection, delete, insert, select, update

from actors.database import thread_rows as rows_of
from actors.database.engine import Database
from actors.database.errors import DatabaseBusy, DatabaseUnavailable
from actors.database.sealed_places import THREAD_METADATA
from actors.database.tables import thread, thread_item
from actors.database.thread_rows import Held, Item, Page, Thread
from routing.errors import AccessError, ConflictError, RequestError


class Threads:
    """Keeps threads, each for the tenant it belongs to and nobody else.

    To a caller who names an `owner` the threads of others are as unknown as none, and so are those
    of which nobody knows whose they are; None reaches all of the tenant's.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(
        self,
        tenant: str,
        metadata: Mapping[str, str],
        items: Sequence[Item],
        now: float,
        user_id: str | None = None,
    ) -> Thread:
        """Begin a thread; `user_id` says whose it is, and it goes when they are erased.

        Raises:
            RequestError: an item is too large.
        """
        made = Thread(f"conv_{secrets.token_hex(24)}", metadata, now)
        keys = await self._database.sealing.to_seal(tenant)
        sizes = rows_of.sizes_of(items)
        opening = {
            "tenant": tenant,
            "id": made.id,
            "metadata": keys.seal_json(THREAD_METADATA, (made.id,), dict(metadata)),
            "last_seq": len(items),
            "items": len(items),
            "bytes": sum(sizes),
            "created_at": now,
            "updated_at": now,
            "user_id": user_id,
        }
        rows = rows_of.values(keys, tenant, made.id, 1, items, sizes)

        def work(connection: Connection) -> None:
            connection.execute(insert(thread), opening)
            if rows:
                connection.execute(insert(thread_item), rows)

        await self._database.write(work)
        return made

    async def get(self, tenant: str, thread_id: str, *, owner: str | None) -> Thread:
        """The tenant's thread of that id; raises AccessError: `not_found`."""
        keys = await self._database.sealing.to_open(tenant)
        return await self._database.read(
            lambda connection: rows_of.thread_of(
                keys, rows_of.find(connection, tenant, thread_id, owner)
            )
        )

    async def relabel(
        self,
        tenant: str,
        thread_id: str,
        metadata: Mapping[str, str],
        user_id: str | None = None,
        *,
        owner: str | None,
    ) -> Thread:
        """Replace the metadata, and say whose it is if that is known; raises AccessError: `not_found`."""
        keys = await self._database.sealing.to_seal(tenant)
        labels = keys.seal_json(THREAD_METADATA, (thread_id,), dict(metadata))

        def work(connection: Connection) -> Thread:
            values = {"of": tenant, "named": thread_id, "labels": labels, "owner": user_id}
            row = rows_of.find(connection, tenant, thread_id, owner)
            connection.execute(rows_of.RELABEL, values)
            return replace(rows_of.thread_of(keys, row), metadata=dict(metadata))

        return await self._database.write(work)

    async def delete(self, tenant: str, thread_id: str, *, owner: str | None) -> Thread:
        """Remove the thread with all its items; raises AccessError: `not_found`.

        A run under way finds nothing to add to when it ends.
        """
        keys = await self._database.sealing.to_open(tenant)

        def work(connection: Connection) -> Thread:
            gone = rows_of.thread_of(keys, rows_of.find(connection, tenant, thread_id, owner))
            connection.execute(rows_of.DELETE, {"of": tenant, "named": thread_id})
            return gone

        return await self._database.write(work)

    async def page(
        self,
        tenant: str,
        thread_id: str,
        after: str | None,
        limit: int,
        *,
        newest_first: bool,
        owner: str | None,
    ) -> Page:
        """At most `limit` items, from behind the item `after` on.

        Raises:
            AccessError: `not_found`: there is no such thread, or no such item in it.
            RequestError: its items are kept at the vendor.
        """
        keys = await self._database.sealing.to_open(tenant)

        def work(connection: Connection) -> Page:
            rows_of.must_be_here(rows_of.find(connection, tenant, thread_id, owner))
            statement = select(thread_item).where(
                thread_item.c.tenant == tenant, thread_item.c.thread_id == thread_id
            )
            seq = thread_item.c.seq
            if after is not None:
                passed = rows_of.find_item(connection, tenant, thread_id, after).seq
                statement = statement.where(seq < passed if newest_first else seq > passed)
            statement = statement.order_by(seq.desc() if newest_first else seq).limit(limit + 1)
            rows = connection.execute(statement).all()
            return Page([rows_of.item_of(keys, row) for row in rows[:limit]], len(rows) > limit)

        return await self._database.read(work)

    async def item(self, tenant: str, thread_id: str, item_id: str, *, owner: str | None) -> Item:
        """One item; raises as `page` does."""
        keys = await self._database.sealing.to_open(tenant)

        def work(connection: Connection) -> Item:
            rows_of.must_be_here(rows_of.find(connection, tenant, thread_id, owner))
            return rows_of.item_of(keys, rows_of.find_item(connection, tenant, thread_id, item_id))

        return await self._database.read(work)

    async def add(
        self,
        tenant: str,
        thread_id: str,
        items: Sequence[Item],
        now: float,
        *,
        owner: str | None,
    ) -> None:
        """Put `items` at the thread's end.

        Raises:
            AccessError: `not_found`.
            ConflictError: `conversation_locked`: a run is under way.
            RequestError: an item is too large, the thread is full, or its items are elsewhere.
        """
        sizes = rows_of.sizes_of(items)
        keys = await self._database.sealing.to_seal(tenant)

        def work(connection: Connection) -> None:
            row = rows_of.find_free(connection, tenant, thread_id, owner, now)
            rows_of.must_be_here(row)
            rows_of.must_have_room(row, len(items), sum(sizes))
            rows_of.append(connection, keys, row, tenant, items, sizes, now)

        await self._database.write(work)

    async def drop(
        self, tenant: str, thread_id: str, item_id: str, now: float, *, owner: str | None
    ) -> Thread:
        """Remove one item, and what the platform that made it would still be told of it.

        Raises:
            AccessError: `not_found`: there is no such thread, or no such item in it.
            ConflictError: `conversation_locked`: a run is under way.
            RequestError: its items are kept at the vendor.
        """
        keys = await self._database.sealing.to_open(tenant)

        def work(connection: Connection) -> Thread:
            row = rows_of.find_free(connection, tenant, thread_id, owner, now)
            rows_of.must_be_here(row)
            gone = rows_of.find_item(connection, tenant, thread_id, item_id)
            mine = (thread_item.c.tenant == tenant) & (thread_item.c.thread_id == thread_id)
            connection.execute(delete(thread_item).where(mine, thread_item.c.seq == gone.seq))
            if gone.answer_id is not None:
                # The platform's own words hold the whole answer: with a part gone, all must go.
                connection.execute(
                    update(thread_item)
                    .where(mine, thread_item.c.answer_id == gone.answer_id)
                    .values(platform=None, state=None)
                )
            left = {"items": row.items - 1, "bytes": row.bytes - gone.size, "updated_at": now}
            connection.execute(
                update(thread)
                .where(thread.c.tenant == tenant, thread.c.id == thread_id)
                .values(left)
            )
            return rows_of.thread_of(keys, row)

        return await self._database.write(work)

    async def hold(
        self,
        tenant: str,
        thread_id: str,
        adding: Sequence[Item],
        now: float,
        until: float,
        *,
        owner: str | None,
    ) -> Held:
        """Take the thread for a run that will add `adding` and its answer; free again at `until`.

        Who does not get it whole, for whatever reason, does not hold it either.

        Raises:
            AccessError: `not_found`.
            ConflictError: `conversation_locked`: another run is under way.
            RequestError: an item is too large, or the thread is full.
            SealBroken, KeysUnavailable: what is in it cannot be opened.
            DatabaseBusy, DatabaseUnavailable: it cannot be read now.
        """
        lease = secrets.token_hex(8)
        sizes = rows_of.sizes_of(adding)
        # What the run will come to is to be kept: it is not begun where that could not be.
        keys = await self._database.sealing.to_seal(tenant)

        def work(connection: Connection) -> Thread:
            row = rows_of.find_free(connection, tenant, thread_id, owner, now)
            rows_of.must_have_room(row, len(adding), sum(sizes))
            values = {"of": tenant, "named": thread_id, "holder": lease, "until": until}
            connection.execute(rows_of.LEASE, values)
            return rows_of.thread_of(keys, row)

        asked = {"of": tenant, "named": thread_id}
        try:
            taken = await self._database.write(work)
            # Not with the writer's lock held: a long thread takes milliseconds to read.
            rows = await self._database.read(
                lambda connection: connection.execute(rows_of.ITEMS, asked).all()
            )
            return Held(lease, taken, [rows_of.item_of(keys, row) for row in rows])
        except (AccessError, ConflictError, RequestError):
            raise  # It was not taken.
        except BaseException:
            # Nobody else knows the lease. Who stopped waiting is not waited with.
            await asyncio.shield(self._give_up(tenant, thread_id, lease))
            raise

    async def finish(
        self,
        tenant: str,
        thread_id: str,
        lease: str,
        items: Sequence[Item],
        now: float,
        vendor: tuple[str, str] | None = None,
    ) -> None:
        """Add what a run came to and let the thread go; all of it, or nothing.

        What was answered is kept whatever its size: it was bounded where it was made.
        `vendor` says where the items are kept from now on, and by which id.

        Raises:
            ConflictError: `conversation_changed`: the lease ran out and another run began, or
                the thread was deleted meanwhile.
        """
        sizes = [rows_of.size_of(item) for item in items]
        keys = await self._database.sealing.to_seal(tenant)

        def work(connection: Connection) -> None:
            row = connection.execute(rows_of.THREAD, {"of": tenant, "named": thread_id}).first()
            if row is None or row.lease != lease:
                message = "The conversation was deleted, or run by somebody else, meanwhile."
                raise ConflictError("conversation_changed", message)
            rows_of.append(connection, keys, row, tenant, items, sizes, now, vendor)

        await self._database.write(work)

    async def _give_up(self, tenant: str, thread_id: str, lease: str) -> None:
        # Where even that cannot be written, the lease ends at its moment.
        with contextlib.suppress(DatabaseBusy, DatabaseUnavailable):
            await self.release(tenant, thread_id, lease)

    async def release(self, tenant: str, thread_id: str, lease: str) -> None:
        """Let the thread go as it was."""
        statement = (
            update(thread)
            .where(thread.c.tenant == tenant, thread.c.id == thread_id, thread.c.lease == lease)
            .values(lease=None, leased_until=None)
        )
        await self._database.write(lambda connection: connection.execute(statement).close())
