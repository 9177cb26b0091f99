"""The vendors' own clients on our routes: the real SDKs, the real road, and platforms from a script."""

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

import anthropic
import httpx2
import openai
import pytest
from anthropic.types import ToolParam, ToolUseBlock
from openai.types.chat import (
    ChatCompletionChunk,
    ChatCompletionFunctionToolParam,
    ChatCompletionMessageParam,
)
from openai.types.responses import (
    FunctionToolParam,
    ResponseFunctionToolCall,
    ResponseInputParam,
)
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from typing_extensions import override

from config.models import shipped_models
from deployments.agent.attempt import Reporter
from deployments.agent.executor import Executor
from deployments.agent.pseudonym import Pseudonyms
from deployments.agent.road import Road, RoadOptions
from deployments.agent.witness import Witness
from deployments.ingress import api, compatible, routes
from deployments.ingress.assistants import Assistants
from deployments.ingress.compatible import Compatible
from deployments.ingress.vendor_limits import REQUEST_HEADERS
from deployments.platforms.base import Platform
from deployments.security.principal import Principal
from routing.capability import Capability
from routing.catalog import Catalog
from routing.clock import SystemClock
from routing.errors import AccessError, ErrorKind, PlatformError
from routing.exchange import (
    ChatChunk,
    ChatReply,
    ChatRequest,
    FinishReason,
    ReplyDone,
    TextDelta,
    Usage,
)
from routing.message import Message, ToolCall, ToolResult
from routing.outcome import Outcome
from routing.policies import POLICIES
from routing.policies.balanced import Weights
from routing.policy import Strategy
from routing.scorecard import Snapshot
from tests.fixed_keys import FixedKeys
from tests.unit.routing.worlds import NOW, platform

if TYPE_CHECKING:
    from actors.database.decisions import Decisions
    from actors.database.worlds import Worlds
    from deployments.ingress.budgets import BudgetRoutes
    from deployments.ingress.chat import Chat
    from deployments.ingress.conversation_run import ConversationRuns
    from deployments.ingress.conversations import Conversations
    from deployments.ingress.evidence import Evidence
    from deployments.ingress.platforms import Platforms
    from deployments.ingress.savings import SavingsRoutes
    from routing.message import Json

PERMISSIONS = frozenset({"chat:create", "platforms:read"})
USAGE = Usage(input_tokens=100, cached_tokens=30, output_tokens=20, reasoning_tokens=5)
DOWN = PlatformError("openai", ErrorKind.CONNECTION, "connection reset")
WEATHER = ToolCall("call_1", "weather", {"city": "Köln"})
TIME = ToolCall("call_2", "time", {})


class Scripted(Platform):
    """Answers every call by its script, and notes what it was asked."""

    def __init__(self) -> None:
        self.script: Sequence[str | int | ChatReply | Exception] = [reply("hello")]
        self.asked: list[ChatRequest] = []

    @override
    async def complete(self, request: ChatRequest, deadline_s: float) -> ChatReply:
        async with contextlib.aclosing(self.stream(request, deadline_s)) as chunks:
            async for chunk in chunks:
                if isinstance(chunk, ReplyDone):
                    return chunk.reply
        raise AssertionError("a script for `complete` has an end")

    @override
    async def stream(
        self, request: ChatRequest, deadline_s: float
    ) -> AsyncGenerator[ChatChunk, None]:
        self.asked.append(request)
        for step in self.script:
            match step:
                case str(text):
                    yield TextDelta(text)
                case int(turns):  # lets everybody else go first so many times
                    for _ in range(turns):
                        await asyncio.sleep(0)
                case ChatReply() as whole:
                    yield ReplyDone(whole)
                case error:
                    raise error

    @override
    async def aclose(self) -> None:
        pass


class Unheard(Reporter):
    """Nobody keeps score."""

    @override
    def begin(self, platform: str) -> None:
        pass

    @override
    def end(self, outcome: Outcome) -> None:
        pass

    @override
    async def claim_probe(self, platform: str, key: str) -> bool:
        return True

    @override
    def release_probe(self, platform: str, key: str) -> None:
        pass


