"""Reading calls, results and tools out of a vendor's body, as every dialect has to."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import cast

import orjson

from deployments.ingress.vendor_errors import invalid
from deployments.nesting import is_deeper, said
from routing.message import (
    MAX_IMAGES,
    Image,
    JsonObject,
    Message,
    ToolCall,
    ToolResult,
    ToolSpec,
)

NO_PARAMETERS: JsonObject = {
    "type": "object",
    "properties": {},
    "required": [],
    "additionalProperties": False,
}
"""The schema of a function that takes nothing; strict mode can hold to it."""


def arguments(raw: str, where: str) -> JsonObject:
    """The arguments of a call, which OpenAI carries as text.

    Raises:
        RequestError: they are no JSON object, or one that is nested too deep.
    """
    try:
        value: object = orjson.loads(raw) if raw.strip() else {}
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        raise invalid(where, "not a JSON object")
    if is_deeper(value):
        raise invalid(where, said())
    return cast("JsonObject", value)


def beside(given: Sequence[ToolSpec], own: Iterable[ToolSpec]) -> tuple[ToolSpec, ...]:
    """The `given` tools and, of the caller's `own`, those of other names."""
    names = {tool.name for tool in given}
    return (*given, *(tool for tool in own if tool.name not in names))


def chosen(tools: Sequence[ToolSpec], names: Collection[str], where: str) -> tuple[ToolSpec, ...]:
    """The tools of those names: a model that is shown no other one can call no other one.

    Raises:
        RequestError: a name is not among them.
    """
    for name in names:
        if all(tool.name != name for tool in tools):
            raise invalid(where, f"there is no tool {name}")
    return tuple(tool for tool in tools if tool.name in names)


def turns(pieces: Iterable[Message], where: str, *, is_whole: bool = True) -> tuple[Message, ...]:
    """The conversation in whole turns: calls of one turn together, and so their results.

    Where it is not whole, a result may answer a call that stands elsewhere.

    Raises:
        RequestError: there is nothing to answer, a result that nobody asked for, or too many
            images.
    """
    # With all calls and results of each: there may be thousands, and each would copy those before it.
    joined: list[tuple[Message, list[ToolCall], list[ToolResult]]] = []
    called: set[str] = set()
    images = 0
    for piece in pieces:
        images += len(piece.images)
        for result in piece.tool_results:
            if is_whole and result.call_id not in called:
                raise invalid(where, f"the result {result.call_id} answers no call before it")
        called.update(call.id for call in piece.tool_calls)
        if not joined or not _continues(joined[-1][0], piece):
            joined.append((piece, [], []))
        joined[-1][1].extend(piece.tool_calls)
        joined[-1][2].extend(piece.tool_results)
    if not joined:
        raise invalid(where, "there is no message to answer")
    if images > MAX_IMAGES:
        raise invalid(where, f"at most {MAX_IMAGES} images, not {images}")
    return tuple(
        first
        if len(calls) + len(results) == len(first.tool_calls) + len(first.tool_results)
        else replace(first, tool_calls=tuple(calls), tool_results=tuple(results))
        for first, calls, results in joined
    )


def asked(text: str, images: tuple[Image, ...], where: str) -> Message:
    """What a user asks.

    Raises:
        RequestError: nothing is asked; vendors refuse an empty text, each in other words.
    """
    if not text.strip() and not images:
        raise invalid(where, "an empty message")
    return Message("user", text, images=images)


def _continues(last: Message, piece: Message) -> bool:
    # A turn kept in its platform's own words is sent as it is: nothing can be put into it.
    if last.role != piece.role or last.provider_state is not None or piece.text or piece.images:
        return False
    return bool(piece.tool_calls) or bool(piece.tool_results and last.tool_results)
