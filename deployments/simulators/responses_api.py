"""The Responses API as a simulator plays it: the part that OpenAI and Azure OpenAI share.

What tells the two apart is their `Dialect`: who comes in, which models there are, and the
words of errors and headers.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from starlette.requests import Request
from starlette.responses import Response

from deployments.simulators.allowance import spoken_duration
from deployments.simulators.answer import estimate_tokens
from deployments.simulators.exchange import Exchange, Stage, mint, retry_headers
from deployments.simulators.faults import ErrorEvent, Status
from deployments.simulators.hosted import Hosted, openai_hosted, openai_items
from deployments.simulators.openai_errors import OpenAIWireError
from deployments.simulators.openai_items import Item, Items, check_calls_answered
from deployments.simulators.openai_models import takes_temperature
from deployments.simulators.openai_prompt import (
    count_tokens,
    describe_tools,
    read_instructions,
    read_prompt,
)
from deployments.simulators.openai_request import ResponsesRequest, parse_request
from deployments.simulators.openai_response import (
    OpenAIUsage,
    build_response,
    fail,
    stream_response,
)
from deployments.simulators.prompt_cache import SHORTEST_PREFIX
from deployments.simulators.reply import Reply, compose
from deployments.simulators.schema import as_list, as_object

if TYPE_CHECKING:
    from deployments.simulators.conversations_api import Conversations

MAX_STORED = 100  # responses kept for previous_response_id
A_MINUTE = {"requests": 10_000, "tokens": 2_000_000}


class Dialect(Protocol):
    """One vendor's manner of speaking this wire; what refuses raises OpenAIWireError."""

    @property
    def name(self) -> str:
        """The simulator's name."""
        ...

    def admit(self, exchange: Exchange) -> None:
        """Refuse a request without a credential that opens the door."""
        ...

    def find_model(self, name: str) -> str:
        """Return the model behind the name in a request."""
        ...

    def scripted_error(self, fault: Status) -> OpenAIWireError:
        """Return the error a test has asked for, completed with this vendor's words."""
        ...

    def headers(
        self, tokens: int = 0, *, processing_s: float = 0.0, retry_after_s: float | None = None
    ) -> dict[str, str]:
        """Return the headers of every answer."""
        ...


def answered(
    stage: Stage,
    dialect: Dialect,
    answer: Callable[[Exchange], Response],
    answer_hosted: Callable[[Exchange, Hosted], Response] | None = None,
) -> Callable[[Request], Awaitable[Response]]:
    """Return the endpoint that lets a request in and answers it, or says what is wrong with it.

    `answer_hosted` answers one that has the vendor call tools by itself, where it can.
    """

    async def handle(request: Request) -> Response:
        exchange = await stage.receive(dialect.name, request)
        try:
            dialect.admit(exchange)
            if answer_hosted is not None:
                exchange, hosted = await openai_hosted(exchange)
                if hosted is not None:
                    return answer_hosted(exchange, hosted)
            return answer(exchange)
        except OpenAIWireError as error:
            headers = dialect.headers(retry_after_s=error.retry_after_s)
            return exchange.reply_json(error.body, status=error.status, headers=headers)

    return handle


def limit_headers(
    stage: Stage, platform: str, tokens: int, retry_after_s: float | None
) -> dict[str, str]:
    """Return the headers about rates; the limits are stated, not enforced."""
    spent = {"requests": 1, "tokens": tokens}
    left = stage.allowances.take(platform, A_MINUTE, spent, stage.now(), retry_after_s)
    headers = retry_headers(retry_after_s)
    for unit, limit in A_MINUTE.items():
        headers[f"x-ratelimit-limit-{unit}"] = str(limit)
        headers[f"x-ratelimit-remaining-{unit}"] = str(left.units[unit])
        headers[f"x-ratelimit-reset-{unit}"] = spoken_duration(left.resets_in_s)
    return headers


@dataclass(frozen=True, slots=True)
class _Stored:
    """A response, and the conversation it ended, itself included."""

    response: dict[str, object]
    items: list[Item]