class Blank:
    """A scoreboard without scores, a store that keeps nothing, and handlers that are not called."""

    snapshot = Snapshot(1, "local", NOW, {})

    async def put(self, *_: object) -> None:
        pass

    def __getattr__(self, name: str) -> object:
        return _unused


async def _unused(call: routes.Call) -> Response:
    raise AssertionError("not these routes")


def reply(
    text: str = "", *calls: ToolCall, reason: FinishReason | None = None, model: str = "gpt-real"
) -> ChatReply:
    ending = reason or (FinishReason.TOOL_CALLS if calls else FinishReason.STOP)
    return ChatReply(text, ending, USAGE, model, calls)


async def authenticate(request: Request) -> Principal:
    match request.headers.get("authorization") or request.headers.get("x-api-key"):
        case "Bearer good" | "good":
            return Principal("acme", "key:1", frozenset(), PERMISSIONS)
        case "Bearer poor" | "poor":
            return Principal("acme", "key:2")
        case "Bearer hasty" | "hasty":
            raise AccessError("rate_limited", "Too fast.", 7.0)
        case _:
            raise AccessError("unauthenticated", "Send a valid API key.")


@dataclass
class World:
    """Two platforms behind the routes, the dear one `openai`, and a client of each vendor."""

    http: httpx2.AsyncClient
    dear: Scripted
    cheap: Scripted

    def gpt(self, key: str = "good") -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(
            api_key=key, base_url="http://test/v1", http_client=self.http, max_retries=0
        )

    def claude(self, key: str = "good") -> anthropic.AsyncAnthropic:
        return anthropic.AsyncAnthropic(
            api_key=key, base_url="http://test", http_client=self.http, max_retries=0
        )


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """The application in this process; the SDKs reach it without a socket."""
    # The dearer platform is named first, so that the order and the price tell apart.
    abilities = frozenset(Capability) - {Capability.REASONING}
    dear = platform("openai", quality=0.9, capabilities=abilities)
    assert dear.price is not None
    dear = replace(dear, price=replace(dear.price, input=Decimal(5), output=Decimal(25)))
    dear = replace(dear, limits=shipped_models().facts("openai", "gpt-6-luna").limits)
    cheap = platform("anthropic", quality=0.1, capabilities=abilities)
    cheap = replace(cheap, simulated=True)
    cheap = replace(cheap, limits=shipped_models().facts("anthropic", "claude-haiku-5-5").limits)
    catalog = Catalog((dear, cheap))
    scripts = {name: Scripted() for name in catalog.platforms}
    blank: Any = Blank()
    clock = SystemClock()
    executor = Executor(scripts, catalog, Unheard(), clock)
    options = RoadOptions(Strategy.CAPABILITY, POLICIES, (), 4, 30.0, 60.0)
    road = Road(
        catalog,
        blank,
        executor,
        Witness(catalog, cast("Decisions", blank), cast("Worlds", blank), Weights(), clock),
        options,
        clock,
        random.Random(1),  # noqa: S311
    )
    table = api.operations(
        cast("Chat", blank),
        cast("Platforms", blank),
        cast("Evidence", blank),
        Compatible(
            road,
            catalog,
            800,
            clock,
            max_text_bytes=100_000,
            assistants=Assistants({}),
            runs=cast("ConversationRuns", blank),
            pseudonyms=Pseudonyms(FixedKeys()),
        ),
        cast("Conversations", blank),
        cast("BudgetRoutes", blank),
        cast("SavingsRoutes", blank),
    )
    vendors = [row for row in table if row.path.startswith("/v1/")]
    app = api.application(vendors, authenticate, PERMISSIONS, max_body_bytes=100_000)
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport) as http:
        yield World(http, scripts["openai"], scripts["anthropic"])


USER: ChatCompletionMessageParam = {"role": "user", "content": "hi"}
CHAT_TOOLS: list[ChatCompletionFunctionToolParam] = [
    {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}},
    {"type": "function", "function": {"name": "time"}},
]
TOOLS: list[FunctionToolParam] = [
    {"type": "function", "name": "weather", "parameters": {"type": "object"}, "strict": False},
    {"type": "function", "name": "time", "parameters": None, "strict": None},
]
CLAUDE_TOOLS: list[ToolParam] = [
    {"name": "weather", "input_schema": {"type": "object"}},
    {"name": "time", "input_schema": {"type": "object"}},
]


