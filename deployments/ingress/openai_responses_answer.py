"""What POST /v1/responses gives, as OpenAI's clients read it."""

from typing import Literal

from pydantic import BaseModel, JsonValue

from deployments.ingress.openai_responses_schema import ResponsesConversationId


class ResponsesIncomplete(BaseModel):
    """Why the answer stops early."""

    reason: Literal["max_output_tokens", "content_filter"]


class ResponsesInputDetails(BaseModel):
    """How much of the input was read from a cache or written to one."""

    cached_tokens: int
    cache_write_tokens: int


class ResponsesOutputDetails(BaseModel):
    """How much of the output was reasoning."""

    reasoning_tokens: int


class ResponsesUsage(BaseModel):
    """Tokens of the answer."""

    input_tokens: int
    input_tokens_details: ResponsesInputDetails
    output_tokens: int
    output_tokens_details: ResponsesOutputDetails
    total_tokens: int


class ResponsesAnswer(BaseModel):
    """A whole response; `model` is the one that answered. What was asked is repeated in it."""

    id: str
    object: Literal["response"]
    created_at: int
    status: Literal["completed", "incomplete"]
    error: None
    incomplete_details: ResponsesIncomplete | None
    model: str
    output: list[dict[str, JsonValue]]
    conversation: ResponsesConversationId | None
    usage: ResponsesUsage
    background: Literal[False]
    instructions: str | None
    max_output_tokens: int | None
    metadata: dict[str, str]
    parallel_tool_calls: bool
    previous_response_id: None
    store: Literal[False]
    temperature: None
    text: dict[str, JsonValue]
    tool_choice: str | dict[str, JsonValue]
    tools: list[dict[str, JsonValue]]
    top_p: None
    truncation: Literal["disabled"]
    user: str | None
