"""A whole request sealed, and a whole reply opened."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from deployments.privacy.restore import Restorer
from deployments.privacy.seal import Seal
from routing.exchange import ChatReply, ChatRequest, Handoff, ResponseSchema
from routing.message import Json, JsonObject, Message, ToolCall, ToolResult, ToolSpec

# Of a JSON schema, what holds words of a caller's; the rest is structure.
_SAYING = frozenset({"title", "description", "default", "const", "enum", "examples"})


def sealed_request(seal: Seal, request: ChatRequest) -> ChatRequest:
    """The request with tokens for all personal data in its texts; images are not looked into."""
    stable = request.system[: request.stable_system_chars]
    system, first = seal.text(request.system), seal.text(stable)
    return replace(
        request,
        system=system,
        # What is the same for other questions must be so to the letter.
        stable_system_chars=len(first) if system.startswith(first) else 0,
        messages=sealed_messages(seal, request.messages),
        tools=tuple(_spec(seal, spec) for spec in request.tools),
        response_schema=_schema(seal, request.response_schema),
    )


def sealed_messages(seal: Seal, messages: Sequence[Message]) -> tuple[Message, ...]:
    """The messages with tokens; a platform's own turn is what it was sent, which was sealed then."""
    return tuple(
        replace(
            message,
            text=seal.text(message.text),
            tool_calls=tuple(_call(seal, call) for call in message.tool_calls),
            tool_results=sealed_results(seal, message.tool_results),
        )
        for message in messages
    )


def sealed_results(seal: Seal, results: Sequence[ToolResult]) -> tuple[ToolResult, ...]:
    """What tools answered, with tokens."""
    return tuple(replace(result, content=seal.text(result.content)) for result in results)


def opened_reply(seal: Seal, reply: ChatReply, *, as_json: bool = False) -> ChatReply:
    """The reply as the caller gets it; with `as_json` its text is a JSON document."""
    handoff = reply.handoff
    if handoff is not None:
        handoff = Handoff(
            None if handoff.reason is None else seal.opened(handoff.reason),
            {seal.opened(name): seal.opened(said) for name, said in handoff.context.items()},
        )
    return replace(
        reply,
        text=Restorer(seal, as_json=as_json).whole(reply.text),
        tool_calls=opened_calls(seal, reply.tool_calls),
        handoff=handoff,
    )


def opened_calls(seal: Seal, calls: Sequence[ToolCall]) -> tuple[ToolCall, ...]:
    """The calls a model asks for, with the values it was not told."""
    return tuple(replace(call, arguments=seal.opened_arguments(call.arguments)) for call in calls)


def _call(seal: Seal, call: ToolCall) -> ToolCall:
    return replace(
        call,
        arguments=seal.arguments(call.arguments),
    )


def _spec(seal: Seal, spec: ToolSpec) -> ToolSpec:
    return replace(
        spec,
        description=seal.text(spec.description),
        parameters=_words(seal, spec.parameters),
    )


def _schema(seal: Seal, schema: ResponseSchema | None) -> ResponseSchema | None:
    return None if schema is None else replace(schema, schema=_words(seal, schema.schema))


def _words(seal: Seal, schema: JsonObject) -> JsonObject:
    """The schema with tokens where it quotes values."""
    return {name: _below(seal, name, one) for name, one in schema.items()}


def _below(seal: Seal, name: str, value: Json) -> Json:
    match value:
        case Mapping():
            return seal.json(value) if name in _SAYING else _words(seal, value)
        case str():
            return seal.text(value) if name in _SAYING else value
        case Sequence():
            if name in _SAYING:
                return seal.json(value)
            return [_below(seal, name, one) for one in value]
        case _:
            return value