class Verdict(BaseModel):
    refund: bool
    amount: float


async def test_a_chat_completion_is_answered_by_whoever_is_chosen(world: World) -> None:
    """Text, finish, usage, the model that answered; and ours in headers."""
    raw = await world.gpt().chat.completions.with_raw_response.create(model="auto", messages=[USER])
    done = raw.parse()
    [choice] = done.choices
    assert (choice.message.content, choice.finish_reason) == ("hello", "stop")
    assert done.model == "gpt-real"
    assert done.usage is not None
    assert (done.usage.prompt_tokens, done.usage.total_tokens) == (100, 120)
    assert raw.headers["x-supportmax-platform"] == "openai"
    assert raw.headers["x-supportmax-simulated"] == "false"
    assert raw.headers["x-supportmax-decision"].startswith("dec_")
    assert Decimal(raw.headers["x-supportmax-cost-usd"]) > 0
    assert done.id == raw.headers["x-request-id"].replace("ans_", "chatcmpl-")


async def test_a_response_is_answered_by_whoever_is_chosen(world: World) -> None:
    """A string is a whole input; instructions are the system prompt."""
    done = await world.gpt().responses.create(
        model="auto", input="hi", instructions="be kind", user="ann"
    )
    assert (done.output_text, done.status) == ("hello", "completed")
    assert done.usage is not None
    assert done.usage.input_tokens_details.cached_tokens == 30
    [asked] = world.dear.asked
    assert (asked.system, asked.messages) == ("be kind", (Message("user", "hi"),))
    assert asked.safety_id == await Pseudonyms(FixedKeys()).safety_id("acme", "ann")
    assert asked.max_tokens == 800


async def test_a_message_is_answered_by_whoever_is_chosen(world: World) -> None:
    """Anthropic's input has nothing cached in it; the sum of its parts is ours."""
    done = await world.claude().messages.create(
        model="auto", max_tokens=100, system="be kind", messages=[{"role": "user", "content": "hi"}]
    )
    assert [block.type for block in done.content] == ["text"]
    assert (done.stop_reason, done.model) == ("end_turn", "gpt-real")
    assert (done.usage.input_tokens, done.usage.cache_read_input_tokens) == (70, 30)
    assert (world.dear.asked[0].system, world.dear.asked[0].max_tokens) == ("be kind", 100)


@pytest.mark.parametrize(
    ("model", "platform"),
    [
        ("auto", "openai"),
        ("auto:capability", "openai"),
        ("auto:cost", "anthropic"),
        ("openai", "openai"),
        ("anthropic", "anthropic"),
        ("anthropic-model", "anthropic"),
    ],
)
async def test_the_model_says_who_answers(world: World, model: str, platform: str) -> None:
    """A strategy, a platform, or a model that one of them is configured to use."""
    for ask in (chat, respond, message):
        answer = await ask(world, model)
        assert answer.headers["x-supportmax-platform"] == platform
        assert answer.headers["x-supportmax-simulated"] == str(platform == "anthropic").lower()


async def chat(world: World, model: str = "auto", **headers: str) -> Any:
    return await world.gpt().chat.completions.with_raw_response.create(
        model=model, messages=[USER], extra_headers=headers
    )


async def respond(world: World, model: str = "auto", **headers: str) -> Any:
    return await world.gpt().responses.with_raw_response.create(
        model=model, input="hi", extra_headers=headers
    )


async def message(world: World, model: str = "auto", **headers: str) -> Any:
    return await world.claude().messages.with_raw_response.create(
        model=model,
        max_tokens=50,
        messages=[{"role": "user", "content": "hi"}],
        extra_headers=headers,
    )


