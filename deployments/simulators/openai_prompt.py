"""From a Responses request to what it asks: the prompt a simulated model answers."""

from collections.abc import Sequence

import orjson

from deployments.simulators.answer import estimate_tokens
from deployments.simulators.openai_items import (
    FunctionCall,
    FunctionCallOutput,
    Item,
    Message,
    ReasoningItem,
)
from deployments.simulators.openai_request import AllowedTools, NamedTool, ResponsesRequest
from deployments.simulators.reply import Prompt, SimToolResult
from deployments.simulators.schema import JsonObject
from deployments.simulators.tools import SimTool

_ANY_OBJECT = {
    "type": "object",
    "properties": {"answer": {"type": "string"}},
    "required": ["answer"],
}


def read_prompt(request: ResponsesRequest, items: Sequence[Item]) -> Prompt:
    """Return what is asked by a request whose conversation, earlier turns included, is `items`."""
    asked_at = max(
        (i for i, item in enumerate(items) if isinstance(item, Message) and item.role == "user"),
        default=-1,
    )
    question = items[asked_at] if asked_at >= 0 else None
    tools, must_call = _offered_tools(request)
    begun_for, begun = _begun(items[: max(asked_at, 0)])
    return Prompt(
        question=question.text if isinstance(question, Message) else "",
        instructions=read_instructions(request, items),
        tools=tools,
        must_call=must_call,
        results=_results(items, asked_at),
        schema=_schema(request),
        max_tokens=request.max_output_tokens,
        begun=begun,
        begun_for=begun_for,
    )


def read_instructions(request: ResponsesRequest, items: Sequence[Item]) -> str:
    """Return everything said with the operator's authority."""
    said = [request.instructions or ""]
    said += [
        item.text
        for item in items
        if isinstance(item, Message) and item.role in ("system", "developer")
    ]
    return "\n\n".join(text for text in said if text)


def describe_tools(request: ResponsesRequest) -> str:
    """Return the tools as text, for counting tokens and telling prompts apart."""
    if not request.tools:
        return ""
    return orjson.dumps([tool.model_dump(exclude_none=True) for tool in request.tools]).decode()


def count_tokens(items: Sequence[Item]) -> int:
    """Return the tokens of a conversation's items, without what the operator said."""
    images = sum(item.image_tokens for item in items if isinstance(item, Message))
    return images + sum(estimate_tokens(_words(item)) for item in items)


def _words(item: Item) -> str:
    match item:
        case Message(role="system" | "developer"):
            return ""
        case Message() | FunctionCallOutput():
            return item.text
        case FunctionCall():
            return f"{item.name} {item.arguments}"
        case ReasoningItem():
            return ""


def _begun(items: Sequence[Item]) -> tuple[str, str]:
    """What was asked before, and the answer that was given or begun."""
    spoken = [item for item in items if isinstance(item, Message)]
    asked = [item.text for item in spoken if item.role == "user"]
    answered = [item.text for item in spoken if item.role == "assistant"]
    return (asked or [""])[-1], (answered or [""])[-1]


def _results(items: Sequence[Item], asked_at: int) -> tuple[SimToolResult, ...]:
    names = {item.call_id: item.name for item in items if isinstance(item, FunctionCall)}
    return tuple(
        SimToolResult(names[item.call_id], item.text)
        for item in items[asked_at + 1 :]
        if isinstance(item, FunctionCallOutput)
    )


def _offered_tools(request: ResponsesRequest) -> tuple[tuple[SimTool, ...], bool]:
    match request.tool_choice:
        case NamedTool(name=name):
            allowed, must_call = {name}, True
        case AllowedTools(tools=tools, mode=mode):
            allowed, must_call = {tool.name for tool in tools}, mode == "required"
        case "none":
            return (), False
        case choice:
            allowed, must_call = {tool.name for tool in request.tools}, choice == "required"
    offered = tuple(
        SimTool(tool.name, tool.description or "", tool.parameters or {})
        for tool in request.tools
        if tool.name in allowed
    )
    return offered, must_call


def _schema(request: ResponsesRequest) -> JsonObject | None:
    form = request.text.format
    return form.json_schema if form.type != "json_object" else _ANY_OBJECT
