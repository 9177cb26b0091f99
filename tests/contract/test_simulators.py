"""The simulators speak the vendors' wires: driven over loopback with the official SDKs.

Whatever an SDK believes here, an adapter may believe; whatever it raises, an adapter must catch.
"""

import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import anthropic
import httpx2
import openai
import pytest
from openai.types.responses import FunctionToolParam, Response, ResponseStreamEvent

if TYPE_CHECKING:
    from openai.types.responses.response_input_param import ResponseInputParam

KEY = "sk-simulated"
GPT = "gpt-6.1-terra"
CLAUDE = "claude-sonnet-5-5"
START_LOOKS = 1_000  # of 20 ms each: twenty seconds, for a busy machine
KNOWLEDGE = (
    "Answer from these passages.\n"
    '<passage id="kb-012" source="vector_store" title="Refunds">'
    "Refunds are paid within 14 days. You need the receipt &amp; the order number.</passage>"
)
QUESTION = "How long until my refund is paid?"
GROUNDED = (
    "Refunds are paid within 14 days. [kb-012] You need the receipt & the order number. [kb-012]"
)
INVOICE_QUESTION = "Please look up invoice INV-2026-0007."
INVOICE_SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {"invoice_id": {"type": "string"}},
    "required": ["invoice_id"],
    "additionalProperties": False,
}
GPT_TOOL: FunctionToolParam = {
    "type": "function",
    "name": "get_invoice",
    "description": "Look up an invoice.",
    "parameters": INVOICE_SCHEMA,
    "strict": True,
}
CLAUDE_TOOL: anthropic.types.ToolParam = {
    "name": "get_invoice",
    "description": "Look up an invoice.",
    "input_schema": INVOICE_SCHEMA,
}
TWO_CALLS: dict[str, object] = {
    "kind": "tool_calls",
    "calls": [
        {"name": "get_invoice", "arguments": {"invoice_id": "INV-1"}},
        {"name": "get_invoice", "arguments": {"invoice_id": "INV-2"}},
    ],
}
TRIAGE_SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {
        "category": {"type": "string", "enum": ["billing", "refund"]},
        "summary": {"type": "string"},
    },
    "required": ["category", "summary"],
    "additionalProperties": False,
}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run the real process for as long as this module's tests."""
    port_file = tmp_path_factory.mktemp("simulators") / "port"
    process = start_simulators(port_file)
    try:
        yield f"http://127.0.0.1:{read_port(process, port_file)}"
    finally:
        process.terminate()
        process.wait(timeout=20)


def start_simulators(port_file: Path) -> subprocess.Popen[bytes]:
    module = "deployments.simulators.server"
    pace = ["--key", KEY, "--latency-ms", "0", "--chunk-ms", "0"]
    command = [sys.executable, "-m", module, "--port-file", str(port_file), *pace]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)


def read_port(process: subprocess.Popen[bytes], port_file: Path) -> int:
    for _ in range(START_LOOKS):
        if port_file.exists():
            return int(port_file.read_text())
        with suppress(subprocess.TimeoutExpired):
            pytest.fail(f"the simulators ended with {process.wait(timeout=0.02)}")
    return pytest.fail("the simulators did not start")


@pytest.fixture
async def control(url: str) -> AsyncIterator[httpx2.AsyncClient]:
    """The control routes, with nothing scripted and nothing noted yet."""
    async with httpx2.AsyncClient(base_url=f"{url}/_simulator") as client:
        await client.delete("/script")
        await client.delete("/requests")
        yield client


@pytest.fixture
async def gpt(url: str, control: httpx2.AsyncClient) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(
        base_url=f"{url}/openai/v1", api_key=KEY, max_retries=0
    ) as client:
        yield client


@pytest.fixture
async def claude(url: str, control: httpx2.AsyncClient) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(
        base_url=f"{url}/anthropic", api_key=KEY, max_retries=0
    ) as client:
        yield client


async def script(control: httpx2.AsyncClient, *behaviours: dict[str, object]) -> None:
    answer = await control.post("/script", json={"behaviours": list(behaviours)})
    assert answer.status_code == 200, answer.text


async def last_request(control: httpx2.AsyncClient) -> dict[str, object]:
    noted = await control.get("/requests", params={"settled_within_s": 10})
    *_, last = noted.json()["requests"]
    return dict(last)


