"""Anthropic's stream: deltas folded back into the message that one request would have returned."""

from deployments.platforms import errors
from deployments.platforms.anthropic.codec import ANTHROPIC, decode_reply
from deployments.platforms.anthropic.words import WORDS, complaint_of
from deployments.platforms.sse import SseEvent
from deployments.platforms.vendor_json import (
    kind_of,
    load_arguments,
    load_object,
    object_in,
    text_in,
)
from routing.exchange import ChatChunk, ReplyDone, TextDelta
from routing.message import Json, JsonObject

# At these ends the last block may be half a block.
_CUT_SHORT = frozenset({"max_tokens", "refusal", "model_context_window_exceeded"})
_APPENDED = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}


class StreamDecoder:
    """Decodes one stream of Messages events. Kinds of event it does not know are passed over."""

    def __init__(self, request_id: str | None = None) -> None:
        self._request_id = request_id
        self._message: dict[str, Json] = {}
        self._usage: dict[str, Json] = {}
        self._blocks: dict[object, _Block] = {}
        self._has_text = False

    def feed(self, event: SseEvent) -> list[ChatChunk]:
        """The chunks this event amounts to; `ReplyDone` ends them.

        Raises:
            PlatformError: The event reports a failure, or is not what the API promises.
        """
        match kind_of(event):
            case "content_block_delta":
                return self._extend(load_object(ANTHROPIC, event.data))
            case "content_block_start":
                value = load_object(ANTHROPIC, event.data)
                self._blocks[value.get("index")] = _Block(object_in(value, "content_block"))
            case "message_start":
                self._message = dict(object_in(load_object(ANTHROPIC, event.data), "message"))
                self._usage |= object_in(self._message, "usage")
            case "message_delta":
                value = load_object(ANTHROPIC, event.data)
                self._message |= object_in(value, "delta")
                # Cumulative, but null where it does not repeat what the start has said.
                usage = object_in(value, "usage").items()
                self._usage |= {name: count for name, count in usage if count is not None}
            case "message_stop":
                return self._finish()
            case "error":
                said = complaint_of(object_in(load_object(ANTHROPIC, event.data), "error"))
                raise errors.vendor_error(ANTHROPIC, said, WORDS)
            case _:
                pass
        return []

    def _extend(self, value: JsonObject) -> list[ChatChunk]:
        delta = object_in(value, "delta")
        block = self._blocks.get(value.get("index"))
        if block is None:
            raise errors.bad_reply(ANTHROPIC, "a delta of no block")
        block.extend(delta)
        text = text_in(delta, "text") if delta.get("type") == "text_delta" else ""
        self._has_text = self._has_text or bool(text)
        return [TextDelta(text)] if text else []

    def _finish(self) -> list[ChatChunk]:
        is_whole = self._message.get("stop_reason") not in _CUT_SHORT
        content = [block.finish(is_whole=is_whole) for block in self._blocks.values()]
        message = {**self._message, "content": content, "usage": self._usage}
        reply = decode_reply(message, self._request_id)
        # What a refusal says is an explanation which was never streamed.
        late: list[ChatChunk] = [] if self._has_text or not reply.text else [TextDelta(reply.text)]
        return [*late, ReplyDone(reply)]


class _Block:
    """One content block under construction; strings grow as lists, or long ones cost n squared."""

    def __init__(self, begun: JsonObject) -> None:
        self._begun = begun
        self._grown: dict[str, list[str]] = {}
        self._citations: list[Json] = []

    def extend(self, delta: JsonObject) -> None:
        match delta.get("type"):
            case "input_json_delta":
                self._grown.setdefault("input", []).append(text_in(delta, "partial_json"))
            case "citations_delta":
                self._citations.append(delta.get("citation"))
            case str() as kind if kind in _APPENDED:
                field = _APPENDED[kind]
                self._grown.setdefault(field, []).append(text_in(delta, field))
            case _:
                pass

    def finish(self, *, is_whole: bool) -> JsonObject:
        """The block; arguments are parsed only where the answer says that they are complete."""
        block = dict(self._begun)
        for field, pieces in self._grown.items():
            joined = "".join(pieces)
            if field != "input":
                block[field] = text_in(block, field) + joined
            elif is_whole:
                # An empty string means that what the block began with was all.
                block[field] = load_arguments(ANTHROPIC, joined) or block.get(field)
        if self._citations:
            block["citations"] = self._citations
        return block
