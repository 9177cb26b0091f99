"""The events of a response that is streamed: each item is opened, filled, closed, in order.

A refusal that was streamed before it was known to be one stays where it was said, and is
said once more as a refusal: a client that looks for one must find it.
"""

from collections.abc import Iterator, Mapping

from typing_extensions import override

from deployments.ingress import events, openai_errors
from deployments.ingress.dialect import Stamp, Writer
from deployments.ingress.openai_responses_words import (
    Item,
    call_item,
    close,
    message,
    refusal,
    status_of,
    text,
)
from deployments.ingress.vendor_errors import fault_of
from routing.exchange import ChatReply, FinishReason
from routing.message import ToolCall

# The codes OpenAI gives a response that failed; its clients type the field as these.
_CODES: Mapping[str, str] = {
    "rate_limit_exceeded": "rate_limit_exceeded",
    "content_policy_violation": "invalid_prompt",
}


class ResponseEvents(Writer):
    """The events of one response."""

    def __init__(self, stamp: Stamp, response: Mapping[str, object]) -> None:
        self._stamp = stamp
        self._response = response
        self._said: list[str] = []
        self._is_open = False
        self._number = 0

    @override
    def begin(self) -> bytes:
        return self._event("response.created", response=self._response) + self._event(
            "response.in_progress", response=self._response
        )

    @override
    def text(self, more: str) -> bytes:
        opening = b"" if self._said else self._open() + self._part("added", 0, text(""))
        self._said.append(more)
        return opening + self._in_part("response.output_text.delta", 0, delta=more, logprobs=[])

    @override
    def end(self, reply: ChatReply) -> bytes:
        return b"".join(self._last(reply))

    @override
    def fail(self, error: Exception) -> bytes:
        fault = fault_of(error)
        code = _CODES.get(openai_errors.code_of(fault), "server_error")
        failed = {"status": "failed", "error": {"code": code, "message": fault.message}}
        return self._event("response.failed", response={**self._response, **failed})

    def _last(self, reply: ChatReply) -> Iterator[bytes]:
        is_refused = reply.finish_reason is FinishReason.REFUSAL
        if reply.text and not self._said and not is_refused:
            yield self.text(reply.text)
        content: list[Item] = []
        if self._said:
            said = "".join(self._said)
            content.append(text(said))
            yield self._in_part("response.output_text.done", 0, text=said, logprobs=[])
            yield self._part("done", 0, content[0])
        if is_refused:
            yield from self._refuse(len(content), reply.text)
            content.append(refusal(reply.text))
        output: list[Item] = []
        if content:
            output.append(message(self._stamp, status_of(reply), content))
            yield self._item("done", 0, output[0])
        for call in reply.tool_calls:
            yield from self._call(len(output), call)
            output.append(call_item(self._stamp, len(output), call))
        yield self._event(
            f"response.{status_of(reply)}", response=close(self._response, output, reply)
        )

    def _open(self) -> bytes:
        self._is_open = True
        return self._item("added", 0, message(self._stamp, "in_progress", []))

    def _refuse(self, place: int, said: str) -> Iterator[bytes]:
        if not self._is_open:
            yield self._open()
        yield self._part("added", place, refusal(""))
        yield self._in_part("response.refusal.delta", place, delta=said)
        yield self._in_part("response.refusal.done", place, refusal=said)
        yield self._part("done", place, refusal(said))

    def _call(self, index: int, call: ToolCall) -> Iterator[bytes]:
        item = call_item(self._stamp, index, call)
        place = {"output_index": index, "item_id": item["id"]}
        given = item["arguments"]
        begun = {**item, "status": "in_progress", "arguments": ""}
        yield self._item("added", index, begun)
        yield self._event("response.function_call_arguments.delta", **place, delta=given)
        yield self._event(
            "response.function_call_arguments.done", **place, name=call.name, arguments=given
        )
        yield self._item("done", index, item)

    def _item(self, what: str, index: int, item: Item) -> bytes:
        return self._event(f"response.output_item.{what}", output_index=index, item=item)

    def _part(self, what: str, place: int, part: Item) -> bytes:
        return self._in_part(f"response.content_part.{what}", place, part=part)

    def _in_part(self, name: str, place: int, **data: object) -> bytes:
        item_id = f"msg_{self._stamp.id}"
        return self._event(name, item_id=item_id, output_index=0, content_index=place, **data)

    def _event(self, name: str, /, **data: object) -> bytes:
        number = self._number
        self._number += 1
        return events.frame(name, {"type": name, "sequence_number": number, **data})