@pytest.mark.parametrize("ask", [chat, respond])
async def test_openais_client_raises_its_own_class_for_each_refusal(
    world: World, ask: Callable[..., Any]
) -> None:
    """By the status, with OpenAI's own code and the field at fault."""
    with pytest.raises(openai.NotFoundError) as unknown:
        await ask(world, "gpt-2")
    assert (unknown.value.code, unknown.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.BadRequestError) as bad:
        await ask(world, **{"x-supportmax-max-cost": "much"})
    assert bad.value.param == "x-supportmax-max-cost"
    with pytest.raises(openai.BadRequestError) as endless:
        await ask(world, **{"x-supportmax-max-cost": "1e-99999999"})
    assert len(endless.value.message) < 1000  # written out, it would have a hundred million digits
    with pytest.raises(openai.BadRequestError, match="anthropic"):
        await ask(world, **{"x-supportmax-fallback": "nobody"})
    with pytest.raises(openai.BadRequestError) as dear:
        await ask(world, "openai", **{"x-supportmax-max-cost": "0.000000001"})
    assert (dear.value.code, dear.value.param) == (
        "requirements_impossible",
        "x-supportmax-max-cost",
    )
    world.dear.script = [DOWN]
    with pytest.raises(openai.InternalServerError) as down:
        await ask(world, "openai")
    assert (down.value.status_code, down.value.code) == (503, "no_platform_available")
    assert "openai: connection" in down.value.message
    assert down.value.response.headers["retry-after"]
    world.dear.script = [PlatformError("openai", ErrorKind.INVALID_REQUEST, "bad schema")]
    with pytest.raises(openai.BadRequestError, match="bad schema"):
        await ask(world, "openai")
    world.dear.script = [reply("half", reason=FinishReason.ERROR)]
    with pytest.raises(openai.InternalServerError):
        await ask(world, "openai")


async def test_anthropics_client_raises_its_own_class_for_each_refusal(world: World) -> None:
    """The type in the body is the one its users branch on."""
    with pytest.raises(anthropic.NotFoundError) as unknown:
        await message(world, "claude-1")
    assert unknown.value.type == "not_found_error"
    assert unknown.value.request_id is not None
    with pytest.raises(anthropic.BadRequestError, match="x-supportmax-max-latency-ms"):
        await message(world, **{"x-supportmax-max-latency-ms": "-1"})
    world.dear.script = [DOWN]
    with pytest.raises(anthropic.InternalServerError) as down:
        await message(world, "openai")
    assert (down.value.status_code, down.value.type) == (503, "overloaded_error")
    with pytest.raises(anthropic.APIStatusError) as huge:
        await world.claude().messages.create(
            model="auto", max_tokens=1, messages=[{"role": "user", "content": "a" * 200_000}]
        )
    assert huge.value.status_code == 413


@pytest.mark.parametrize(
    ("key", "status", "kind"),
    [
        ("wrong", 401, "authentication_error"),
        ("poor", 403, "permission_error"),
        ("hasty", 429, "rate_limit_error"),
    ],
)
async def test_who_may_not_call_is_told_so_by_either_client(
    world: World, key: str, status: int, kind: str
) -> None:
    """Authentication, permission and rate are refused in the vendor's shape too."""
    expected = {
        401: (openai.AuthenticationError, anthropic.AuthenticationError),
        403: (openai.PermissionDeniedError, anthropic.PermissionDeniedError),
        429: (openai.RateLimitError, anthropic.RateLimitError),
    }[status]
    gpt, claude = world.gpt(key), world.claude(key)
    with pytest.raises(expected[0]) as theirs:
        await gpt.chat.completions.create(model="auto", messages=[USER])
    assert isinstance(theirs.value, openai.APIStatusError)
    assert theirs.value.type in {"invalid_request_error", "rate_limit_error"}
    with pytest.raises(expected[0]):
        await gpt.models.list()
    with pytest.raises(expected[1]) as other:
        await claude.messages.create(
            model="auto", max_tokens=1, messages=[{"role": "user", "content": "hi"}]
        )
    assert isinstance(other.value, anthropic.APIStatusError)
    assert other.value.type == kind
    if status == 429:
        assert other.value.response.headers["retry-after"] == "7"


