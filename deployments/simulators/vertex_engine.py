"""The simulated agent of Agent Engine: two methods, and the events it answers with."""

from collections.abc import Iterator, Mapping
from typing import Literal
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from starlette.responses import Response

from deployments.simulators.answer import estimate_tokens
from deployments.simulators.exchange import Exchange, mint
from deployments.simulators.faults import ErrorEvent, Status
from deployments.simulators.frames import Event, place_after
from deployments.simulators.reply import Prompt, Reply, compose, split_text
from deployments.simulators.vertex_errors import (
    VertexWireError,
    invalid_request,
    scripted_error,
    stream_error,
)

CREATE_SESSION = "async_create_session"
STREAM_QUERY = "async_stream_query"
DEPLOYED = "1234567890123456789"
"""The number of the agent that is listed; whatever other is asked for is there as well."""

_FINISH_REASONS = {"length": "MAX_TOKENS", "content_filter": "SAFETY"}


class _RunConfig(BaseModel):
    streaming_mode: Literal["sse"] | None = None


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid")

    message: str = ""
    user_id: str = ""
    session_id: str | None = None
    run_config: _RunConfig = Field(default_factory=_RunConfig)


class _Call(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
    )

    class_method: Literal["async_create_session", "async_stream_query"]
    input: _Input = Field(default_factory=_Input)


def describe_engine(name: str) -> dict[str, object]:
    """Return an agent as `GET` does; any name is one."""
    methods = [{"name": CREATE_SESSION, "api_mode": "async"}]
    methods.append({"name": STREAM_QUERY, "api_mode": "async_stream"})
    return {"name": name, "displayName": "Simulated agent", "spec": {"classMethods": methods}}


def answer_call(exchange: Exchange, body: object, *, streams: bool) -> Response:
    """Answer a call of one of the agent's methods.

    Raises:
        VertexWireError: There is no such method, or not in this mode.
    """
    if not isinstance(body, Mapping):
        raise VertexWireError(400, "Invalid JSON payload received. Expected an object.")
    try:
        call = _Call.model_validate(body)
    except ValidationError as error:
        raise invalid_request(error.errors(include_url=False)[0]) from error
    if streams != (call.class_method == STREAM_QUERY):
        raise VertexWireError(400, f"Agent Engine Error: {call.class_method} in the wrong mode.")
    behaviour = exchange.take_behaviour()
    match behaviour:
        case Status():
            raise scripted_error(behaviour)
        case ErrorEvent(code=code, message=message) if not streams:
            raise stream_error(code, message)
    pace = exchange.stage.pace
    if not streams:
        session = {
            "id": mint("")[:19],
            "userId": call.input.user_id,
            "appName": "simulated",
            "events": [],
        }
        return exchange.reply_json({"output": session}, behaviour=behaviour, pace=pace)
    reply = compose(Prompt(call.input.message), behaviour)
    events = list(_events(reply, call.input))
    if isinstance(behaviour, ErrorEvent):
        chunks = [Event("", event, is_chunk=True) for event in events]
        place = place_after(behaviour.after_chunks, chunks)
        events = [*events[:place], stream_error(behaviour.code, behaviour.message).body]
    return exchange.reply_lines(events, behaviour=behaviour, pace=pace)


def _events(reply: Reply, asked: _Input) -> Iterator[dict[str, object]]:
    """Yield the events of one step: its pieces and the whole, or steps of a few words each."""
    invocation = f"e-{uuid4()}"
    pieces = split_text(reply.text, reply.chunks)
    if reply.stop == "refusal":
        yield _event(invocation) | {
            "error_code": "PROHIBITED_CONTENT",
            "error_message": reply.text,
        }
        return
    if asked.run_config.streaming_mode is None:
        for piece in pieces:
            yield _event(invocation, piece) | {"usage_metadata": _usage(asked.message, piece)}
        return
    for piece in pieces:
        yield _event(invocation, piece) | {"partial": True}
    yield _event(invocation, reply.text) | {
        "finish_reason": _FINISH_REASONS.get(reply.stop, "STOP"),
        "usage_metadata": _usage(asked.message, reply.text),
    }


def _event(invocation: str, text: str = "") -> dict[str, object]:
    event: dict[str, object] = {
        "id": mint("")[:8],
        "invocation_id": invocation,
        "author": "simulated_agent",
    }
    if text:
        event["content"] = {"role": "model", "parts": [{"text": text}]}
    return event


def _usage(question: str, said: str) -> dict[str, int]:
    return {
        "prompt_token_count": estimate_tokens(question),
        "candidates_token_count": estimate_tokens(said),
    }