async def ask_gpt(gpt: openai.AsyncOpenAI, question: str = QUESTION) -> Response:
    return await gpt.responses.create(model=GPT, instructions=KNOWLEDGE, input=question)


async def stream_gpt(gpt: openai.AsyncOpenAI) -> list[ResponseStreamEvent]:
    stream = await gpt.responses.create(
        model=GPT, instructions=KNOWLEDGE, input=QUESTION, stream=True
    )
    return [event async for event in stream]


async def ask_claude(
    claude: anthropic.AsyncAnthropic, question: str = QUESTION
) -> anthropic.types.Message:
    return await claude.messages.create(
        model=CLAUDE,
        max_tokens=1_000,
        system=KNOWLEDGE,
        messages=[{"role": "user", "content": question}],
    )


async def stream_claude(
    claude: anthropic.AsyncAnthropic, seen: list[anthropic.types.RawMessageStreamEvent]
) -> None:
    """Append what arrives, so that a test sees what came before an error."""
    stream = await claude.messages.create(
        model=CLAUDE,
        max_tokens=1_000,
        system=KNOWLEDGE,
        messages=[{"role": "user", "content": QUESTION}],
        stream=True,
    )
    async for event in stream:
        seen.append(event)  # noqa: PERF401 - a comprehension would lose them when it raises


# -- OpenAI ----------------------------------------------------------------------------------------


async def test_gpt_answers_from_the_passages_and_counts_its_tokens(gpt: openai.AsyncOpenAI) -> None:
    """An answer is grounded, billed, and says that a simulator gave it."""
    raw = await gpt.responses.with_raw_response.create(
        model=GPT, instructions=KNOWLEDGE, input=QUESTION
    )
    response = raw.parse()
    assert response.output_text == GROUNDED
    assert response.usage is not None
    assert response.usage.total_tokens > response.usage.output_tokens > 0
    assert response.usage.input_tokens_details.cached_tokens == 0
    assert raw.headers["x-supportmax-simulator"] == "openai"
    assert raw.headers["x-request-id"] == response._request_id
    assert int(raw.headers["x-ratelimit-remaining-requests"]) > 0