async def test_headers_limit_cost_and_time_and_name_the_fallback(world: World) -> None:
    """A fixed platform fails over only to those named."""
    world.dear.script = [DOWN]
    answer = await chat(world, "openai", **{"x-supportmax-fallback": "anthropic"})
    assert answer.headers["x-supportmax-platform"] == "anthropic"
    limits = {"x-supportmax-max-cost": "0.01", "x-supportmax-max-latency-ms": "2000"}
    world.dear.script = [reply("hello")]
    answer = await chat(world, "auto", **limits)
    assert answer.headers["x-supportmax-platform"] == "openai"
    # 800 tokens of the dear one are two cents: it was asked for fewer.
    assert world.dear.asked[-1].max_tokens < 800


async def test_headers_limit_regions_quality_and_capabilities(world: World) -> None:
    """As the body of our own route does: on every vendor's route, for whole answers and streams."""
    header = "x-supportmax-"
    for ask in (chat, respond, message):
        answer = await ask(world, "auto", **{f"{header}regions": "eu, us"})
        assert answer.headers["x-supportmax-platform"] == "openai"
        answer = await ask(world, "auto:cost", **{f"{header}min-quality": "0.8"})
        assert answer.headers["x-supportmax-platform"] == "openai"
        answer = await ask(world, "auto", **{f"{header}capabilities": "vision,json_schema"})
        assert answer.headers["x-supportmax-platform"] == "openai"
    asked = len(world.dear.asked)
    for name, value, why in (
        ("regions", "mars", "may process in"),
        ("min-quality", "0.99", "ranked"),
        ("capabilities", "reasoning", "cannot do reasoning"),
    ):
        with pytest.raises(openai.BadRequestError, match=why) as refused:
            await chat(world, "auto", **{header + name: value})
        assert (refused.value.code, refused.value.param) == (
            "requirements_impossible",
            header + name,
        )
        with pytest.raises(anthropic.BadRequestError, match=why):
            await message(world, "auto", **{header + name: value})
    assert len(world.dear.asked) == asked


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max-cost", "1_0"),
        ("max-cost", "NaN"),
        ("max-latency-ms", "1_0"),
        ("max-latency-ms", "inf"),
        ("min-quality", "1_0"),
        ("min-quality", "1.01"),
        ("min-quality", "-0.1"),
        ("min-quality", "high"),
        ("regions", ""),
        ("regions", "EU"),
        ("regions", ",".join(f"r{i}" for i in range(17))),
        ("capabilities", "flying"),
        ("capabilities", " , "),
        ("max-costs", "1"),
        ("platform", "openai"),
    ],
)
async def test_a_header_of_ours_that_says_nothing_we_know_is_refused(
    world: World, name: str, value: str
) -> None:
    """A limit that was misspelt must not be a limit that was ignored."""
    header = f"x-supportmax-{name}"
    headers = {b"authorization": b"Bearer good", header.encode(): value.encode()}
    for path, body in (
        ("chat/completions", {"model": "auto", "messages": [USER]}),
        ("responses", {"model": "auto", "input": "hi"}),
        ("messages", {"model": "auto", "max_tokens": 5, "messages": [USER]}),
    ):
        answer = await world.http.post(f"http://test/v1/{path}", json=body, headers=headers)
        assert answer.status_code == 400
        assert header in answer.text
    assert world.dear.asked == world.cheap.asked == []


async def test_a_chat_completion_streams(world: World) -> None:
    """Deltas, finish, and the usage only for who asked."""
    world.dear.script = ["hel", "lo", reply("hello")]
    gpt = world.gpt()
    raw = await gpt.chat.completions.with_raw_response.create(
        model="auto", messages=[USER], stream=True, stream_options={"include_usage": True}
    )
    assert raw.headers["x-supportmax-platform"] == "openai"
    chunks = [chunk async for chunk in raw.parse()]
    said = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert said == "hello"
    assert {c.id for c in chunks} == {chunks[0].id}
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 20
    plain = await gpt.chat.completions.create(model="auto", messages=[USER], stream=True)
    assert all([chunk.usage is None async for chunk in plain])


async def test_a_response_streams(world: World) -> None:
    """The SDK's own helper puts the events together, and checks their order and identity."""
    world.dear.script = ["hel", "lo", reply("hello")]
    async with world.gpt().responses.stream(model="auto", input="hi") as stream:
        kinds = [event.type async for event in stream]
        final = await stream.get_final_response()
    assert kinds.count("response.output_text.delta") == 2
    assert kinds[-1] == "response.completed"
    assert final.output_text == "hello"
    assert final.usage is not None
    assert final.usage.output_tokens == 20


