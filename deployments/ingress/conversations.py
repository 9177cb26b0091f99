"""OpenAI's conversations: /v1/conversations and the items in them, for the tenant they belong to."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from starlette.datastructures import QueryParams
from starlette.responses import Response

from actors.database.thread_rows import Item, Thread
from actors.database.threads import Threads
from deployments.ingress.conversation_items import stored
from deployments.ingress.parameters import Parameter, number, text, word
from deployments.ingress.routes import Call, reply
from deployments.ingress.vendor_errors import invalid
from deployments.security.reach import customer_of, only_of
from routing.clock import Clock

if TYPE_CHECKING:
    from deployments.ingress.openai_conversations_schema import (
        ConversationBody,
        ConversationItemsBody,
        ConversationLabels,
    )

# OpenAI's own.
_PAGE, _PAGE_MAX = 20, 100

ITEM_QUERY: Mapping[str, Parameter] = {
    "include": text("Taken, and changes nothing: items are given as they are kept.", least=0),
}
PAGE_QUERY: Mapping[str, Parameter] = {
    **ITEM_QUERY,
    "after": text("The id of the item to go on behind."),
    "limit": number(f"How many items; {_PAGE} if left out.", 1, _PAGE_MAX),
    "order": word("desc for the newest first, which is the default.", "asc", "desc"),
}
"""What a listing may be asked with."""


class Conversations:
    """The routes of conversations; what is another tenant's is as unknown as nothing.

    So is another person's to a caller who may ask about nobody else.
    """

    def __init__(self, threads: Threads, clock: Clock) -> None:
        self._threads = threads
        self._clock = clock

    async def create(self, call: Call) -> Response:
        """POST /v1/conversations."""
        body: ConversationBody = call.body
        items = stored(body.items or (), "/items")
        labels = body.metadata or {}
        made = await self._threads.create(
            call.principal.tenant, labels, items, self._clock.now(), _owner(call, labels)
        )
        return reply(_conversation(made))

    async def show(self, call: Call) -> Response:
        """GET /v1/conversations/{id}."""
        found = await self._threads.get(
            call.principal.tenant, _id(call), owner=only_of(call.principal)
        )
        return reply(_conversation(found))

    async def relabel(self, call: Call) -> Response:
        """POST /v1/conversations/{id}."""
        body: ConversationLabels = call.body
        labels = body.metadata or {}
        changed = await self._threads.relabel(
            call.principal.tenant,
            _id(call),
            labels,
            _owner(call, labels),
            owner=only_of(call.principal),
        )
        return reply(_conversation(changed))

    async def delete(self, call: Call) -> Response:
        """DELETE /v1/conversations/{id}; a header names what is left at a vendor."""
        gone = await self._threads.delete(
            call.principal.tenant, _id(call), owner=only_of(call.principal)
        )
        response = reply({"id": gone.id, "object": "conversation.deleted", "deleted": True})
        if gone.vendor_id is not None:
            response.headers["x-supportmax-vendor-conversation"] = gone.vendor_id
        return response

    async def items(self, call: Call) -> Response:
        """GET /v1/conversations/{id}/items."""
        query = call.request.query_params
        page = await self._threads.page(
            call.principal.tenant,
            _id(call),
            query.get("after"),
            _limit(query),
            newest_first=_newest_first(query),
            owner=only_of(call.principal),
        )
        return reply(_listed(page.items, has_more=page.has_more))

    async def add(self, call: Call) -> Response:
        """POST /v1/conversations/{id}/items."""
        body: ConversationItemsBody = call.body
        items = stored(body.items, "/items")
        await self._threads.add(
            call.principal.tenant,
            _id(call),
            items,
            self._clock.now(),
            owner=only_of(call.principal),
        )
        return reply(_listed(items, has_more=False))

    async def item(self, call: Call) -> Response:
        """GET /v1/conversations/{id}/items/{item}."""
        found = await self._threads.item(
            call.principal.tenant, _id(call), _item_id(call), owner=only_of(call.principal)
        )
        return reply(found.body)

    async def drop(self, call: Call) -> Response:
        """DELETE /v1/conversations/{id}/items/{item}."""
        left = await self._threads.drop(
            call.principal.tenant,
            _id(call),
            _item_id(call),
            self._clock.now(),
            owner=only_of(call.principal),
        )
        return reply(_conversation(left))


def _owner(call: Call, labels: Mapping[str, str]) -> str | None:
    """Whose it is: of a caller who may ask about nobody else its own, else whom the labels name."""
    return customer_of(call.principal, labels.get("user_id"))


def _id(call: Call) -> str:
    return str(call.request.path_params["id"])


def _item_id(call: Call) -> str:
    return str(call.request.path_params["item"])


def _limit(query: QueryParams) -> int:
    given = query.get("limit", str(_PAGE))
    # Digits alone: int() also takes signs, spaces and underscores.
    limit = int(given) if given.isascii() and given.isdigit() and len(given) <= 3 else 0
    if not 1 <= limit <= _PAGE_MAX:
        raise invalid("/limit", f"not in 1..{_PAGE_MAX}")
    return limit


def _newest_first(query: QueryParams) -> bool:
    order = query.get("order", "desc")
    if order not in {"asc", "desc"}:
        raise invalid("/order", "asc or desc")
    return order == "desc"


def _conversation(thread: Thread) -> dict[str, object]:
    return {
        "id": thread.id,
        "object": "conversation",
        "created_at": int(thread.created_at),
        "metadata": thread.metadata,
    }


def _listed(items: Sequence[Item], *, has_more: bool) -> dict[str, object]:
    return {
        "object": "list",
        "data": [item.body for item in items],
        "first_id": items[0].id if items else "",
        "last_id": items[-1].id if items else "",
        "has_more": has_more,
    }
