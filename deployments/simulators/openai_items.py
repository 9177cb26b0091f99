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

from deployments.simulators.images import (
    MEGAPIXEL,
    BadImageError,
    count_patches,
    is_web_address,
    measure,
    split_data_url,
)
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


class ImagePart(OpenAIWire):
    """An image by its address, or in a data: URL; checked, not looked at."""

    type: Literal["input_image"]
    image_url: str | None = None
    file_id: str | None = None
    detail: Literal["auto", "low", "high", "original"] | None = None
    prompt_cache_breakpoint: Json | None = None

    @model_validator(mode="after")
    def _is_an_image(self) -> Self:
        if (self.image_url is None) == (self.file_id is None):
            raise PydanticCustomError("image", "expected one of image_url and file_id")
        inline = split_data_url(self.image_url or "")
        if inline is not None:
            try:
                measure(*inline)
            except BadImageError as error:
                raise PydanticCustomError("image", "{said}", {"said": str(error)}) from error
        elif self.image_url is not None and not is_web_address(self.image_url):
            raise PydanticCustomError(
                "image", "Expected a valid URL, but got a value with an invalid format"
            )
        return self

    @property
    def tokens(self) -> int:
        """What it costs in high detail: 2,500 patches of 32 pixels at most, 1.2 tokens each."""
        inline = split_data_url(self.image_url or "")
        size = measure(*inline) if inline else MEGAPIXEL
        return -(-count_patches(size, 32, 2_500) * 6 // 5)


class AttachmentPart(OpenAIWire):
    """A file: accepted, not looked at."""

    model_config = ConfigDict(extra="allow")

    type: Literal["input_file"]


Part: TypeAlias = Annotated[
    TextPart | RefusalPart | ImagePart | AttachmentPart, Field(discriminator="type")
]


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

    @property
    def image_tokens(self) -> int:
        """What its images cost."""
        return sum(part.tokens for part in self.content if isinstance(part, ImagePart))


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