async def test_a_message_streams(world: World) -> None:
    """The usage of the end replaces that of the beginning."""
    world.dear.script = ["hel", "lo", reply("hello")]
    async with world.claude().messages.stream(
        model="auto", max_tokens=50, messages=[{"role": "user", "content": "hi"}]
    ) as stream:
        said = [text async for text in stream.text_stream]
        final = await stream.get_final_message()
    assert said == ["hel", "lo"]
    assert (final.stop_reason, final.usage.input_tokens) == ("end_turn", 70)
    assert final.usage.output_tokens == 20


async def test_chat_tools_go_round_in_parallel(world: World) -> None:
    """Two calls out, two results in; what the SDK gave is what its user sends back."""
    world.dear.script = [reply("let me see", WEATHER, TIME)]
    gpt = world.gpt()
    first = await gpt.chat.completions.create(
        model="auto", messages=[USER], tools=CHAT_TOOLS, tool_choice="required"
    )
    said = first.choices[0].message
    assert first.choices[0].finish_reason == "tool_calls"
    assert [c.id for c in said.tool_calls or ()] == ["call_1", "call_2"]
    turns: list[ChatCompletionMessageParam] = [
        USER,
        cast("ChatCompletionMessageParam", said),
        {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
        {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "noon"}]},
    ]
    world.dear.script = [reply("rain at noon")]
    await gpt.chat.completions.create(model="auto", messages=turns, tools=CHAT_TOOLS)
    assert_round_trip(world, required=True)


async def test_response_tools_go_round_in_parallel(world: World) -> None:
    """The output items are the next input, as OpenAI's guide does it."""
    world.dear.script = [reply("let me see", WEATHER, TIME)]
    gpt = world.gpt()
    first = await gpt.responses.create(model="auto", input="hi", tools=TOOLS)
    calls = [item for item in first.output if isinstance(item, ResponseFunctionToolCall)]
    assert [call.call_id for call in calls] == ["call_1", "call_2"]
    turns = cast("ResponseInputParam", [{"role": "user", "content": "hi"}, *first.output])
    for call, result in zip(calls, ("rain", "noon"), strict=True):
        turns.append({"type": "function_call_output", "call_id": call.call_id, "output": result})
    world.dear.script = [reply("rain at noon")]
    await gpt.responses.create(model="auto", input=turns, tools=TOOLS)
    assert_round_trip(world)


async def test_message_tools_go_round_in_parallel(world: World) -> None:
    """Both results in one user turn, as Anthropic wants them."""
    world.dear.script = [reply("let me see", WEATHER, TIME)]
    claude = world.claude()
    first = await claude.messages.create(
        model="auto",
        max_tokens=50,
        messages=[{"role": "user", "content": "hi"}],
        tools=CLAUDE_TOOLS,
    )
    assert first.stop_reason == "tool_use"
    uses = [block for block in first.content if isinstance(block, ToolUseBlock)]
    assert [use.input for use in uses] == [{"city": "Köln"}, {}]
    world.dear.script = [reply("rain at noon")]
    await claude.messages.create(
        model="auto",
        max_tokens=50,
        tools=CLAUDE_TOOLS,
        messages=[
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": first.content},
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": use.id, "content": result}
                    for use, result in zip(uses, ("rain", "noon"), strict=True)
                ],
            },
        ],
    )
    assert_round_trip(world)


def assert_round_trip(world: World, *, required: bool = False) -> None:
    """Whichever vendor's words it came in, the platform is asked the same."""
    first, second = world.dear.asked
    assert [tool.name for tool in first.tools] == ["weather", "time"]
    assert first.tool_choice == ("required" if required else "auto")
    assert second.messages == (
        Message("user", "hi"),
        Message("assistant", "let me see", (WEATHER, TIME)),
        Message("user", tool_results=(ToolResult("call_1", "rain"), ToolResult("call_2", "noon"))),
    )


