"""What every platform promises, asked of each adapter against its vendor's simulator."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace

import orjson
import pytest
from pydantic import TypeAdapter

from config.models import shipped_models
from config.platforms import PlatformName
from deployments.platforms.base import Platform
from deployments.platforms.registry import open_platform
from routing.errors import ErrorKind, PlatformError
from routing.exchange import (
    ChatChunk,
    ChatReply,
    ChatRequest,
    FinishReason,
    ReplyDone,
    ResponseSchema,
    TextDelta,
)
from routing.message import Message, ToolResult, ToolSpec
from tests.servers import SimulatedRequest, Simulators

MODELS = {
    "anthropic": "claude-haiku-5-5",
    "azure_openai": "gpt-6-luna",
    "copilot_studio": "copilot-studio",
    "google_vertex": "gemini-3.8-flash",
    "openai": "gpt-6-luna",
}
# A platform is asked over its usual wire, and over every other it has.
WIRES = (*sorted(MODELS), "copilot_studio:direct_to_engine", "google_vertex:agent_engine")
# What cannot be asked, because the vendor has no such thing: an agent of Copilot Studio calls
# its own tools, writes prose, counts no tokens, and has no word for declining or for a limit.
# On Direct Line the answer comes frame by frame, and a line that ends is taken up again. An
# agent of Agent Engine is as little to be told, and its events are passed on one by one.
LACKS: Mapping[str, frozenset[str]] = {
    "copilot_studio": frozenset(
        {
            "tools",
            "schema",
            "usage",
            "limit",
            "refusal",
            "length",
            "json body",
            "packets",
            "one line",
        }
    ),
    "copilot_studio:direct_to_engine": frozenset(
        {"tools", "schema", "usage", "limit", "refusal", "length", "json body"}
    ),
    "google_vertex:agent_engine": frozenset({"tools", "schema", "limit", "json body", "packets"}),
}
# A conversation that is gone is replaced, once.
ASKED_AGAIN = {("copilot_studio", 404)}
DEADLINE_S = 20.0
# OpenAI's and Anthropic's, Azure's and (after e-) Agent Engine's, Google's.
REQUEST_ID = r"req_\w+|(e-)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[\w-]{22}"
# Before an agent is asked a session is opened, which goes well.
OPENS_A_SESSION = frozenset({"google_vertex:agent_engine"})

ORDER = ToolSpec(
    name="get_order",
    description="Look up an order by its number.",
    parameters={
        "type": "object",
        "properties": {"number": {"type": "string"}},
        "required": ["number"],
        "additionalProperties": False,
    },
    strict=True,
)
VERDICT = ResponseSchema(
    name="verdict",
    schema={
        "type": "object",
        "properties": {"urgent": {"type": "boolean"}, "reason": {"type": "string"}},
        "required": ["urgent", "reason"],
        "additionalProperties": False,
    },
)


@dataclass(frozen=True, slots=True)
class Case:
    """One adapter, and the simulator it talks to."""

    name: str
    wire: str
    platform: Platform
    simulators: Simulators

    @property
    def platform_name(self) -> PlatformName:
        """Its name, as configuration knows it."""
        return TypeAdapter[PlatformName](PlatformName).validate_python(self.name)

    @property
    def question(self) -> ChatRequest:
        """A request with nothing special about it."""
        asked = Message("user", "How long does a refund take?")
        return ChatRequest(MODELS[self.name], (asked,), system="Refunds take five days.")

    async def script(self, **behaviour: object) -> None:
        """What the vendor does with the next request that asks something."""
        opening = [{"kind": "slow"}] if self.wire in OPENS_A_SESSION else []
        await self.simulators.script(self.name, *opening, behaviour)

    async def turns(self, settled_within_s: float = 5.0) -> list[SimulatedRequest]:
        """The requests that ask something; some platforms must open a conversation before."""
        seen = await self.simulators.requests(settled_within_s)
        asking = [one for one in seen if one.body and "emitStartConversationEvent" not in one.body]
        return [one for one in asking if one.body.get("classMethod") != "async_create_session"]

    def stream(self, request: ChatRequest | None = None) -> AsyncIterator[ChatChunk]:
        """The answer to a request, or to the plain question, as it comes."""
        return self.platform.stream(request or self.question, DEADLINE_S)

    async def reply(
        self,
        request: ChatRequest | None = None,
        *,
        streams: bool = False,
        deadline_s: float = DEADLINE_S,
    ) -> ChatReply:
        """The whole of it, either way."""
        request = request or self.question
        if not streams:
            return await self.platform.complete(request, deadline_s)
        *_, done = await collect(self.platform.stream(request, deadline_s))
        assert isinstance(done, ReplyDone)
        return done.reply

    async def failure(
        self, *, streams: bool = False, deadline_s: float = DEADLINE_S
    ) -> PlatformError:
        """How the plain question fails."""
        with pytest.raises(PlatformError) as caught:
            await self.reply(streams=streams, deadline_s=deadline_s)
        assert caught.value.platform == self.name
        return caught.value


async def collect(stream: AsyncIterator[ChatChunk]) -> list[ChatChunk]:
    return [chunk async for chunk in stream]


@pytest.fixture(params=WIRES)
async def case(request: pytest.FixtureRequest, simulators: Simulators) -> AsyncIterator[Case]:
    wire = str(request.param)
    name, _, _ = wire.partition(":")
    platform = open_platform(name, simulators.connection(wire))
    yield Case(name, wire, platform, simulators)
    await platform.aclose()


def needs(capability: str) -> pytest.MarkDecorator:
    """Ask this only where there is such a thing."""
    able = [wire for wire in WIRES if capability not in LACKS.get(wire, ())]
    return pytest.mark.parametrize("case", able, indirect=True)


@needs("usage")
async def test_a_question_is_answered_with_text_usage_and_a_request_id(case: Case) -> None:
    """A caller sees who answered, what it cost and what to quote to the vendor's support."""
    await case.script(kind="text", text="Five days.")
    reply = await case.reply()
    assert (reply.text, reply.finish_reason) == ("Five days.", FinishReason.STOP)
    assert reply.model == MODELS[case.name]
    assert reply.usage.input_tokens > 0
    assert reply.usage.output_tokens > 0
    assert reply.request_id
    assert re.fullmatch(REQUEST_ID, reply.request_id)


