"""What is asked and what is answered: the bytes every contestant is measured with."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TypeAlias

import orjson

from deployments.simulators.frames import encode_event
from deployments.simulators.openai_request import ResponsesRequest
from deployments.simulators.openai_response import OpenAIUsage, build_response, stream_response
from deployments.simulators.reply import Reply

Shape: TypeAlias = Literal["json", "stream"]

CHUNKS = 50
MODEL = "gpt-6.1-terra"
QUESTION = "I was charged twice in November. Do I get my money back?"
# Some 250 characters of answer, three words a delta: what a support answer looks like.
ANSWER = " ".join(f"You get your money [{n:02}]" for n in range(CHUNKS // 2)) + "."


@dataclass(frozen=True, slots=True)
class Call:
    """A request as a load generator sends it: raw, with what the end of a whole answer looks like."""

    raw: bytes
    ending: bytes


def upstream_body(shape: Shape) -> bytes:
    """A request of OpenAI's Responses API."""
    asked = {
        "model": MODEL,
        "input": [{"type": "message", "role": "user", "content": QUESTION}],
        "max_output_tokens": 4000,
        "store": False,
        "stream": shape == "stream",
    }
    return orjson.dumps(asked)


def upstream_call(port: int, shape: Shape) -> Call:
    """What the upstream and the relay are asked."""
    ending = b"event: response.completed" if shape == "stream" else b'"status":"completed"'
    return Call(_post(port, "/v1/responses", upstream_body(shape), "sk-bench"), ending)


def product_call(port: int, shape: Shape, key: str) -> Call:
    """What the product is asked: no more than a caller has to say."""
    body = orjson.dumps({"message": QUESTION, "stream": shape == "stream"})
    ending = b"event: done" if shape == "stream" else b'"finish_reason":"stop"'
    return Call(_post(port, "/v3/chat", body, key), ending)


def answers() -> tuple[bytes, bytes]:
    """The upstream's two answers: one JSON, and one stream of `CHUNKS` deltas, ready to be written."""
    request = ResponsesRequest.model_validate(orjson.loads(upstream_body("json")))
    reply = Reply("stop", ANSWER, chunks=CHUNKS)
    response = build_response(
        request,
        reply,
        OpenAIUsage(input_tokens=900, output_tokens=120),
        response_id="resp_bench",
        created_at=datetime(2026, 11, 1, tzinfo=UTC),
    )
    body = orjson.dumps(response)
    plain = _head(b"application/json", b"content-length: %d" % len(body)) + body
    frames = [encode_event(event).body for event in stream_response(response, reply)]
    # One HTTP chunk an event, as vendors write them.
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(frame), frame) for frame in frames) + b"0\r\n\r\n"
    return plain, _head(b"text/event-stream", b"transfer-encoding: chunked") + chunks


def _head(kind: bytes, framing: bytes) -> bytes:
    return (
        b"HTTP/1.1 200 OK\r\ncontent-type: " + kind + b"\r\n" + framing + b"\r\n"
        b"x-request-id: req_bench\r\nopenai-version: 2020-10-01\r\n\r\n"
    )


def _post(port: int, path: str, body: bytes, key: str) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nauthorization: Bearer {key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