async def test_a_gpt_stream_is_the_documented_sequence_and_its_deltas_are_the_answer(
    gpt: openai.AsyncOpenAI,
) -> None:
    """An adapter may lean on the order, the numbers and the terminal event."""
    events = await stream_gpt(gpt)
    names = [event.type for event in events]
    assert names[:4] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
    ]
    assert names[-4:] == [
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(deltas) == GROUNDED
    assert len(deltas) > 3
    assert [getattr(event, "sequence_number", None) for event in events] == list(range(len(events)))


async def test_gpt_calls_a_tool_on_its_own_and_answers_with_the_result(
    gpt: openai.AsyncOpenAI,
) -> None:
    """The whole tool loop works unscripted, strict schemas and replayed items included."""
    conversation: ResponseInputParam = [{"role": "user", "content": INVOICE_QUESTION}]
    first = await gpt.responses.create(
        model=GPT,
        input=conversation,
        tools=[GPT_TOOL],
        store=False,
        include=["reasoning.encrypted_content"],
    )
    [reasoning, call] = first.output
    assert reasoning.type == "reasoning"
    assert reasoning.encrypted_content
    assert call.type == "function_call"
    assert json.loads(call.arguments) == {"invoice_id": "INV-2026-0007"}
    conversation += [item.to_dict() for item in first.output]  # type: ignore[misc]
    conversation.append(
        {"type": "function_call_output", "call_id": call.call_id, "output": '{"status": "paid"}'}
    )
    second = await gpt.responses.create(model=GPT, input=conversation, tools=[GPT_TOOL])
    assert second.output_text == "get_invoice says: status: paid."


async def test_gpt_streams_scripted_parallel_calls(
    gpt: openai.AsyncOpenAI, control: httpx2.AsyncClient
) -> None:
    """Two calls interleave by output index; the SDK's own accumulator must reassemble them."""
    await script(control, TWO_CALLS)
    async with gpt.responses.stream(model=GPT, input="Both?", tools=[GPT_TOOL]) as stream:
        final = await stream.get_final_response()
    arguments = [item.arguments for item in final.output if item.type == "function_call"]
    assert arguments == ['{"invoice_id":"INV-1"}', '{"invoice_id":"INV-2"}']


async def test_gpt_continues_a_stored_response(gpt: openai.AsyncOpenAI) -> None:
    """`previous_response_id` carries the conversation, and an unknown one is refused."""
    first = await gpt.responses.create(model=GPT, input=INVOICE_QUESTION, tools=[GPT_TOOL])
    [call] = first.output
    assert call.type == "function_call"
    second = await gpt.responses.create(
        model=GPT,
        previous_response_id=first.id,
        input=[{"type": "function_call_output", "call_id": call.call_id, "output": "paid"}],
    )
    assert second.output_text == "get_invoice says: paid."
    with pytest.raises(openai.NotFoundError, match="resp_unknown"):
        await gpt.responses.create(model=GPT, previous_response_id="resp_unknown", input="And?")


async def test_gpt_fills_a_json_schema(gpt: openai.AsyncOpenAI) -> None:
    """Structured output arrives as JSON text which fits."""
    response = await gpt.responses.create(
        model=GPT,
        instructions=KNOWLEDGE,
        input=QUESTION,
        text={
            "format": {
                "type": "json_schema",
                "name": "triage",
                "schema": TRIAGE_SCHEMA,
                "strict": True,
            }
        },
    )
    assert json.loads(response.output_text) == {"category": "refund", "summary": GROUNDED}


async def test_gpt_refuses_stops_short_and_is_filtered_on_request(
    gpt: openai.AsyncOpenAI, control: httpx2.AsyncClient
) -> None:
    """The three ways not to answer which are no errors."""
    await script(control, {"kind": "refusal"}, {"kind": "length"}, {"kind": "content_filter"})
    refused = await ask_gpt(gpt)
    [message] = refused.output
    assert message.type == "message"
    assert message.content[0].type == "refusal"
    for reason in ("max_output_tokens", "content_filter"):
        *_, last = await stream_gpt(gpt)
        assert last.type == "response.incomplete"
        assert last.response.incomplete_details is not None
        assert last.response.incomplete_details.reason == reason


@pytest.mark.parametrize("key", ["sk-wrong", ""])
async def test_gpt_lets_nobody_in_with_the_wrong_key(
    url: str, control: httpx2.AsyncClient, key: str
) -> None:
    """A key which is wrong or missing is 401, in OpenAI's shape."""
    headers = {"authorization": f"Bearer {key}"} if key else {}
    async with httpx2.AsyncClient(base_url=url, headers=headers) as client:
        answer = await client.get("/openai/v1/models")
    assert answer.status_code == 401
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


async def test_gpt_refuses_what_openai_refuses(gpt: openai.AsyncOpenAI) -> None:
    """A request which would fail with the vendor fails here, for the same reason."""
    with pytest.raises(openai.NotFoundError) as gone:
        await gpt.responses.create(model="gpt-4", input="Hello")
    assert gone.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as sampled:
        await gpt.responses.create(model=GPT, input="Hello", temperature=0.7)
    assert (sampled.value.code, sampled.value.param) == ("unsupported_parameter", "temperature")
    with pytest.raises(openai.BadRequestError) as unknown:
        await gpt.responses.create(model=GPT, input="Hello", extra_body={"max_tokens": 9})
    assert (unknown.value.code, unknown.value.param) == ("unknown_parameter", "max_tokens")
    loose: FunctionToolParam = {**GPT_TOOL, "parameters": {"type": "object", "properties": {}}}
    with pytest.raises(openai.BadRequestError) as schema:
        await gpt.responses.create(model=GPT, input="Hello", tools=[loose])
    assert schema.value.param == "tools[0].parameters"
    with pytest.raises(openai.BadRequestError, match="No tool call found"):
        await gpt.responses.create(
            model=GPT,
            input=[{"type": "function_call_output", "call_id": "call_x", "output": "?"}],
        )


@pytest.mark.parametrize(
    "item",
    [
        {"role": "assistant", "content": [{"type": "input_text", "text": "Hi"}]},
        {"role": "user", "content": [{"type": "input_text", "text": "Hi", "colour": "red"}]},
        {"type": "tool_call", "name": "x"},
        {"role": "user"},
    ],
    ids=["a user's part from the assistant", "an unknown field", "an unknown item", "no content"],
)
async def test_gpt_refuses_an_item_it_does_not_know(
    gpt: openai.AsyncOpenAI, item: dict[str, object]
) -> None:
    """The error points at the item, so that a codec's mistake is found at once."""
    with pytest.raises(openai.BadRequestError) as refused:
        await gpt.responses.create(model=GPT, input=[item])  # type: ignore[list-item]
    assert str(refused.value.param).startswith("input[0]")


async def test_gpt_lists_models_with_the_day_they_end(gpt: openai.AsyncOpenAI) -> None:
    """A status page can warn before a configured model dies."""
    models = {model.id: model.shutdown_date async for model in gpt.models.list()}
    assert models[GPT] is None
    assert models["gpt-5"] == "2026-12-11"
    assert (await gpt.models.retrieve("gpt-5")).shutdown_date == "2026-12-11"


async def test_gpt_limits_the_rate_and_fails_on_request(
    gpt: openai.AsyncOpenAI, control: httpx2.AsyncClient
) -> None:
    """An adapter sees the vendor's status, code and hint; afterwards the platform is well again."""
    await script(
        control,
        {"kind": "status", "status": 429, "retry_after_s": 1.5},
        {"kind": "status", "status": 500},
    )
    with pytest.raises(openai.RateLimitError) as limited:
        await ask_gpt(gpt)
    assert limited.value.code == "rate_limit_exceeded"
    assert limited.value.response.headers["retry-after"] == "2"
    assert limited.value.response.headers["retry-after-ms"] == "1500"
    with pytest.raises(openai.InternalServerError):
        await ask_gpt(gpt)
    assert (await ask_gpt(gpt)).output_text == GROUNDED


async def test_a_cut_gpt_stream_ends_without_a_word(
    gpt: openai.AsyncOpenAI, control: httpx2.AsyncClient
) -> None:
    """The SDK does not notice; only the missing terminal event tells."""
    await script(control, {"kind": "cut", "after_chunks": 2})
    names = [event.type for event in await stream_gpt(gpt)]
    assert names[-2:] == ["response.output_text.delta"] * 2
    assert (await last_request(control))["completed"] is False


async def test_a_broken_or_garbled_gpt_answer_raises(
    gpt: openai.AsyncOpenAI, control: httpx2.AsyncClient
) -> None:
    """What the SDK raises for a lost connection and for a chunk which is not JSON."""
    await script(control, {"kind": "disconnect", "times": 2}, {"kind": "garbage", "times": 2})
    with pytest.raises(openai.APIConnectionError):
        await stream_gpt(gpt)
    with pytest.raises(openai.APIConnectionError):
        await ask_gpt(gpt)
    with pytest.raises(json.JSONDecodeError):
        await stream_gpt(gpt)
    with pytest.raises(json.JSONDecodeError):
        await ask_gpt(gpt)


async def test_an_error_inside_a_gpt_stream_is_an_event(
    gpt: openai.AsyncOpenAI, control: httpx2.AsyncClient
) -> None:
    """OpenAI has two, neither raises, and the words before them have been said."""
    await script(
        control,
        {"kind": "error_event", "code": "rate_limit_exceeded", "times": 2},
        {"kind": "error_event", "event": "error"},
    )
    *before, failed = await stream_gpt(gpt)
    assert before[-1].type == "response.output_text.delta"
    assert failed.type == "response.failed"
    assert failed.response.error is not None
    assert failed.response.error.code == "rate_limit_exceeded"
    assert (await ask_gpt(gpt)).status == "failed"
    *_, last = await stream_gpt(gpt)
    assert last.type == "error"
    assert last.code == "server_error"


# -- Anthropic -------------------------------------------------------------------------------------


async def test_claude_answers_from_the_passages_and_counts_its_tokens(
    claude: anthropic.AsyncAnthropic,
) -> None:
    """An answer is grounded, billed, and says that a simulator gave it."""
    raw = await claude.messages.with_raw_response.create(
        model=CLAUDE,
        max_tokens=1_000,
        system=KNOWLEDGE,
        messages=[{"role": "user", "content": QUESTION}],
    )
    message = await raw.parse()
    assert [block.text for block in message.content if block.type == "text"] == [GROUNDED]
    assert message.stop_reason == "end_turn"
    assert message.usage.output_tokens > 0
    assert raw.headers["x-supportmax-simulator"] == "anthropic"
    assert raw.headers["request-id"] == message._request_id
    assert int(raw.headers["anthropic-ratelimit-tokens-remaining"]) > 0


async def test_a_claude_stream_is_the_documented_sequence_and_its_deltas_are_the_answer(
    claude: anthropic.AsyncAnthropic,
) -> None:
    """An adapter may lean on the order, the cumulative usage and the terminal event."""
    seen: list[anthropic.types.RawMessageStreamEvent] = []
    await stream_claude(claude, seen)
    names = [event.type for event in seen]
    deltas = names.count("content_block_delta")
    assert names == [
        "message_start",
        "content_block_start",
        *["content_block_delta"] * deltas,
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    text = [
        event.delta.text
        for event in seen
        if event.type == "content_block_delta" and event.delta.type == "text_delta"
    ]
    assert "".join(text) == GROUNDED
    assert seen[-2].type == "message_delta"
    assert seen[-2].usage.output_tokens > 1


async def test_claude_calls_a_tool_on_its_own_and_answers_with_the_result(
    claude: anthropic.AsyncAnthropic,
) -> None:
    """The whole tool loop works unscripted, with thinking kept as it came."""
    messages: list[anthropic.types.MessageParam] = [{"role": "user", "content": INVOICE_QUESTION}]
    async with claude.messages.stream(
        model=CLAUDE,
        max_tokens=4_000,
        messages=messages,
        tools=[CLAUDE_TOOL],
        thinking={"type": "adaptive"},
    ) as stream:
        first = await stream.get_final_message()
    [thinking, call] = first.content
    assert thinking.type == "thinking"
    assert thinking.signature
    assert call.type == "tool_use"
    assert call.input == {"invoice_id": "INV-2026-0007"}
    messages.append(first.to_param())
    messages.append(
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": call.id, "content": '{"status": "paid"}'}
            ],
        }
    )
    second = await claude.messages.create(
        model=CLAUDE, max_tokens=1_000, messages=messages, tools=[CLAUDE_TOOL]
    )
    assert second.content[0].type == "text"
    assert second.content[0].text == "get_invoice says: status: paid."


