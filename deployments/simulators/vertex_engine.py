"""The simulated agent of Agent Engine: two methods, and the events it answers with."""

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from starlette.responses import Response

from deployments.simulators.answer import estimate_tokens
from deployments.simulators.exchange import Exchange, mint
from deployments.simulators.faults import ErrorEvent, Status
from deployments.simulators.frames import Event, place_after
from deployments.simulators.reply import Prompt, compose, split_text
from deployments.simulators.vertex_errors import (
    VertexWireError,
    invalid_request,
    scripted_error,
    stream_error,
)

CREATE_SESSION = "async_create_session"
STREAM_QUERY = "async_stream_query"


class _Call(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
    )

    class_method: Literal["async_create_session", "async_stream_query"]
    input: dict[str, str] = Field(default_factory=dict)


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
        user = call.input.get("user_id", "")
        session = {"id": mint("")[:19], "userId": user, "appName": "simulated", "events": []}
        return exchange.reply_json({"output": session}, behaviour=behaviour, pace=pace)
    question = call.input.get("message", "")
    reply = compose(Prompt(question), behaviour)
    events = [_event(piece, question) for piece in split_text(reply.text, reply.chunks)]
    if isinstance(behaviour, ErrorEvent):
        chunks = [Event("", event, is_chunk=True) for event in events]
        place = place_after(behaviour.after_chunks, chunks)
        events = [*events[:place], stream_error(behaviour.code, behaviour.message).body]
    return exchange.reply_lines(events, behaviour=behaviour, pace=pace)


def _event(piece: str, question: str) -> dict[str, object]:
    usage = {
        "prompt_token_count": estimate_tokens(question),
        "candidates_token_count": estimate_tokens(piece),
    }
    return {
        "id": mint("")[:8],
        "author": "simulated_agent",
        "content": {"role": "model", "parts": [{"text": piece}]},
        "usage_metadata": usage,
    }
