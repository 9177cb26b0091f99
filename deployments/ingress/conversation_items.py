"""What is kept of a conversation: a caller's items and answers as they are stored, and back. Pure.

An answer whose platform gave more than words (reasoning that has to come back to it unchanged)
begins with a reasoning item; the platform's own words are kept behind it and are sent to that
platform alone. Everybody else is told the messages and calls.
"""

import secrets
from collections.abc import Sequence
from itertools import groupby

from pydantic import TypeAdapter

from actors.database.thread_rows import Item
from deployments.ingress import openai_responses_words as words
from deployments.ingress.dialect import Earlier, Stamp
from deployments.ingress.openai_responses import pieces, system_texts
from deployments.ingress.openai_responses_schema import (
    ResponsesCall,
    ResponsesItem,
    ResponsesMessage,
    ResponsesPart,
    ResponsesReasoning,
    ResponsesResult,
    ResponsesText,
)
from deployments.ingress.vendor_errors import invalid
from routing.exchange import ChatReply
from routing.message import Json, JsonObject, Message

_ITEM: TypeAdapter[ResponsesItem] = TypeAdapter(ResponsesItem)


def stored(items: Sequence[ResponsesItem], where: str) -> list[Item]:
    """A caller's items with ids of ours; `where` is the list's JSON pointer.

    Raises:
        RequestError: the arguments of a call are no JSON object, or there is an image.
    """
    # Read once for what it refuses: a conversation that cannot be told again must not begin.
    for piece in pieces(items, where):
        if piece.images:
            # Megabytes in every row, and sent again with every turn.
            raise invalid(where, "a conversation keeps no images; send them without it")
    return [_stored(item) for item in items]


def answered(stamp: Stamp, reply: ChatReply) -> list[Item]:
    """A whole answer as it is kept, under the ids its caller saw."""
    bodies: list[JsonObject] = []
    if reply.provider_state is not None:
        bodies.append({"id": f"rs_{stamp.id}", "type": "reasoning", "summary": []})
    bodies += words.items(stamp, reply)  # type: ignore[arg-type]  # JSON, by construction
    return [
        Item(str(body["id"]), body, stamp.id, reply.provider_state if index == 0 else None)
        for index, body in enumerate(bodies)
    ]


def earlier(items: Sequence[Item]) -> Earlier:
    """What a platform is told of stored items."""
    said: list[Message] = []
    instructions: list[str] = []
    for _, group in groupby(items, key=lambda item: item.answer_id):
        rows = list(group)
        parsed = [_ITEM.validate_python(row.body) for row in rows]
        instructions += system_texts(parsed)
        turn = list(pieces(parsed, "/conversation"))
        state = rows[0].state
        if state is None:
            said += turn
            continue
        calls = tuple(call for message in turn for call in message.tool_calls)
        text = "\n".join(message.text for message in turn if message.text)
        said.append(Message("assistant", text, calls, provider_state=state))
    return Earlier(tuple(instructions), tuple(said))


def _stored(item: ResponsesItem) -> Item:
    prefix, own = _own(item)
    item_id = f"{prefix}_{secrets.token_hex(24)}"
    status = {} if isinstance(item, ResponsesReasoning) else {"status": "completed"}
    given = item.model_dump(exclude_none=True)
    return Item(item_id, {**status, **given, **own, "id": item_id, "type": item.type})


def _own(item: ResponsesItem) -> tuple[str, dict[str, Json]]:
    """What an item's id begins with, and the fields that are kept in one form however given."""
    match item:
        case ResponsesMessage(role=role):
            return "msg", {"role": role, "content": [_part(p, role) for p in item.content]}
        case ResponsesCall():
            return "fc", {}
        case ResponsesResult(output=[ResponsesText(text=only)]):
            return "fco", {"output": only}  # a plain text was one, and is one again
        case ResponsesResult():
            return "fco", {}
        case ResponsesReasoning():
            return "rs", {"summary": item.summary or []}


def _part(part: ResponsesPart, role: str) -> dict[str, Json]:
    given = part.model_dump(exclude_none=True)
    if not isinstance(part, ResponsesText):
        return given
    if role == "assistant":
        return {**given, "type": "output_text", "annotations": [], "logprobs": []}
    return {**given, "type": "input_text"}
