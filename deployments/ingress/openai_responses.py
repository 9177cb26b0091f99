"""POST /v1/responses: OpenAI's responses into our words and back. Pure.

System and developer messages join the instructions, wherever they stand: not every platform
takes them in the middle. The streaming events are in `openai_responses_stream.py`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from typing_extensions import override

from deployments.ingress.dialect import Dialect, Stamp, Wanted, Writer
from deployments.ingress.openai_responses_schema import (
    ResponsesAllowed,
    ResponsesBody,
    ResponsesCall,
    ResponsesItem,
    ResponsesMessage,
    ResponsesNamed,
    ResponsesPart,
    ResponsesReasoning,
    ResponsesResult,
    ResponsesSchemaFormat,
    ResponsesText,
)
from deployments.ingress.openai_responses_stream import ResponseEvents
from deployments.ingress.openai_responses_words import close, items, opened
from deployments.ingress.vendor_errors import invalid
from deployments.ingress.vendor_tools import NO_PARAMETERS, arguments, chosen, turns
from routing.exchange import ChatReply, ChatRequest, ResponseSchema
from routing.message import Message, ToolCall, ToolResult, ToolSpec


class Responses(Dialect[ResponsesBody]):
    """The dialect of OpenAI's responses."""

    @override
    def read(self, body: ResponsesBody, max_tokens: int) -> Wanted:
        tools, choice = _tools(body)
        form = _schema(body)
        system = [body.instructions or "", *(_text(m.content) for m in _system(body.input))]
        request = ChatRequest(
            model="",
            messages=turns(_messages(body.input), "/input"),
            system="\n\n".join(text for text in system if text),
            max_tokens=body.max_output_tokens or max_tokens,
            tools=tools,
            tool_choice=choice,
            parallel_tools=body.parallel_tool_calls is not False,
            response_schema=None if form is None else ResponseSchema(form.name, form.schema_),
        )
        return Wanted(body.model, request, bool(body.stream), body.safety_identifier or body.user)

    @override
    def whole(self, body: ResponsesBody, stamp: Stamp, reply: ChatReply) -> dict[str, object]:
        return close(opened(stamp, _echo(body)), items(stamp, reply), reply)

    @override
    def writer(self, body: ResponsesBody, stamp: Stamp) -> Writer:
        return ResponseEvents(stamp, opened(stamp, _echo(body)))


def _text(parts: Sequence[ResponsesPart]) -> str:
    return "\n".join(p.text if isinstance(p, ResponsesText) else p.refusal for p in parts)


def _system(given: Sequence[ResponsesItem]) -> Iterator[ResponsesMessage]:
    for item in given:
        if isinstance(item, ResponsesMessage) and item.role in {"system", "developer"}:
            yield item


def _messages(given: Sequence[ResponsesItem]) -> Iterator[Message]:
    for index, item in enumerate(given):
        match item:
            case ResponsesMessage(role="user" | "assistant" as role, content=content):
                yield Message(role, _text(content))
            case ResponsesMessage() | ResponsesReasoning():
                continue
            case ResponsesCall():
                parsed = arguments(item.arguments, f"/input/{index}/arguments")
                call = ToolCall(item.call_id, item.name, parsed)
                yield Message("assistant", tool_calls=(call,))
            case ResponsesResult():
                result = ToolResult(item.call_id, _text(item.output))
                yield Message("user", tool_results=(result,))


def _schema(body: ResponsesBody) -> ResponsesSchemaFormat | None:
    form = body.text and body.text.format
    return form if isinstance(form, ResponsesSchemaFormat) else None


def _tools(
    body: ResponsesBody,
) -> tuple[tuple[ToolSpec, ...], Literal["auto", "none", "required"]]:
    tools = tuple(
        ToolSpec(
            tool.name,
            tool.description or "",
            tool.parameters or NO_PARAMETERS,
            # OpenAI's own default is to try, and to go without where the schema forbids it.
            strict=tool.strict is True,
        )
        for tool in body.tools or ()
    )
    match body.tool_choice:
        case None:
            return tools, "auto"
        case ResponsesNamed(name=name):
            return chosen(tools, {name}, "/tool_choice/name"), "required"
        case ResponsesAllowed(mode=mode, tools=allowed):
            return chosen(tools, {tool.name for tool in allowed}, "/tool_choice/tools"), mode
        case mode:
            if not tools:
                raise invalid("/tool_choice", "there are no tools to choose from")
            return tools, mode


def _echo(body: ResponsesBody) -> Mapping[str, object]:
    """What a response repeats of its request."""
    form = _schema(body)
    choice = body.tool_choice
    return {
        "instructions": body.instructions,
        "max_output_tokens": body.max_output_tokens,
        "metadata": body.metadata or {},
        "parallel_tool_calls": body.parallel_tool_calls is not False,
        "previous_response_id": None,
        "store": False,
        "temperature": None,
        "text": {"format": form.model_dump(by_alias=True) if form else {"type": "text"}},
        "tool_choice": choice.model_dump() if isinstance(choice, _CHOICES) else choice or "auto",
        "tools": [
            {
                "type": "function",
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.parameters,
                "strict": tool.strict is True,
            }
            for tool in body.tools or ()
        ],
        "top_p": None,
        "truncation": "disabled",
        "user": body.user,
    }


_CHOICES = (ResponsesNamed, ResponsesAllowed)