async def test_claude_wants_every_parallel_result_in_the_next_message(
    claude: anthropic.AsyncAnthropic, control: httpx2.AsyncClient
) -> None:
    """Two calls, one result: the vendor refuses the conversation, and so do we."""
    await script(control, TWO_CALLS)
    question: anthropic.types.MessageParam = {"role": "user", "content": "Both?"}
    message = await claude.messages.create(
        model=CLAUDE, max_tokens=1_000, messages=[question], tools=[CLAUDE_TOOL]
    )
    calls = [block for block in message.content if block.type == "tool_use"]
    assert [call.input for call in calls] == [{"invoice_id": "INV-1"}, {"invoice_id": "INV-2"}]
    results: list[anthropic.types.ToolResultBlockParam] = [
        {"type": "tool_result", "tool_use_id": call.id, "content": "paid"} for call in calls
    ]
    with pytest.raises(anthropic.BadRequestError, match="without `tool_result` blocks"):
        await claude.messages.create(
            model=CLAUDE,
            max_tokens=1_000,
            messages=[question, message.to_param(), {"role": "user", "content": results[:1]}],
        )
    both = await claude.messages.create(
        model=CLAUDE,
        max_tokens=1_000,
        messages=[question, message.to_param(), {"role": "user", "content": results}],
    )
    assert both.stop_reason == "end_turn"