async def test_a_stream_ends_with_the_reply_its_texts_amount_to(case: Case) -> None:
    """What a user has read is what is stored."""
    await case.script(kind="slow", chunk_delay_ms=5)
    *texts, done = await collect(case.stream())
    assert isinstance(done, ReplyDone)
    assert len(texts) > 1
    assert "".join(chunk.text for chunk in texts if isinstance(chunk, TextDelta)) == done.reply.text
    assert replace(done.reply, request_id=None) == replace(await case.reply(), request_id=None)


@needs("packets")
async def test_a_stream_of_one_packet_is_one_text(case: Case) -> None:
    """Texts that arrived together travel on together."""
    await case.script(kind="text", text="many small pieces", chunks=17)
    chunks = await collect(case.stream())
    assert chunks[0] == TextDelta("many small pieces")
    assert len(chunks) == 2


@needs("tools")
@pytest.mark.parametrize("streams", [False, True])
async def test_one_tool_is_called(case: Case, *, streams: bool) -> None:
    """The model's wish reaches the agent with its arguments as JSON."""
    await case.script(
        kind="tool_calls", calls=[{"name": "get_order", "arguments": {"number": "1234"}}]
    )
    request = replace(case.question, tools=(ORDER,))
    reply = await case.reply(request, streams=streams)
    assert reply.finish_reason is FinishReason.TOOL_CALLS
    [call] = reply.tool_calls
    assert (call.name, call.arguments) == ("get_order", {"number": "1234"})


@needs("tools")
@pytest.mark.parametrize("streams", [False, True])
async def test_tools_called_in_parallel_keep_their_order_and_identity(
    case: Case, *, streams: bool
) -> None:
    """Two calls of one tool are two calls."""
    numbers = ["1", "2", "3"]
    calls = [{"name": "get_order", "arguments": {"number": number}} for number in numbers]
    await case.script(kind="tool_calls", calls=calls)
    request = replace(case.question, tools=(ORDER,))
    reply = await case.reply(request, streams=streams)
    assert [call.arguments["number"] for call in reply.tool_calls] == numbers
    assert len({call.id for call in reply.tool_calls}) == 3


@needs("tools")
async def test_the_results_of_tools_go_back_and_are_answered(case: Case) -> None:
    """The vendor accepts our replay of its own turn, and all results of it at once."""
    arguments = [{"number": "1"}, {"number": "2"}]
    calls = [{"name": "get_order", "arguments": value} for value in arguments]
    await case.script(kind="tool_calls", calls=calls)
    request = replace(case.question, tools=(ORDER,))
    asked = await case.reply(request)
    results = [
        ToolResult(call.id, orjson.dumps({"state": f"sent-{index}"}).decode(), is_error=index == 1)
        for index, call in enumerate(asked.tool_calls)
    ]
    turns = (
        *request.messages,
        Message("assistant", asked.text, asked.tool_calls, provider_state=asked.provider_state),
        *(Message("user", tool_results=(result,)) for result in results),
    )
    reply = await case.reply(replace(request, messages=turns))
    assert reply.finish_reason is FinishReason.STOP
    assert "sent-0" in reply.text
    assert "sent-1" in reply.text


