"""POST /v1/responses: OpenAI's responses into our words and back. Pure.

System and developer messages join the instructions, wherever they stand: not every platform
takes them in the middle. The streaming events are in `openai_responses_stream.py`.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Literal

from typing_extensions import override

from deployments.ingress.dialect import NOTHING, Dialect, Earlier, Stamp, Wanted, Writer
from deployments.ingress.openai_responses_schema import (
    ResponsesAllowed,
    ResponsesBody,
    ResponsesCall,
    ResponsesImage,
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
from deployments.ingress.vendor_images import from_address
from deployments.ingress.vendor_tools import (
    NO_PARAMETERS,
    arguments,
    asked,
    beside,
    chosen,
    turns,
)
from routing.exchange import ChatReply, ChatRequest, ResponseSchema
from routing.message import Image, Message, ToolCall, ToolResult, ToolSpec


class Responses(Dialect[ResponsesBody]):
    """The dialect of OpenAI's responses, after what was said `earlier` in a `conversation`."""

    def __init__(self, earlier: Earlier = NOTHING, conversation: str | None = None) -> None:
        self._earlier = earlier
        self._conversation = conversation

    @override
    def read(
        self, body: ResponsesBody, max_tokens: int, tools: tuple[ToolSpec, ...] = ()
    ) -> Wanted:
        tools, choice = _tools(body, tools)
        form = _schema(body)
        before = self._earlier
        system = [body.instructions or "", *before.system, *system_texts(body.input)]
        request = ChatRequest(
            model="",
            messages=turns(
                chain(before.messages, pieces(body.input, "/input")),
                "/input",
                is_whole=before.whole,
            ),
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
        return close(self._opened(body, stamp), items(stamp, reply), reply)

    @override
    def writer(self, body: ResponsesBody, stamp: Stamp) -> Writer:
        return ResponseEvents(stamp, self._opened(body, stamp))

    def _opened(self, body: ResponsesBody, stamp: Stamp) -> dict[str, object]:
        named = self._conversation and {"id": self._conversation}
        return {**opened(stamp, _echo(body)), "conversation": named}


def _text(parts: Sequence[ResponsesPart]) -> str:
    return "\n".join(
        part.text if isinstance(part, ResponsesText) else part.refusal
        for part in parts
        if not isinstance(part, ResponsesImage)
    )


def _images(parts: Sequence[ResponsesPart], where: str, *, may: bool) -> Iterator[Image]:
    for place, part in enumerate(parts):
        if isinstance(part, ResponsesImage):
            if not may:
                raise invalid(f"{where}/{place}", "images are in a user's message")
            yield from_address(part.image_url, f"{where}/{place}/image_url")


def system_texts(given: Sequence[ResponsesItem]) -> Iterator[str]:
    """What the items say with the operator's authority."""
    for item in given:
        if isinstance(item, ResponsesMessage) and item.role in {"system", "developer"}:
            yield _text(item.content)


def pieces(given: Sequence[ResponsesItem], where: str) -> Iterator[Message]:
    """What either side said, one piece an item; `where` is the JSON pointer of the list.

    Raises:
        RequestError: the arguments of a call are no JSON object, an image cannot be taken, or
            a user says nothing.
    """
    for index, item in enumerate(given):
        match item:
            case ResponsesMessage(role=role, content=content):
                place = f"{where}/{index}/content"
                images = tuple(_images(content, place, may=role == "user"))
                if role == "user":
                    yield asked(_text(content), images, place)
                elif role == "assistant":
                    yield Message(role, _text(content))
            case ResponsesReasoning():
                continue
            case ResponsesCall():
                parsed = arguments(item.arguments, f"{where}/{index}/arguments")
                call = ToolCall(item.call_id, item.name, parsed)
                yield Message("assistant", tool_calls=(call,))
            case ResponsesResult():
                tuple(_images(item.output, f"{where}/{index}/output", may=False))
                result = ToolResult(item.call_id, _text(item.output))
                yield Message("user", tool_results=(result,))


def _schema(body: ResponsesBody) -> ResponsesSchemaFormat | None:
    form = body.text and body.text.format
    return form if isinstance(form, ResponsesSchemaFormat) else None


def _tools(
    body: ResponsesBody, given: tuple[ToolSpec, ...]
) -> tuple[tuple[ToolSpec, ...], Literal["auto", "none", "required"]]:
    own = (
        ToolSpec(
            tool.name,
            tool.description or "",
            tool.parameters or NO_PARAMETERS,
            # OpenAI's own default is to try, and to go without where the schema forbids it.
            strict=tool.strict is True,
        )
        for tool in body.tools or ()
    )
    tools = beside(given, own)
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
