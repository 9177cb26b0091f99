"""A simulated agent of Copilot Studio: what it does in answer to a text, as activities.

Pure. An agent which is asked for a human hands the conversation over.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from deployments.simulators.copilot_errors import spoken_failure
from deployments.simulators.exchange import mint
from deployments.simulators.faults import (
    Behaviour,
    ContentFilter,
    ErrorEvent,
    Length,
    Refusal,
    ToolCalls,
)
from deployments.simulators.frames import Event, place_after
from deployments.simulators.reply import Prompt, compose, split_text

Json: TypeAlias = dict[str, object]

AGENT_ID = "00000000-0000-4000-8000-00000c0b1107"
GREETING = "Hello, I'm a simulated agent. How can I help?"
PASSING_ON = "I will pass you on to a colleague."

_WANTS_A_HUMAN = re.compile(
    r"\b(talk|speak|chat)\s+(to|with)\s+(an?\s+|the\s+)?(real\s+|live\s+)?"
    r"(person|human|agent|colleague|someone|somebody)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What was said to the agent, where, when and as which activity."""

    text: str
    conversation_id: str
    activity_id: str | None
    when: str
    chunks: Literal["delta", "cumulative"]
    """Direct-to-Engine types what is new, Direct Line all that has been said so far."""


def answer_as_events(asked: Asked, behaviour: Behaviour | None) -> list[Event]:
    """Return the agent's turn: `activity` events, those which type an answer marked as chunks."""
    # An agent calls no tools of ours, knows no token limit, and declines like it answers.
    if isinstance(behaviour, ToolCalls | Refusal | Length):
        behaviour = None
    match behaviour:
        case ErrorEvent(after_chunks=chunks):
            events = list(_answer(asked, behaviour))
            failed = spoken_failure(behaviour, asked.conversation_id, asked.when)
            return [*events[: place_after(chunks, events)], _message(asked, failed)]
        case ContentFilter():
            return [_message(asked, spoken_failure(None, asked.conversation_id, asked.when))]
        case _:
            return list(_answer(asked, behaviour))


def greeting(conversation_id: str, when: str) -> Event:
    """Return how the agent begins a conversation."""
    return _message(Asked("", conversation_id, None, when, "delta"), GREETING)


def _answer(asked: Asked, behaviour: Behaviour | None) -> Iterator[Event]:
    if behaviour is None and _WANTS_A_HUMAN.search(asked.text.strip().rpartition("\n")[2]):
        yield _message(asked, PASSING_ON)
        yield _handoff(asked)
        return
    reply = compose(Prompt(question=asked.text, instructions=asked.text), behaviour)
    stream_id = mint("st_")
    said = ""
    for index, piece in enumerate(split_text(reply.text, reply.chunks), start=1):
        said += piece
        yield _typing(asked, piece if asked.chunks == "delta" else said, stream_id, index)
    yield _message(asked, reply.text, stream_id)


def _typing(asked: Asked, text: str, stream_id: str, index: int) -> Event:
    stream = {"streamType": "streaming", "streamId": stream_id, "streamSequence": index}
    activity = _activity(asked, "typing") | {"text": text}
    if asked.chunks == "delta":
        activity["channelData"] = {**stream, "chunkType": "delta"}
    activity["entities"] = [{"type": "streaminfo", **stream}]
    return Event("activity", activity, is_chunk=True)


def _message(asked: Asked, text: str, stream_id: str | None = None) -> Event:
    activity = _activity(asked, "message") | {
        "text": text,
        "textFormat": "markdown",
        # As an agent does: a question waits for its answer, a statement need not be the last.
        "inputHint": "expectingInput" if text.endswith("?") else "acceptingInput",
        "attachments": [],
    }
    if stream_id is not None:
        activity["entities"] = [
            {"type": "streaminfo", "streamType": "final", "streamId": stream_id}
        ]
    return Event("activity", activity)


def _handoff(asked: Asked) -> Event:
    value: Json = {
        "va-ConversationId": asked.conversation_id,
        "va-LastPhrases": asked.text,
        "va-LastTopic": "Escalate",
        "va-Topics": ["Escalate"],
        "va-Scope": "bot",
        "va-BotId": AGENT_ID,
    }
    return Event(
        "activity", _activity(asked, "event") | {"name": "handoff.initiate", "value": value}
    )


def _activity(asked: Asked, kind: str) -> Json:
    activity: Json = {
        "type": kind,
        "id": mint("act_"),
        "timestamp": asked.when,
        "channelId": "directline" if asked.chunks == "cumulative" else "pva-studio",
        "from": {"id": AGENT_ID, "name": "Simulated agent", "role": "bot"},
        "conversation": {"id": asked.conversation_id},
    }
    return activity if asked.activity_id is None else activity | {"replyToId": asked.activity_id}


def with_id(event: Event, activity_id: str) -> Event:
    """Return the event with the id its conversation gives it."""
    return replace(event, payload={**event.payload, "id": activity_id})
