"""The items of a Responses conversation: messages, calls, their outputs and reasoning."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    TypeAdapter,
    model_validator,
)
from pydantic_core import PydanticCustomError

from deployments.simulators.openai_errors import OpenAIWireError

Json: TypeAlias = dict[str, object]


class OpenAIWire(BaseModel):
    """A piece of OpenAI's wire: what is not documented is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class TextPart(OpenAIWire):
    """Text of a message: `input_text` from a user, `output_text` from the assistant."""

    type: Literal["input_text", "output_text"]
    text: str
    annotations: list[object] | None = None
    logprobs: list[object] | None = None
    prompt_cache_breakpoint: Json | None = None


class RefusalPart(OpenAIWire):
    """What the assistant declined with."""

    type: Literal["refusal"]
    refusal: str


class AttachmentPart(OpenAIWire):
    """An image or a file: accepted, not looked at."""

    model_config = ConfigDict(extra="allow")

    type: Literal["input_image", "input_file"]


Part: TypeAlias = Annotated[TextPart | RefusalPart | AttachmentPart, Field(discriminator="type")]


class Message(OpenAIWire):
    """A turn of the conversation."""

    type: Literal["message"] = "message"
    role: Literal["user", "assistant", "system", "developer"]
    content: list[Part]
    id: str | None = None
    status: Literal["in_progress", "completed", "incomplete"] | None = None
    phase: Literal["commentary", "final_answer"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _expand_plain_text(cls, value: object) -> object:
        if isinstance(value, Mapping) and isinstance(value.get("content"), str):
            kind = "output_text" if value.get("role") == "assistant" else "input_text"
            return {**value, "content": [{"type": kind, "text": value["content"]}]}
        return value

    @model_validator(mode="after")
    def _speak_for_the_role(self) -> Self:
        allowed = (
            {"output_text", "refusal"}
            if self.role == "assistant"
            else {"input_text", "input_image", "input_file"}
        )
        for part in self.content:
            if part.type not in allowed:
                raise PydanticCustomError(
                    "wrong_part",
                    "'{part}' in a message of role '{role}'. Supported values are: {allowed}",
                    {"part": part.type, "role": self.role, "allowed": sorted(allowed)},
                )
        return self

    @property
    def text(self) -> str:
        """The words of the message."""
        return "\n".join(part.text for part in self.content if isinstance(part, TextPart))


class FunctionCall(OpenAIWire):
    """A call the model made earlier."""

    type: Literal["function_call"]
    call_id: str
    name: str
    arguments: str
    id: str | None = None
    status: Literal["in_progress", "completed", "incomplete"] | None = None
    namespace: str | None = None
    caller: Json | None = None
    is_async: bool | None = Field(default=None, alias="async")


class FunctionCallOutput(OpenAIWire):
    """What a call returned."""

    type: Literal["function_call_output"]
    call_id: str = Field(min_length=1, max_length=64)
    output: str | list[Part]
    id: str | None = None
    status: Literal["in_progress", "completed", "incomplete"] | None = None
    name: str | None = None
    namespace: str | None = None
    caller: Json | None = None

    @property
    def text(self) -> str:
        """The words of the output."""
        if isinstance(self.output, str):
            return self.output
        return "\n".join(part.text for part in self.output if isinstance(part, TextPart))


class ReasoningItem(OpenAIWire):
    """Reasoning the model is to be reminded of."""

    type: Literal["reasoning"]
    id: str
    summary: list[Json]
    encrypted_content: str | None = None
    content: list[Json] | None = None
    status: Literal["in_progress", "completed", "incomplete"] | None = None


def _kind_of_item(value: object) -> object:
    return value.get("type", "message") if isinstance(value, Mapping) else None


Item: TypeAlias = Annotated[
    Annotated[Message, Tag("message")]
    | Annotated[FunctionCall, Tag("function_call")]
    | Annotated[FunctionCallOutput, Tag("function_call_output")]
    | Annotated[ReasoningItem, Tag("reasoning")],
    Discriminator(_kind_of_item),
]
Items: TypeAdapter[list[Item]] = TypeAdapter(list[Item])
ITEM_TAGS = frozenset(
    {"message", "function_call", "function_call_output", "reasoning", "refusal"}
    | {"input_text", "output_text", "input_image", "input_file"}
)


def check_calls_answered(items: Sequence[Item]) -> None:
    """Refuse an output without its call, and a call without its output."""
    calls = {item.call_id for item in items if isinstance(item, FunctionCall)}
    outputs = {item.call_id for item in items if isinstance(item, FunctionCallOutput)}
    for call_id in sorted(outputs - calls):
        raise OpenAIWireError(
            400,
            f"No tool call found for function call output with call_id {call_id}.",
            param="input",
        )
    for call_id in sorted(calls - outputs):
        raise OpenAIWireError(
            400, f"No tool output found for function call {call_id}.", param="input"
        )