@needs("tools")
async def test_a_turn_of_another_platform_is_said_in_neutral_words(case: Case) -> None:
    """After a failover the new platform gets the conversation, not its rival's secrets."""
    for other in sorted(MODELS.keys() - {case.name} - LACKS.keys()):
        await check_a_turn_of(other, case)


async def check_a_turn_of(other: str, case: Case) -> None:
    """Continue on `case` what was begun on `other`: its turn is there, its state is not."""
    await case.simulators.script(
        other,
        {"kind": "tool_calls", "calls": [{"name": "get_order", "arguments": {"number": "1"}}]},
    )
    rival = open_platform(other, case.simulators.connection(other))
    request = replace(case.question, tools=(ORDER,))
    asked = await rival.complete(replace(request, model=MODELS[other]), DEADLINE_S)
    await rival.aclose()
    turns = (
        *request.messages,
        Message("assistant", asked.text, asked.tool_calls, provider_state=asked.provider_state),
        Message("user", tool_results=(ToolResult(asked.tool_calls[0].id, "sent"),)),
    )
    reply = await case.reply(replace(request, messages=turns))
    assert "sent" in reply.text
    seen = (await case.simulators.requests())[-1]
    assert b"encrypted_content" not in orjson.dumps(seen.body.get("input"))


@needs("schema")
async def test_structured_output_is_json_of_the_schema(case: Case) -> None:
    """What code reads needs no parsing of prose."""
    reply = await case.reply(replace(case.question, response_schema=VERDICT))
    assert set(orjson.loads(reply.text)) == {"urgent", "reason"}


@needs("refusal")
@pytest.mark.parametrize("streams", [False, True])
async def test_a_refusal_is_no_error_and_says_why(case: Case, *, streams: bool) -> None:
    """Declining is an answer, and the user is told; Google blocks the question."""
    await case.script(kind="refusal", text="I will not help with that.")
    reply = await case.reply(streams=streams)
    is_blocked = case.name == "google_vertex"
    expected = FinishReason.CONTENT_FILTER if is_blocked else FinishReason.REFUSAL
    assert reply.finish_reason is expected
    assert reply.text == "I will not help with that."


@needs("length")
@pytest.mark.parametrize("streams", [False, True])
async def test_an_answer_cut_at_its_length_says_so(case: Case, *, streams: bool) -> None:
    """Half an answer is never sold as a whole one."""
    await case.script(kind="length")
    reply = await case.reply(streams=streams)
    assert reply.finish_reason is FinishReason.LENGTH
    assert reply.text


@needs("limit")
@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize(
    "behaviour",
    [
        {"kind": "slow"},
        {"kind": "text", "text": "word " * 100, "chunks": 10},
        {"kind": "tool_calls", "calls": [{"name": "get_order", "arguments": {"number": "9" * 80}}]},
        {"kind": "refusal", "text": "no " * 100},
        {"kind": "length"},
    ],
    ids=["honest", "text", "tool_calls", "refusal", "length"],
)
async def test_no_more_output_is_billed_than_was_allowed(
    case: Case, behaviour: dict[str, object], *, streams: bool
) -> None:
    """What a limit of cost rests on: thoughts, calls and refusals are within the tokens allowed."""
    least = shipped_models().facts(case.platform_name, MODELS[case.name]).limits.least_output_tokens
    for allowed in (1, 5, 16, 22, 40, 200):
        await case.script(**behaviour)
        request = replace(case.question, max_tokens=allowed, tools=(ORDER,))
        reply = await case.reply(request, streams=streams)
        assert reply.usage.output_tokens <= max(allowed, least)


async def test_the_content_filter_is_not_mistaken_for_an_outage(case: Case) -> None:
    """OpenAI and Google end such an answer, Anthropic refuses it: no platform's health is blamed."""
    await case.script(kind="content_filter")
    if case.name in {"azure_openai", "google_vertex", "openai"}:
        assert (await case.reply()).finish_reason is FinishReason.CONTENT_FILTER
    else:
        assert (await case.failure()).kind is ErrorKind.CONTENT_FILTERED


