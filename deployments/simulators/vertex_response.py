"""A Gemini answer: the response, and the chunks which stream it.

Pure, and the stream is derived from the finished answer, so the two can never disagree.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from deployments.simulators.answer import estimate_tokens
from deployments.simulators.exchange import mint
from deployments.simulators.faults import ErrorEvent
from deployments.simulators.frames import Event, place_after
from deployments.simulators.reply import Reply, split_text
from deployments.simulators.vertex_errors import stream_error
from deployments.simulators.vertex_turns import sign_call

Json: TypeAlias = dict[str, object]

THOUGHT = "The passages in the system instruction are all I know; I look for those which answer."
THOUGHT_TOKENS = estimate_tokens(THOUGHT)
"""Thought before a word is said, and part of what `maxOutputTokens` allows."""

_FINISH_REASONS = {
    "stop": "STOP",
    "tool_calls": "STOP",
    "length": "MAX_TOKENS",
    "content_filter": "SAFETY",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model says, with what Google says about it."""

    reply: Reply
    stop_sequences: tuple[str, ...]
    model: str
    prompt_tokens: int
    cached_tokens: int
    thought_tokens: int
    response_id: str
    created: str

    def whole(self) -> Json:
        """Return the answer of `:generateContent`."""
        if self.reply.stop == "refusal":
            return self._blocked()
        return {
            "candidates": [self._candidate(self._parts()) | self._ending()],
            "usageMetadata": self._usage(),
            **self._about(),
        }

    def events(self, fault: ErrorEvent | None = None) -> list[Event]:
        """Return the events of `:streamGenerateContent?alt=sse`, which have no names."""
        events = list(self._events())
        if fault is None:
            return events
        body = stream_error(fault.code, fault.message).body
        return [*events[: place_after(fault.after_chunks, events)], Event("", body)]

    def _events(self) -> Iterator[Event]:
        if self.reply.stop == "refusal":
            yield Event("", self._blocked(), is_chunk=True)
            return
        about = self._about()
        so_far = {"usageMetadata": {"trafficType": "ON_DEMAND"}}
        pieces = split_text(self._text(), self.reply.chunks)
        said: list[Json] = [{"text": piece} for piece in pieces]
        for part in (*said, *self._calls()):
            chunk = {"candidates": [self._candidate([part])], **so_far, **about}
            yield Event("", chunk, is_chunk=True)
        last = self._candidate([{"text": ""}]) | self._ending()
        yield Event("", {"candidates": [last], "usageMetadata": self._usage(), **about})

    def _text(self) -> str:
        """An honest answer ends before the first stop sequence it would say."""
        text = self.reply.text
        ends = [text.find(sequence) for sequence in self.stop_sequences if sequence in text]
        return text[: min(ends, default=len(text))]

    def _parts(self) -> list[Json]:
        text = self._text()
        said: list[Json] = [{"text": text}] if text else []
        return [*said, *self._calls()]

    def _calls(self) -> list[Json]:
        calls: list[Json] = [
            {"functionCall": {"id": mint("")[:16], "name": call.name, "args": call.arguments}}
            for call in self.reply.calls
        ]
        if calls:
            first = self.reply.calls[0]
            calls[0]["thoughtSignature"] = sign_call(first.name, first.arguments)
        return calls

    def _candidate(self, parts: list[Json]) -> Json:
        return {"index": 0, "content": {"role": "model", "parts": parts}}

    def _ending(self) -> Json:
        return {"finishReason": _FINISH_REASONS[self.reply.stop]}

    def _blocked(self) -> Json:
        """A refusal: the prompt is not let through to the model."""
        return {
            "promptFeedback": {
                "blockReason": "PROHIBITED_CONTENT",
                "blockReasonMessage": self.reply.text,
            },
            "usageMetadata": {
                "promptTokenCount": self.prompt_tokens,
                "totalTokenCount": self.prompt_tokens,
                "trafficType": "ON_DEMAND",
            },
            **self._about(),
        }

    def _about(self) -> Json:
        return {
            "modelVersion": self.model,
            "createTime": self.created,
            "responseId": self.response_id,
        }

    def _usage(self) -> Json:
        calls = "".join(f"{call.name}{call.arguments}" for call in self.reply.calls)
        spoken = estimate_tokens(self._text() + calls)
        thought = self.thought_tokens
        usage: Json = {
            "promptTokenCount": self.prompt_tokens,
            "candidatesTokenCount": spoken,
            "thoughtsTokenCount": thought,
            "totalTokenCount": self.prompt_tokens + spoken + thought,
            "trafficType": "ON_DEMAND",
        }
        if self.cached_tokens:
            usage["cachedContentTokenCount"] = self.cached_tokens
        return usage