async def test_tool_calls_stream_whole_to_every_client(world: World) -> None:
    """The SDKs' own helpers put them together as if they had come in pieces."""
    world.dear.script = ["let me see", reply("let me see", WEATHER, TIME)]
    given: list[Json] = [{"city": "Köln"}, {}]
    async with world.gpt().chat.completions.stream(
        model="auto", messages=[USER], tools=CHAT_TOOLS
    ) as chats:
        completion = await chats.get_final_completion()
    calls = completion.choices[0].message.tool_calls or []
    assert [c.function.name for c in calls] == ["weather", "time"]
    async with world.gpt().responses.stream(model="auto", input="hi", tools=TOOLS) as events:
        final = await events.get_final_response()
    assert [item.type for item in final.output] == ["message", "function_call", "function_call"]
    async with world.claude().messages.stream(
        model="auto",
        max_tokens=50,
        messages=[{"role": "user", "content": "hi"}],
        tools=CLAUDE_TOOLS,
    ) as blocks:
        spoken = await blocks.get_final_message()
    assert [b.input for b in spoken.content if isinstance(b, ToolUseBlock)] == given


async def test_structured_output_is_parsed_by_every_client(world: World) -> None:
    """The schema a pydantic model becomes arrives as it is; the text comes back as the model."""
    world.dear.script = [reply('{"refund": true, "amount": 9.5}')]
    verdict = Verdict(refund=True, amount=9.5)
    completion = await world.gpt().chat.completions.parse(
        model="auto", messages=[USER], response_format=Verdict
    )
    assert completion.choices[0].message.parsed == verdict
    response = await world.gpt().responses.parse(model="auto", input="hi", text_format=Verdict)
    assert response.output_parsed == verdict
    spoken = await world.claude().messages.parse(
        model="auto",
        max_tokens=50,
        messages=[{"role": "user", "content": "hi"}],
        output_format=Verdict,
    )
    assert spoken.parsed_output == verdict
    for asked in world.dear.asked:
        assert asked.response_schema is not None
        assert asked.response_schema.schema["required"] == ["refund", "amount"]


async def test_a_stream_that_fails_after_text_is_never_whole(world: World) -> None:
    """OpenAI's and Anthropic's clients raise, or show the failure; none reads an end."""
    world.dear.script, world.cheap.script = ["hel", DOWN], [DOWN]
    gpt = world.gpt()
    stream = await gpt.chat.completions.create(model="auto", messages=[USER], stream=True)
    chunks: list[ChatCompletionChunk] = []
    with pytest.raises(openai.APIError, match="connection reset"):
        await collect(stream, chunks)
    assert chunks[-1].choices[0].delta.content == "hel"
    assert all(chunk.choices[0].finish_reason is None for chunk in chunks)
    kinds = [
        e.type async for e in await gpt.responses.create(model="auto", input="hi", stream=True)
    ]
    assert kinds[-1] == "response.failed"
    assert "response.output_item.done" not in kinds
    async with gpt.responses.stream(model="auto", input="hi") as helper:
        with pytest.raises(RuntimeError, match=r"response\.completed"):
            await helper.get_final_response()
    with pytest.raises(anthropic.APIStatusError) as failed:
        async with world.claude().messages.stream(
            model="auto", max_tokens=50, messages=[{"role": "user", "content": "hi"}]
        ) as messages:
            await messages.get_final_message()
    assert failed.value.type == "api_error"


async def collect(
    stream: openai.AsyncStream[ChatCompletionChunk], into: list[ChatCompletionChunk]
) -> None:
    async for chunk in stream:
        into.append(chunk)  # noqa: PERF401  what came before an error is wanted too


async def test_a_stream_that_fails_before_its_first_words_has_a_status(world: World) -> None:
    """So that a client's own retry, which goes by the status, has something to go by."""
    world.dear.script = [DOWN]
    with pytest.raises(openai.InternalServerError) as down:
        await world.gpt().chat.completions.create(model="openai", messages=[USER], stream=True)
    assert down.value.status_code == 503
    with pytest.raises(anthropic.InternalServerError):
        await world.claude().messages.create(
            model="openai",
            max_tokens=50,
            messages=[{"role": "user", "content": "hi"}],
            stream=True,
        )