async def test_cancelling_a_stream_reaches_the_vendor(case: Case) -> None:
    """Nobody pays for tokens that nobody reads."""
    await case.script(kind="slow", chunk_delay_ms=1_000)
    begun = asyncio.Event()

    async def read() -> None:
        async for _ in case.stream():
            begun.set()

    reader = asyncio.create_task(read())
    async with asyncio.timeout(DEADLINE_S):
        await begun.wait()
    reader.cancel()
    await asyncio.wait([reader])
    [seen] = await case.turns()
    assert (seen.cancelled, seen.completed) == (True, False)


async def test_leaving_a_stream_reaches_the_vendor(case: Case) -> None:
    """A consumer that stops reading need not cancel anything."""
    await case.script(kind="slow", chunk_delay_ms=1_000)
    async with aclosing(case.platform.stream(case.question, DEADLINE_S)) as stream:
        await anext(stream)
    [seen] = await case.turns()
    assert (seen.cancelled, seen.completed) == (True, False)


async def test_cancelling_before_the_first_byte_reaches_the_vendor(case: Case) -> None:
    """A hedge that lost is ended while it still waits."""
    await case.script(kind="stall", after_chunks=0, stall_s=30)
    asked = asyncio.create_task(case.reply())
    async with asyncio.timeout(DEADLINE_S):
        while not await case.turns(settled_within_s=0):
            pass
    asked.cancel()
    await asyncio.wait([asked])
    [seen] = await case.turns()
    assert (seen.cancelled, seen.completed) == (True, False)


@pytest.mark.parametrize("streams", [False, True])
async def test_the_deadline_ends_a_call_and_its_request(case: Case, *, streams: bool) -> None:
    """A promise of latency holds whatever the vendor does, and costs it no more than that."""
    await case.script(kind="stall", after_chunks=1, stall_s=30)
    # Enough for the request that opens a conversation, on a busy machine too.
    error = await case.failure(streams=streams, deadline_s=0.8)
    assert error.kind is ErrorKind.TIMEOUT
    [seen] = await case.turns()
    assert seen.cancelled


async def test_silence_in_the_middle_of_a_stream_is_a_timeout(case: Case) -> None:
    """A vendor that has gone is found out long before a generous deadline."""
    connection = case.simulators.connection(case.wire)
    impatient = type(case.platform)(connection, idle_s=0.3)  # type: ignore[call-arg]
    await case.script(kind="stall", after_chunks=1, stall_s=30)
    with pytest.raises(PlatformError) as caught:
        await collect(impatient.stream(case.question, DEADLINE_S))
    await impatient.aclose()
    assert caught.value.kind is ErrorKind.TIMEOUT


async def test_a_wrong_credential_is_ours_to_mend_and_is_never_repeated(
    case: Case, simulators: Simulators
) -> None:
    """401: an alert for the operator, without the secret in it."""
    connection = replace(simulators.connection(case.wire), credential="sk-of-somebody-else")
    stranger = open_platform(case.name, connection)
    with pytest.raises(PlatformError) as caught:
        await stranger.complete(case.question, DEADLINE_S)
    await stranger.aclose()
    assert (caught.value.kind, caught.value.status) == (ErrorKind.CREDENTIALS, 401)
    await case.script(kind="status", status=500, message=f"cannot serve {simulators.key} today")
    error = await case.failure()
    assert error.detail.endswith("cannot serve <credential> today")


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ErrorKind.INVALID_REQUEST),
        (403, ErrorKind.PERMISSION),
        (404, ErrorKind.MODEL_GONE),
        (408, ErrorKind.TIMEOUT),
        (413, ErrorKind.CONTEXT_TOO_LONG),
        (422, ErrorKind.INVALID_REQUEST),
        (429, ErrorKind.RATE_LIMITED),
        (500, ErrorKind.OVERLOADED),
        (504, ErrorKind.TIMEOUT),
        (529, ErrorKind.OVERLOADED),
    ],
)
async def test_a_status_says_whose_move_it_is(
    case: Case, status: int, kind: ErrorKind, *, streams: bool
) -> None:
    """Every status is asked once: retrying is the executor's decision, not the SDK's."""
    asked = 2 if (case.name, status) in ASKED_AGAIN else 1
    await case.script(kind="status", status=status, times=asked)
    error = await case.failure(streams=streams)
    assert (error.kind, error.status) == (kind, status)
    assert len(await case.turns()) == asked


async def test_a_rate_limit_says_when_to_come_back(case: Case) -> None:
    """The vendor's hint, in seconds and not rounded."""
    await case.script(kind="status", status=429, retry_after_s=1.5)
    error = await case.failure()
    assert (error.kind, error.retry_after_s) == (ErrorKind.RATE_LIMITED, 1.5)