async def test_claude_fills_a_json_schema(claude: anthropic.AsyncAnthropic) -> None:
    """Structured output arrives as JSON text which fits."""
    message = await claude.messages.create(
        model=CLAUDE,
        max_tokens=1_000,
        system=KNOWLEDGE,
        messages=[{"role": "user", "content": QUESTION}],
        output_config={"format": {"type": "json_schema", "schema": TRIAGE_SCHEMA}},
    )
    assert message.content[0].type == "text"
    assert json.loads(message.content[0].text) == {"category": "refund", "summary": GROUNDED}


async def test_claude_remembers_a_long_prompt_it_was_told_to_cache(
    claude: anthropic.AsyncAnthropic,
) -> None:
    """Cost depends on tokens written to and read from the cache, which are not input tokens."""
    usages = [
        (
            await claude.messages.create(
                model=CLAUDE,
                max_tokens=100,
                cache_control={"type": "ephemeral"},
                system="Be brief. " * 600,
                messages=[{"role": "user", "content": "Hello"}],
            )
        ).usage
        for _ in range(2)
    ]
    assert [usage.cache_creation_input_tokens for usage in usages] == [1_500, 0]
    assert [usage.cache_read_input_tokens for usage in usages] == [0, 1_500]
    assert [usage.input_tokens for usage in usages] == [2, 2]