async def test_a_stream_whose_first_words_take_long_begins_without_them(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signs of life must not wait for a slow model; who answers is then not known yet."""
    monkeypatch.setattr(compatible, "FIRST_WORDS_S", 0.0)
    world.dear.script = [100, reply("hello")]
    gpt = world.gpt()
    raw = await gpt.chat.completions.with_raw_response.create(
        model="auto", messages=[USER], stream=True
    )
    assert "x-supportmax-platform" not in raw.headers
    said = [c.choices[0].delta.content async for c in raw.parse() if c.choices]
    assert "hello" in said
    world.dear.script = [100, DOWN]
    late = await gpt.chat.completions.create(model="openai", messages=[USER], stream=True)
    with pytest.raises(openai.APIError, match="openai: connection"):
        assert [chunk async for chunk in late]


async def test_a_stream_says_who_answers_only_when_it_is_certain(world: World) -> None:
    """After a failover the platform of the plan is not the one that speaks."""
    world.dear.script = [DOWN]
    world.cheap.script = ["hel", "lo", reply("hello")]
    gpt = world.gpt()
    raw = await gpt.chat.completions.with_raw_response.create(
        model="auto", messages=[USER], stream=True
    )
    assert "x-supportmax-platform" not in raw.headers
    assert raw.headers["x-supportmax-decision"].startswith("dec_")
    world.cheap.script = [reply("hello")]
    whole = await gpt.chat.completions.with_raw_response.create(
        model="auto", messages=[USER], stream=True
    )
    assert whole.headers["x-supportmax-platform"] == "anthropic"
    assert Decimal(whole.headers["x-supportmax-cost-usd"]) > 0


async def test_both_clients_list_the_models(world: World) -> None:
    """One answer with the fields of both: strategies, platforms, and the models behind them."""
    names = {
        "auto", "auto:cost", "auto:latency", "auto:capability", "auto:balanced", "auto:adaptive",
        "openai", "anthropic", "openai-model", "anthropic-model",
    }  # fmt: skip
    models = await world.gpt().models.list()
    assert {model.id for model in models.data} == names
    assert {m.owned_by for m in models.data} == {"supportmax", "openai", "anthropic"}
    listed = await world.claude().models.list()
    assert {model.id for model in listed.data} == names
    assert not listed.has_next_page()


async def test_openapi_describes_these_routes_in_the_vendors_shapes(world: World) -> None:
    """Errors, answers and the headers of ours; no Idempotency-Key, which these do not keep."""
    document = (await world.http.get("http://test/openapi.json")).json()
    for path, error, answer in (
        ("/v1/chat/completions", "OpenAIError", "ChatCompletionAnswer"),
        ("/v1/responses", "OpenAIError", "ResponsesAnswer"),
        ("/v1/messages", "AnthropicError", "MessagesAnswer"),
    ):
        row = document["paths"][path]["post"]
        responses = row["responses"]
        for status in ("400", "401", "404", "429", "503"):
            schema = responses[status]["content"]["application/json"]["schema"]
            assert schema == {"$ref": f"#/components/schemas/{error}"}
        assert "422" not in responses
        # Of these only a response may be a run on a conversation that somebody else runs.
        assert ("409" in responses) == (path == "/v1/responses")
        kinds = responses["200"]["content"]
        assert kinds["application/json"]["schema"] == {"$ref": f"#/components/schemas/{answer}"}
        assert "text/event-stream" in kinds
        assert {p["name"] for p in row["parameters"]} == set(REQUEST_HEADERS)


async def test_an_outage_in_mid_answer_is_not_noticed_by_either_client(world: World) -> None:
    """Another platform goes on where the first was lost; the stream ends as a whole one does."""
    world.dear.script, world.cheap.script = ["You will ", DOWN], ["get it.", reply("get it.")]
    stream = await world.gpt().chat.completions.create(model="auto", messages=[USER], stream=True)
    chunks = [chunk async for chunk in stream]
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == "You will get it."
    assert chunks[-1].choices[0].finish_reason == "stop"
    async with world.claude().messages.stream(
        model="auto", max_tokens=50, messages=[{"role": "user", "content": "hi"}]
    ) as messages:
        final = await messages.get_final_message()
    assert final.content[0].model_dump()["text"] == "You will get it."
