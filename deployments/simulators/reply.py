"""The reply: what a simulated model says to a prompt, before any vendor's wire shapes it."""

import re
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal, TypeAlias

import orjson

from deployments.simulators.answer import (
    NO_ANSWER,
    estimate_tokens,
    extract_answer,
    find_passages,
)
from deployments.simulators.faults import (
    Behaviour,
    ContentFilter,
    Length,
    Obey,
    Refusal,
    Text,
    ToolCalls,
)
from deployments.simulators.schema import JsonObject, fill_schema
from deployments.simulators.tools import SimTool, SimToolCall, choose_tool, force_tool
from routing.continuation import INSTRUCTION

Stop: TypeAlias = Literal["stop", "tool_calls", "length", "refusal", "content_filter"]

WORDS_A_CHUNK = 3
ARGUMENT_CHARS_A_CHUNK = 12
SHOWN_OF_A_RESULT = 600  # characters

_ORDER = re.compile(r"CALL ([A-Za-z0-9_-]{1,64}) (\{[^{}]*\})")
_WORD = re.compile(r"\s*\S+")


@dataclass(frozen=True, slots=True)
class SimToolResult:
    """What a tool the model called before has returned."""

    name: str
    content: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a request asks, whichever wire it came over.

    `results` are those since the last question: within one turn a tool is called once.
    `begun` is the answer that stands before the question, and `begun_for` what it answers.
    """

    question: str
    instructions: str = ""
    tools: tuple[SimTool, ...] = ()
    must_call: bool = False
    results: tuple[SimToolResult, ...] = ()
    schema: JsonObject | None = None
    max_tokens: int | None = None
    begun: str = ""
    begun_for: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model says; `chunks` is how many deltas a scripted text wants."""

    stop: Stop
    text: str = ""
    calls: tuple[SimToolCall, ...] = ()
    chunks: int | None = None

    @property
    def tokens(self) -> int:
        """What saying it is billed as."""
        return estimate_tokens(
            self.text + "".join(f"{call.name}{call.arguments}" for call in self.calls)
        )


def compose(prompt: Prompt, behaviour: Behaviour | None = None) -> Reply:
    """Return the reply a behaviour asks for, or the honest one; none is longer than it may be."""
    return _limited(_composed(prompt, behaviour), prompt.max_tokens)


def _composed(prompt: Prompt, behaviour: Behaviour | None) -> Reply:
    match behaviour:
        case Text(text=text, chunks=chunks):
            return Reply("stop", text, chunks=chunks)
        case ToolCalls(calls=calls):
            return Reply("tool_calls", calls=tuple(SimToolCall(c.name, c.arguments) for c in calls))
        case Refusal(text=text):
            return Reply("refusal", text)
        case Length():
            return Reply("length", _first_half(_spoken(prompt)))
        case ContentFilter():
            return Reply("content_filter", _first_half(_spoken(prompt)))
        case _:
            ordered = ordered_call(prompt) if isinstance(behaviour, Obey) else None
            return _honest(prompt) if ordered is None else Reply("tool_calls", calls=(ordered,))


def ordered_call(prompt: Prompt) -> SimToolCall | None:
    """The first call that a text the model reads orders, and that has not been made."""
    called = {result.name for result in prompt.results}
    for text in (prompt.instructions, *(result.content for result in prompt.results)):
        for found in _ORDER.finditer(text):
            if found.group(1) in called:
                continue
            try:
                arguments = orjson.loads(found.group(2).replace('\\"', '"'))
            except orjson.JSONDecodeError:
                continue
            return SimToolCall(found.group(1), arguments)
    return None


def split_text(text: str, chunks: int | None = None) -> list[str]:
    """Split a text as a stream carries it: three words a delta, or into that many even pieces."""
    if not text:
        return []
    if chunks is not None:
        count = min(chunks, len(text))
        bounds = [len(text) * index // count for index in range(count + 1)]
        return [text[a:b] for a, b in pairwise(bounds)]
    words = _WORD.findall(text)
    if not words:
        return [text]
    words[-1] += text[sum(map(len, words)) :]
    return [
        "".join(words[start : start + WORDS_A_CHUNK])
        for start in range(0, len(words), WORDS_A_CHUNK)
    ]


def split_arguments(arguments: str) -> list[str]:
    """Split a call's arguments as a stream carries them."""
    step = ARGUMENT_CHARS_A_CHUNK
    return [arguments[start : start + step] for start in range(0, len(arguments), step)]


def _honest(prompt: Prompt) -> Reply:
    called = {result.name for result in prompt.results}
    tools = [tool for tool in prompt.tools if tool.name not in called]
    if tools:
        insists = prompt.must_call and not called
        call = (force_tool if insists else choose_tool)(prompt.question, tools)
        if call is not None:
            return Reply("tool_calls", calls=(SimToolCall(*call),))
    return Reply("stop", _spoken(prompt))


def _spoken(prompt: Prompt) -> str:
    if prompt.begun and prompt.question.strip() == INSTRUCTION:
        whole = _spoken(replace(prompt, question=prompt.begun_for, begun=""))
        # What is said is said: of a finished answer nothing is left, and another's is not ours.
        if whole.startswith(prompt.begun):
            return whole[len(prompt.begun) :]
    said = " ".join(_report(result) for result in prompt.results)
    answer = extract_answer(prompt.question, find_passages(prompt.instructions))
    if said:
        answer = said if answer == NO_ANSWER else f"{said} {answer}"
    if prompt.schema is None:
        return answer
    return orjson.dumps(fill_schema(prompt.schema, answer, prompt.question)).decode()


def _report(result: SimToolResult) -> str:
    """Say what a tool returned: its fields when it returned a JSON object, else its text."""
    content = result.content.strip()
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError:
        value = content
    if isinstance(value, dict):
        content = ", ".join(f"{name}: {_plain(field)}" for name, field in value.items())
    return f"{result.name} says: {content[:SHOWN_OF_A_RESULT]}."


def _plain(value: object) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _limited(reply: Reply, max_tokens: int | None) -> Reply:
    """Cut a reply where the caller's limit is: no vendor says, or bills, a token more."""
    if max_tokens is None or reply.tokens <= max_tokens:
        return reply
    if reply.calls:
        return Reply("length")  # half a call is none
    text = reply.text.encode()[: max_tokens * 4].decode(errors="ignore")
    return replace(reply, stop="length" if reply.stop == "stop" else reply.stop, text=text)


def _first_half(text: str) -> str:
    words = text.split()
    return " ".join(words[: max(len(words) // 2, 1)])