async def test_claude_refuses_stops_short_and_is_filtered_on_request(
    claude: anthropic.AsyncAnthropic, control: httpx2.AsyncClient
) -> None:
    """A refusal has no content, a length stop has some, a filtered answer is an error."""
    await script(control, {"kind": "refusal"}, {"kind": "length"}, {"kind": "content_filter"})
    refused = await ask_claude(claude)
    assert (refused.stop_reason, refused.content) == ("refusal", [])
    assert refused.stop_details is not None
    assert (await ask_claude(claude)).stop_reason == "max_tokens"
    with pytest.raises(anthropic.BadRequestError, match="content filtering"):
        await ask_claude(claude)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"x-api-key": "wrong", "anthropic-version": "2023-06-01"}, 401),
        ({"x-api-key": KEY}, 400),
        ({"x-api-key": KEY, "anthropic-version": "2020-01-01"}, 400),
        ({"x-api-key": KEY, "anthropic-version": "2023-06-01"}, 200),
        ({"authorization": f"Bearer {KEY}", "anthropic-version": "2026-10-21"}, 200),
    ],
    ids=["no key", "a wrong key", "no version", "an unknown version", "the old way", "the new way"],
)
async def test_claude_wants_a_key_and_a_version(
    url: str, control: httpx2.AsyncClient, headers: dict[str, str], status: int
) -> None:
    """Both ways to send the key and both versions are alive; nothing else opens the door."""
    async with httpx2.AsyncClient(base_url=url, headers=headers) as client:
        answer = await client.get("/anthropic/v1/models")
    assert answer.status_code == status
    if status != 200:
        assert answer.json()["type"] == "error"
        assert answer.json()["request_id"] == answer.headers["request-id"]


async def test_claude_refuses_what_anthropic_refuses(claude: anthropic.AsyncAnthropic) -> None:
    """A request which would fail with the vendor fails here, for the same reason."""
    hello: list[anthropic.types.MessageParam] = [{"role": "user", "content": "Hello"}]
    with pytest.raises(anthropic.NotFoundError, match="claude-3"):
        await claude.messages.create(model="claude-3-sonnet", max_tokens=9, messages=hello)
    for field in ("temperature", "top_p", "top_k"):
        with pytest.raises(anthropic.BadRequestError, match=field):
            await claude.messages.create(
                model=CLAUDE, max_tokens=9, messages=hello, extra_body={field: 1}
            )
    with pytest.raises(anthropic.BadRequestError, match="Extra inputs are not permitted"):
        await claude.messages.create(
            model=CLAUDE, max_tokens=9, messages=hello, extra_body={"max_output_tokens": 9}
        )
    with pytest.raises(anthropic.BadRequestError, match='must use the "user" role'):
        await claude.messages.create(
            model=CLAUDE, max_tokens=9, messages=[{"role": "assistant", "content": "Hello"}]
        )
    with pytest.raises(anthropic.BadRequestError, match="Input should be 'user' or 'assistant'"):
        await claude.messages.create(
            model=CLAUDE, max_tokens=9, messages=[*hello, {"role": "system", "content": "Be kind"}]
        )


