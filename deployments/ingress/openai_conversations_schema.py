"""The bodies and answers of /v1/conversations, as OpenAI documents them."""

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, Field, JsonValue, RootModel, StringConstraints

from deployments.ingress.openai_responses_schema import ResponsesItem
from deployments.ingress.vendor_schema import VendorBody

# OpenAI's own bounds.
ITEMS_AT_ONCE = 20
_PAIRS_MAX = 16

_Labels: TypeAlias = Annotated[
    dict[
        Annotated[str, StringConstraints(max_length=64)],
        Annotated[str, StringConstraints(max_length=512)],
    ],
    Field(max_length=_PAIRS_MAX),
]


class ConversationBody(VendorBody):
    """What a conversation begins with: nothing, or what was said elsewhere before."""

    items: list[ResponsesItem] | None = Field(None, max_length=ITEMS_AT_ONCE)
    metadata: _Labels | None = None


class ConversationLabels(VendorBody):
    """New metadata, in place of what was there."""

    metadata: _Labels | None


class ConversationItemsBody(VendorBody):
    """Items to put at a conversation's end."""

    items: list[ResponsesItem] = Field(min_length=1, max_length=ITEMS_AT_ONCE)


class ConversationAnswer(BaseModel):
    """A conversation; its items are asked for separately."""

    id: str
    object: Literal["conversation"]
    created_at: int
    metadata: dict[str, str]


class ConversationDeleted(BaseModel):
    """A conversation that is gone."""

    id: str
    object: Literal["conversation.deleted"]
    deleted: Literal[True]


class ConversationItem(RootModel[dict[str, JsonValue]]):
    """A message, a call, what a call returned, or reasoning."""


class ConversationItems(BaseModel):
    """Some of a conversation's items; the ids are empty where there are none."""

    object: Literal["list"]
    data: list[ConversationItem]
    first_id: str
    last_id: str
    has_more: bool
