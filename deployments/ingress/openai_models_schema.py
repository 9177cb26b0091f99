"""The answer of GET /v1/models: OpenAI's fields and Anthropic's, as both clients call it."""

from typing import Literal

from pydantic import BaseModel


class ModelRow(BaseModel):
    """A name that `model` may have; `owned_by` is its platform, or supportmax where it chooses."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    type: Literal["model"]
    display_name: str
    created_at: str
    lifecycle: Literal["active"]


class ModelsAnswer(BaseModel):
    """All of them, on one page."""

    object: Literal["list"]
    data: list[ModelRow]
    has_more: Literal[False]
    first_id: str
    last_id: str