async def test_the_old_api_version_still_takes_a_temperature(
    claude: anthropic.AsyncAnthropic,
) -> None:
    """Gateways pinned to 2023-06-01 keep working."""
    message = await claude.messages.create(
        model=CLAUDE,
        max_tokens=100,
        messages=[{"role": "user", "content": "Hello"}],
        extra_body={"temperature": 0.5},
        extra_headers={"anthropic-version": "2023-06-01"},
    )
    assert message.stop_reason == "end_turn"


async def test_claude_lists_models_with_the_day_they_end(claude: anthropic.AsyncAnthropic) -> None:
    """A status page can warn before a configured model dies."""
    models = {model.id: model async for model in claude.models.list()}
    assert models[CLAUDE].lifecycle == "active"
    retiring = await claude.models.retrieve("claude-sonnet-4-5")
    assert retiring.retires_at is not None
    assert retiring.retires_at.date().isoformat() == "2026-11-30"


async def test_claude_limits_the_rate_and_is_overloaded_on_request(
    claude: anthropic.AsyncAnthropic, control: httpx2.AsyncClient
) -> None:
    """An adapter sees the vendor's status, type, code and hint."""
    await script(
        control,
        {"kind": "status", "status": 429, "retry_after_s": 3, "code": "ramp_limit_exceeded"},
        {"kind": "status", "status": 529},
    )
    with pytest.raises(anthropic.RateLimitError) as limited:
        await ask_claude(claude)
    assert (limited.value.type, limited.value.error_code) == (
        "rate_limit_error",
        "ramp_limit_exceeded",
    )
    assert limited.value.response.headers["retry-after"] == "3"
    with pytest.raises(anthropic.OverloadedError):
        await ask_claude(claude)


async def test_a_cut_claude_stream_ends_without_a_word(
    claude: anthropic.AsyncAnthropic, control: httpx2.AsyncClient
) -> None:
    """The SDK does not notice; only the missing message_stop tells."""
    await script(control, {"kind": "cut", "after_chunks": 2})
    seen: list[anthropic.types.RawMessageStreamEvent] = []
    await stream_claude(claude, seen)
    assert [event.type for event in seen[-2:]] == ["content_block_delta"] * 2


async def test_a_broken_or_garbled_claude_answer_raises(
    claude: anthropic.AsyncAnthropic, control: httpx2.AsyncClient
) -> None:
    """In a stream the SDK lets the transport's own errors through."""
    await script(control, {"kind": "disconnect", "times": 2}, {"kind": "garbage", "times": 2})
    with pytest.raises(httpx2.RemoteProtocolError):
        await stream_claude(claude, [])
    with pytest.raises(anthropic.APIConnectionError):
        await ask_claude(claude)
    with pytest.raises(json.JSONDecodeError):
        await stream_claude(claude, [])
    with pytest.raises(json.JSONDecodeError):
        await ask_claude(claude)


async def test_an_error_inside_a_claude_stream_raises_with_status_200(
    claude: anthropic.AsyncAnthropic, control: httpx2.AsyncClient
) -> None:
    """It is not an OverloadedError; only its type says what it is."""
    await script(control, {"kind": "error_event", "after_chunks": 1})
    seen: list[anthropic.types.RawMessageStreamEvent] = []
    with pytest.raises(anthropic.APIStatusError) as overloaded:
        await stream_claude(claude, seen)
    assert (overloaded.value.status_code, overloaded.value.type) == (200, "overloaded_error")
    assert seen[-1].type == "content_block_delta"


# -- Both ------------------------------------------------------------------------------------------


async def test_a_cancelled_stream_reaches_the_server(
    gpt: openai.AsyncOpenAI, control: httpx2.AsyncClient
) -> None:
    """Nobody pays for words which nobody reads."""
    await script(control, {"kind": "slow", "chunk_delay_ms": 60_000})
    stream = await gpt.responses.create(
        model=GPT, instructions=KNOWLEDGE, input=QUESTION, stream=True
    )
    async for event in stream:
        if event.type == "response.output_text.delta":
            break
    await stream.close()
    request = await last_request(control)
    assert (request["cancelled"], request["completed"]) == (True, False)


async def test_an_answer_too_late_times_out_and_the_server_sees_the_client_leave(
    gpt: openai.AsyncOpenAI, control: httpx2.AsyncClient
) -> None:
    """A read timeout is a cancel from the server's side."""
    await script(control, {"kind": "stall", "after_chunks": 1, "stall_s": 60})
    with pytest.raises(openai.APITimeoutError):
        await stream_gpt(gpt.with_options(timeout=0.3))
    assert (await last_request(control))["cancelled"] is True