async def test_a_spent_quota_is_not_a_rate_limit(case: Case) -> None:
    """Waiting does not help; a human with a purse does."""
    code = {
        "anthropic": "enforced_spend_limit_reached",
        "azure_openai": "QuotaExceeded",
        "copilot_studio": "EnforcementMessageC2",
        "google_vertex": "BILLING_DISABLED",
        "openai": "insufficient_quota",
    }[case.name]
    await case.script(kind="status", status=429, code=code)
    error = await case.failure()
    assert error.kind is ErrorKind.QUOTA_EXHAUSTED
    assert error.detail.startswith(code)


async def test_a_context_that_is_too_long_may_fit_elsewhere(case: Case) -> None:
    """OpenAI and Microsoft have codes for it, Anthropic and Google only words."""
    said: Mapping[str, str] = {
        "azure_openai": {"code": "context_length_exceeded"},
        "openai": {"code": "context_length_exceeded"},
        "copilot_studio": {"code": "MessageSizeTooBig"},
        "anthropic": {"message": "prompt is too long: 1200000 tokens > 1000000 maximum"},
        "google_vertex": {
            "message": "The input token count (1200000) exceeds the maximum number of tokens "
            "allowed (1048576)."
        },
    }[case.name]
    await case.script(kind="status", status=400, **said)
    error = await case.failure()
    assert (error.kind, error.status) == (ErrorKind.CONTEXT_TOO_LONG, 400)


@needs("one line")
async def test_a_stream_that_stops_early_is_found_out(case: Case) -> None:
    """The SDKs raise nothing here: half an answer would pass for a whole one."""
    await case.script(kind="cut", after_chunks=2)
    error = await case.failure(streams=True)
    assert error.kind is ErrorKind.STREAM_TRUNCATED


@needs("json body")
async def test_half_a_json_body_is_a_bad_reply(case: Case) -> None:
    """The same, for an answer that is not streamed."""
    await case.script(kind="cut", after_chunks=1)
    assert (await case.failure()).kind is ErrorKind.BAD_REPLY


@needs("one line")
@pytest.mark.parametrize("streams", [False, True])
async def test_a_connection_that_breaks_is_a_connection_error(case: Case, *, streams: bool) -> None:
    """Networks fail; another attempt may not."""
    await case.script(kind="disconnect", after_chunks=1)
    assert (await case.failure(streams=streams)).kind is ErrorKind.CONNECTION


@pytest.mark.parametrize("streams", [False, True])
async def test_garbage_is_a_bad_reply(case: Case, *, streams: bool) -> None:
    """What is no JSON is nobody's answer."""
    await case.script(kind="garbage", after_chunks=1)
    assert (await case.failure(streams=streams)).kind is ErrorKind.BAD_REPLY


@pytest.mark.parametrize("event", ["failed", "error"])
async def test_an_error_inside_a_stream_is_the_vendors_error(case: Case, event: str) -> None:
    """A 200 is taken back: what follows decides."""
    code, kind = {
        "azure_openai": ("too_many_requests", ErrorKind.RATE_LIMITED),
        "copilot_studio": ("OpenAIRateLimitReached", ErrorKind.RATE_LIMITED),
        "openai": ("rate_limit_exceeded", ErrorKind.RATE_LIMITED),
        "anthropic": ("overloaded_error", ErrorKind.OVERLOADED),
        "google_vertex": ("UNAVAILABLE", ErrorKind.OVERLOADED),
    }[case.name]
    await case.script(
        kind="error_event", after_chunks=1, event=event, code=code, message="Not now."
    )
    error = await case.failure(streams=True)
    assert (error.kind, error.status, error.detail) == (kind, None, f"{code}: Not now.")


async def test_nobody_at_the_address_is_a_connection_error(case: Case) -> None:
    """At once: there is no hidden retry."""
    connection = case.simulators.connection(case.wire)
    nobody = open_platform(case.name, replace(connection, base_url="http://127.0.0.1:1/v1"))
    with pytest.raises(PlatformError) as caught:
        await nobody.complete(case.question, DEADLINE_S)
    await nobody.aclose()
    assert caught.value.kind is ErrorKind.CONNECTION


@needs("one line")
async def test_an_adapter_goes_on_after_every_kind_of_failure(case: Case) -> None:
    """Failures leave no connection behind: four is all this pool has."""
    kinds: list[dict[str, object]] = [
        {"kind": kind, "after_chunks": 1}
        for kind in ("cut", "disconnect", "garbage", "error_event")
    ]
    for behaviour in kinds * 3:
        await case.script(**behaviour)
        await case.failure(streams=True)
    assert (await case.reply()).finish_reason is FinishReason.STOP