class Responses:
    """`/responses` in one dialect, and its memory: the responses it stored.

    Without `conversations` every conversation is unknown.
    """

    def __init__(
        self, stage: Stage, dialect: Dialect, conversations: "Conversations | None" = None
    ) -> None:
        self._stage = stage
        self._dialect = dialect
        self._conversations = conversations
        self._stored: OrderedDict[str, _Stored] = OrderedDict()

    def create(self, exchange: Exchange, hosted: Hosted | None = None) -> Response:
        """Answer one request, before which the vendor may have called tools by itself.

        Raises:
            OpenAIWireError: The vendor would refuse it, or the script says so.
        """
        request = self._read(exchange)
        items = [*self._earlier(request), *request.input]
        check_calls_answered(items)
        behaviour = exchange.take_behaviour()
        if isinstance(behaviour, Status):
            raise self._dialect.scripted_error(behaviour)
        prompt = read_prompt(request, items)
        if hosted is not None:
            found = tuple(call.result for call in hosted.calls)
            prompt = replace(prompt, results=(*prompt.results, *found))
        reply = compose(prompt, behaviour)
        usage = self._usage(request, items, reply)
        response = build_response(
            request, reply, usage, response_id=mint("resp_"), created_at=self._stage.now()
        )
        if hosted is not None:
            did = openai_items(hosted, [mint("mcp_") for _ in range(len(hosted.calls) + 1)])
            response["output"] = [*did, *as_list(response["output"])]
        pace = self._stage.pace
        headers = self._dialect.headers(usage.input_tokens, processing_s=pace.first_byte_s)
        fault = behaviour if isinstance(behaviour, ErrorEvent) else None
        if request.store is not False and fault is None:
            self._store(request, response, items)
        if request.stream:
            events = stream_response(response, reply, fault)
            return exchange.reply_events(events, headers=headers, behaviour=behaviour, pace=pace)
        answer = fail(response, fault) if fault else response
        return exchange.reply_json(answer, headers=headers, behaviour=behaviour, pace=pace)

    def show(self, exchange: Exchange) -> Response:
        """Answer `GET /responses/{id}`."""
        stored = self._find(str(exchange.request.path_params["response"]), None)
        return exchange.reply_json(stored.response, headers=self._dialect.headers())

    def delete(self, exchange: Exchange) -> Response:
        """Answer `DELETE /responses/{id}`; a conversation keeps what was said in it."""
        name = str(exchange.request.path_params["response"])
        self._find(name, None)
        del self._stored[name]
        gone = {"id": name, "object": "response", "deleted": True}
        return exchange.reply_json(gone, headers=self._dialect.headers())

    def _read(self, exchange: Exchange) -> ResponsesRequest:
        request = parse_request(body_of(exchange))
        model = self._dialect.find_model(request.model)
        for name, value in (("temperature", request.temperature), ("top_p", request.top_p)):
            if value is not None and not takes_temperature(model):
                raise OpenAIWireError(
                    400,
                    f"Unsupported parameter: '{name}' is not supported with this model.",
                    param=name,
                    code="unsupported_parameter",
                )
        return request.model_copy(update={"model": model})

    def _earlier(self, request: ResponsesRequest) -> list[Item]:
        previous, conversation = request.previous_response_id, request.conversation_id
        if conversation is not None:
            if previous is not None:
                said = "Only one of 'previous_response_id' and 'conversation' can be given."
                raise OpenAIWireError(400, said, param="conversation")
            if self._conversations is None:
                raise OpenAIWireError(404, "Conversation not found.", param="conversation")
            return self._conversations.items_of(conversation)
        return [] if previous is None else self._find(previous, "previous_response_id").items

    def _find(self, name: str, param: str | None) -> "_Stored":
        if name not in self._stored:
            what = "Response" if param is None else "Previous response"
            code = None if param is None else "previous_response_not_found"
            raise OpenAIWireError(
                404, f"{what} with id '{name}' not found.", param=param, code=code
            )
        return self._stored[name]

    def _store(
        self, request: ResponsesRequest, response: dict[str, object], items: Sequence[Item]
    ) -> None:
        output = as_list(response["output"])
        if self._conversations is not None and request.conversation_id is not None:
            self._conversations.keep(
                request.conversation_id, request.input, [dict(as_object(item)) for item in output]
            )
        everything = [*items, *Items.validate_python(output)]
        self._stored[str(response["id"])] = _Stored(response, everything)
        if len(self._stored) > MAX_STORED:
            self._stored.popitem(last=False)

    def _usage(self, request: ResponsesRequest, items: Sequence[Item], reply: Reply) -> OpenAIUsage:
        instructions = read_instructions(request, items)
        tools = describe_tools(request)
        prefix = estimate_tokens(tools) + estimate_tokens(instructions)
        cached = written = 0
        if prefix >= SHORTEST_PREFIX:
            cache, name = self._stage.cache, self._dialect.name
            known = cache.remember(name, request.model, tools, instructions)
            cached, written = (prefix, 0) if known else (0, prefix)
        return OpenAIUsage(
            input_tokens=prefix + count_tokens(items),
            output_tokens=reply.tokens,
            cached_tokens=cached,
            cache_write_tokens=written,
        )


def body_of(exchange: Exchange) -> object:
    """Return the JSON that was sent; raises OpenAIWireError where there is none to believe."""
    match exchange.body_fault:
        case "too_large":
            raise OpenAIWireError(413, "The request body is too large.")
        case "not_json":
            raise OpenAIWireError(400, "We could not parse the JSON body of your request.")
        case None:
            return exchange.body