async def test_the_journal_shows_what_was_sent_without_the_credential(
    claude: anthropic.AsyncAnthropic, control: httpx2.AsyncClient
) -> None:
    """A test reads the request as the vendor would, and no log holds a key."""
    await ask_claude(claude, "Hello")
    request = await last_request(control)
    assert request["platform"] == "anthropic"
    assert request["path"] == "/anthropic/v1/messages"
    assert request["completed"] is True
    assert isinstance(request["body"], dict)
    assert request["body"]["messages"] == [{"role": "user", "content": "Hello"}]
    assert KEY not in json.dumps(request)


async def test_a_scripted_text_is_streamed_in_as_many_chunks_as_asked(
    gpt: openai.AsyncOpenAI, claude: anthropic.AsyncAnthropic, control: httpx2.AsyncClient
) -> None:
    """A test of coalescing needs to know how many deltas there were."""
    await script(control, {"kind": "text", "text": "x" * 40, "chunks": 10, "times": 2})
    events = await stream_gpt(gpt)
    assert [e.delta for e in events if e.type == "response.output_text.delta"] == ["xxxx"] * 10
    seen: list[anthropic.types.RawMessageStreamEvent] = []
    await stream_claude(claude, seen)
    assert sum(event.type == "content_block_delta" for event in seen) == 10


@pytest.mark.parametrize(
    "order",
    [
        {"behaviours": [{"kind": "explode"}]},
        {"behaviours": [{"kind": "cut"}], "platform": "opnai"},
    ],
)
async def test_a_misspelt_script_is_refused(
    control: httpx2.AsyncClient, order: dict[str, object]
) -> None:
    """A fault which never happens makes a test which never fails."""
    assert (await control.post("/script", json=order)).status_code == 400


@pytest.mark.parametrize("path", ["/openai/v1/chat/completions", "/anthropic/v1/complete"])
async def test_an_unknown_url_is_404_in_the_vendors_shape(
    url: str, control: httpx2.AsyncClient, path: str
) -> None:
    """A wrong base URL shows itself as such."""
    headers = {"authorization": f"Bearer {KEY}", "anthropic-version": "2026-10-21"}
    async with httpx2.AsyncClient(base_url=url, headers=headers) as client:
        answer = await client.post(path, json={})
    assert answer.status_code == 404
    assert answer.json()["error"]["type"] in ("invalid_request_error", "not_found_error")
    assert answer.headers["x-supportmax-simulator"] in path


async def test_a_body_over_sixteen_megabytes_is_413(url: str, control: httpx2.AsyncClient) -> None:
    """Everything has a bound."""
    headers = {"authorization": f"Bearer {KEY}"}
    async with httpx2.AsyncClient(base_url=url, headers=headers) as client:
        answer = await client.post("/openai/v1/responses", content=b" " * (16 * 1024 * 1024 + 1))
    assert answer.status_code == 413


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_process_in_order(tmp_path: Path, number: signal.Signals) -> None:
    """A supervisor sees exit code 0, and no traceback at three in the morning."""
    port_file = tmp_path / "port"
    process = start_simulators(port_file)
    read_port(process, port_file)
    process.send_signal(number)
    assert process.wait(timeout=20) == 0


def test_the_process_ends_when_its_parent_has_gone(tmp_path: Path) -> None:
    """A killed test run or service leaves no simulator behind; here the pipe's end tells."""
    port_file = tmp_path / "port"
    # The parent looks for the file again and again: it has nothing else to wait on.
    orphaning = (
        "import subprocess, sys, pathlib, time\n"
        "child = subprocess.Popen([sys.executable, '-m', 'deployments.simulators.server',"
        f" '--port-file', {str(port_file)!r}])\n"
        f"while not pathlib.Path({str(port_file)!r}).exists(): time.sleep(0.02)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", orphaning], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    # The child inherits the pipe: its end is reached when the last of the two has gone.
    remaining, _ = parent.communicate(timeout=40)
    assert (parent.returncode, remaining) == (0, b"")
