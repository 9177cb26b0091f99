"""Reading calls, results and tools out of a vendor's body, as every dialect has to."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import cast

import orjson

from deployments.ingress.vendor_errors import invalid
from routing.message import JsonObject, Message, ToolSpec

NO_PARAMETERS: JsonObject = {"type": "object", "properties": {}}
"""The schema of a function that takes nothing."""


def arguments(raw: str, where: str) -> JsonObject:
    """The arguments of a call, which OpenAI carries as text.

    Raises:
        RequestError: they are no JSON object.
    """
    try:
        value: object = orjson.loads(raw) if raw.strip() else {}
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        raise invalid(where, "not a JSON object")
    return cast("JsonObject", value)


def chosen(tools: Sequence[ToolSpec], names: Collection[str], where: str) -> tuple[ToolSpec, ...]:
    """The tools of those names: a model that is shown no other one can call no other one.

    Raises:
        RequestError: a name is not among them.
    """
    for name in names:
        if all(tool.name != name for tool in tools):
            raise invalid(where, f"there is no tool {name}")
    return tuple(tool for tool in tools if tool.name in names)


def turns(pieces: Iterable[Message], where: str) -> tuple[Message, ...]:
    """The conversation in whole turns: calls of one turn together, and so their results.

    Raises:
        RequestError: there is nothing to answer, or a result that nobody asked for.
    """
    joined: list[Message] = []
    called: set[str] = set()
    for piece in pieces:
        for result in piece.tool_results:
            if result.call_id not in called:
                raise invalid(where, f"the result {result.call_id} answers no call before it")
        called.update(call.id for call in piece.tool_calls)
        last = joined[-1] if joined else None
        if last is None or last.role != piece.role or not _continues(last, piece):
            joined.append(piece)
            continue
        joined[-1] = replace(
            last,
            tool_calls=last.tool_calls + piece.tool_calls,
            tool_results=last.tool_results + piece.tool_results,
        )
    if not joined:
        raise invalid(where, "there is no message to answer")
    return tuple(joined)


def _continues(last: Message, piece: Message) -> bool:
    if piece.text:
        return False
    return bool(piece.tool_calls) or bool(piece.tool_results and last.tool_results)
