"""`/conversations` as OpenAI plays it: threads that keep their items, the oldest forgotten first."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, TypeVar

from pydantic import Field, ValidationError
from starlette.responses import Response

from deployments.simulators.exchange import Exchange, Stage, mint
from deployments.simulators.openai_errors import OpenAIWireError, invalid_request
from deployments.simulators.openai_items import (
    ITEM_TAGS,
    FunctionCall,
    FunctionCallOutput,
    Item,
    Items,
    Json,
    Message,
    OpenAIWire,
    ReasoningItem,
)
from deployments.simulators.responses_api import Dialect, body_of

MAX_CONVERSATIONS = 100  # a test makes a handful; a demo that makes more forgets the first
MAX_ITEMS = 1_000  # of one conversation
ITEMS_AT_ONCE = 20  # OpenAI's own bound
_PAGE, _PAGE_MAX = 20, 100

_Metadata = Annotated[dict[str, Annotated[str, Field(max_length=512)]] | None, Field(max_length=16)]


class _Create(OpenAIWire):
    metadata: _Metadata = None
    items: list[Item] | None = Field(default=None, max_length=ITEMS_AT_ONCE)


class _Update(OpenAIWire):
    metadata: _Metadata


class _Add(OpenAIWire):
    items: list[Item] = Field(min_length=1, max_length=ITEMS_AT_ONCE)


@dataclass(slots=True)
class _Conversation:
    id: str
    created_at: int
    metadata: dict[str, str]
    items: list[Json]

    def as_json(self) -> Json:
        return {
            "id": self.id,
            "object": "conversation",
            "created_at": self.created_at,
            "metadata": self.metadata,
        }


class Conversations:
    """The conversations of one simulator."""

    def __init__(self, stage: Stage, dialect: Dialect) -> None:
        self._stage = stage
        self._dialect = dialect
        self._kept: OrderedDict[str, _Conversation] = OrderedDict()

    def create(self, exchange: Exchange) -> Response:
        """Answer `POST /conversations`."""
        body = _parsed(_Create, exchange)
        made = _Conversation(
            mint("conv_"), int(self._stage.now().timestamp()), body.metadata or {}, []
        )
        made.items += _numbered(body.items or ())
        self._kept[made.id] = made
        if len(self._kept) > MAX_CONVERSATIONS:
            self._kept.popitem(last=False)
        return self._reply(exchange, made.as_json())

    def show(self, exchange: Exchange) -> Response:
        """Answer `GET /conversations/{id}`."""
        return self._reply(exchange, self._named(exchange).as_json())

    def update(self, exchange: Exchange) -> Response:
        """Answer `POST /conversations/{id}`."""
        found = self._named(exchange)
        found.metadata = _parsed(_Update, exchange).metadata or {}
        return self._reply(exchange, found.as_json())

    def delete(self, exchange: Exchange) -> Response:
        """Answer `DELETE /conversations/{id}`."""
        found = self._named(exchange)
        del self._kept[found.id]
        gone = {"id": found.id, "object": "conversation.deleted", "deleted": True}
        return self._reply(exchange, gone)

    def list_items(self, exchange: Exchange) -> Response:
        """Answer `GET /conversations/{id}/items`, newest first unless asked otherwise."""
        query = exchange.request.query_params
        items = self._named(exchange).items
        if query.get("order", "desc") == "desc":
            items = items[::-1]
        after, given = query.get("after"), query.get("limit", str(_PAGE))
        if not (given.isascii() and given.isdigit() and 1 <= int(given) <= _PAGE_MAX):
            raise OpenAIWireError(400, "Invalid 'limit'.", param="limit", code="invalid_value")
        start = 0 if after is None else _place(items, after) + 1
        end = start + int(given)
        return self._reply(exchange, _listed(items[start:end], has_more=end < len(items)))

    def add_items(self, exchange: Exchange) -> Response:
        """Answer `POST /conversations/{id}/items`."""
        found = self._named(exchange)
        added = _numbered(_parsed(_Add, exchange).items)
        self._extend(found, added)
        return self._reply(exchange, _listed(added, has_more=False))

    def show_item(self, exchange: Exchange) -> Response:
        """Answer `GET /conversations/{id}/items/{item}`."""
        items = self._named(exchange).items
        return self._reply(exchange, items[_place(items, _path(exchange, "item"))])

    def delete_item(self, exchange: Exchange) -> Response:
        """Answer `DELETE /conversations/{id}/items/{item}`."""
        found = self._named(exchange)
        del found.items[_place(found.items, _path(exchange, "item"))]
        return self._reply(exchange, found.as_json())

    def items_of(self, conversation: str) -> list[Item]:
        """Return what was said in a conversation; raises OpenAIWireError where there is none."""
        return Items.validate_python(self._find(conversation).items)

    def keep(self, conversation: str, asked: Sequence[Item], output: Sequence[Json]) -> None:
        """Add an answer and what it answers; a conversation deleted meanwhile takes nothing."""
        found = self._kept.get(conversation)
        if found is not None:
            self._extend(found, [*_numbered(asked), *output])

    def _extend(self, found: _Conversation, items: Sequence[Json]) -> None:
        if len(found.items) + len(items) > MAX_ITEMS:
            raise OpenAIWireError(400, f"A conversation holds at most {MAX_ITEMS} items here.")
        found.items += items

    def _named(self, exchange: Exchange) -> _Conversation:
        return self._find(_path(exchange, "conversation"))

    def _find(self, conversation: str) -> _Conversation:
        found = self._kept.get(conversation)
        if found is None:
            raise OpenAIWireError(404, f"Conversation with id '{conversation}' not found.")
        return found

    def _reply(self, exchange: Exchange, payload: Json) -> Response:
        return exchange.reply_json(payload, headers=self._dialect.headers())


_Body = TypeVar("_Body", _Create, _Update, _Add)


def _parsed(model: type[_Body], exchange: Exchange) -> _Body:
    try:
        return model.model_validate(body_of(exchange))
    except ValidationError as error:
        raise invalid_request(error.errors(include_url=False)[0], ITEM_TAGS) from error


def _path(exchange: Exchange, name: str) -> str:
    return str(exchange.request.path_params[name])


def _place(items: Sequence[Json], item_id: str) -> int:
    for place, item in enumerate(items):
        if item["id"] == item_id:
            return place
    raise OpenAIWireError(404, f"Item with id '{item_id}' not found.")


def _numbered(items: Sequence[Item]) -> list[Json]:
    """Return items as they are kept: whole, and each under an id of its own."""
    return [
        {
            **({} if isinstance(item, ReasoningItem) else {"status": "completed"}),
            **item.model_dump(exclude_none=True, by_alias=True),
            "id": mint(_prefix(item)),
        }
        for item in items
    ]


def _prefix(item: Item) -> str:
    match item:
        case Message():
            return "msg_"
        case FunctionCall():
            return "fc_"
        case FunctionCallOutput():
            return "fco_"
        case ReasoningItem():
            return "rs_"


def _listed(items: Sequence[Json], *, has_more: bool) -> Json:
    return {
        "object": "list",
        "data": list(items),
        "first_id": items[0]["id"] if items else None,
        "last_id": items[-1]["id"] if items else None,
        "has_more": has_more,
    }
