"""Gemini's stream: chunks folded back into the response that one request would have returned."""

from collections.abc import Sequence
from itertools import groupby

from deployments.platforms.sse import SseEvent
from deployments.platforms.vendor_json import load_object, object_in, text_in
from deployments.platforms.vertex.codec import VERTEX, decode_reply, text_of
from deployments.platforms.vertex.words import rpc_error
from routing.exchange import ChatChunk, ReplyDone, TextDelta
from routing.message import Json, JsonObject

_TEXT = frozenset({"text"})
_THOUGHT = frozenset({"text", "thought"})


class StreamDecoder:
    """Decodes one stream of GenerateContentResponses; the last says why it is the last."""

    def __init__(self, request_id: str | None = None) -> None:
        self._request_id = request_id
        self._response: dict[str, Json] = {}
        self._usage: dict[str, Json] = {}
        self._parts: list[JsonObject] = []
        self._has_text = False

    def feed(self, event: SseEvent) -> list[ChatChunk]:
        """The chunks this event amounts to; `ReplyDone` ends them.

        Raises:
            PlatformError: The event reports a failure, or is not what the API promises.
        """
        value = load_object(VERTEX, event.data)
        if error := object_in(value, "error"):
            raise rpc_error(VERTEX, error)
        self._response |= {key: found for key, found in value.items() if key != "candidates"}
        self._usage |= object_in(value, "usageMetadata")
        candidate = _first_candidate(value)
        parts = _parts(candidate)
        self._parts += parts
        text = "".join(map(text_of, parts))
        self._has_text = self._has_text or bool(text)
        chunks: list[ChatChunk] = [TextDelta(text)] if text else []
        is_blocked = bool(text_in(object_in(value, "promptFeedback"), "blockReason"))
        if text_in(candidate, "finishReason"):
            chunks += self._finish([{**candidate, "content": {"parts": _joined(self._parts)}}])
        elif is_blocked:
            chunks += self._finish([])
        return chunks

    def _finish(self, candidates: list[Json]) -> list[ChatChunk]:
        whole = {**self._response, "candidates": candidates, "usageMetadata": self._usage}
        reply = decode_reply(whole, self._request_id)
        # Why something was blocked is an explanation which was never streamed.
        late: list[ChatChunk] = [] if self._has_text or not reply.text else [TextDelta(reply.text)]
        return [*late, ReplyDone(reply)]


def _first_candidate(value: JsonObject) -> JsonObject:
    candidates = value.get("candidates")
    first = candidates[0] if isinstance(candidates, list) and candidates else None
    return first if isinstance(first, dict) else {}


def _parts(candidate: JsonObject) -> list[JsonObject]:
    parts = object_in(candidate, "content").get("parts")
    return [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []


def _joined(parts: Sequence[JsonObject]) -> list[Json]:
    """Neighbouring pieces of text as one part; a signature belongs to its own part and keeps it."""
    joined: list[Json] = []
    for (keys, _), neighbours in groupby(parts, key=_kind):
        run = list(neighbours)
        if keys in (_TEXT, _THOUGHT):
            run = [{**run[0], "text": "".join(text_in(part, "text") for part in run)}]
        joined += run
    return joined


def _kind(part: JsonObject) -> tuple[frozenset[str], bool]:
    return frozenset(part), bool(part.get("thought"))
