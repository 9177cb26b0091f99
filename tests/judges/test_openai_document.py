"""Prism stands between our OpenAI adapter and our simulator and holds both to OpenAI's document.

A request which the document forbids is a 422 that names the field; an answer of the
simulator which it forbids is a 500. Streams are judged by what asks for them.
"""

from collections.abc import AsyncIterator
from dataclasses import replace

import httpx2
import pytest
from openai import AsyncOpenAI

from deployments.platforms.base import Platform
from deployments.platforms.openai.codec import encode_request
from deployments.platforms.registry import open_platform
from routing.errors import PlatformError
from routing.exchange import ChatReply, ChatRequest, FinishReason, ReplyDone, ResponseSchema
from routing.message import JsonObject, Message, ProviderState, ToolCall, ToolResult, ToolSpec
from tests.servers import Simulators

pytestmark = pytest.mark.timeout(180)

DEADLINE_S = 60.0  # Prism compiles the schema of an answer at the first one: 2 s
PARAMETERS: JsonObject = {
    "type": "object",
    "properties": {"number": {"type": "string", "description": "As on the receipt."}},
    "required": ["number"],
    "additionalProperties": False,
}
ORDER = ToolSpec("get_order", "Look up an order.", PARAMETERS, strict=True)
LOOSE = ToolSpec("find", "Find what is like it.", {"type": "object", "properties": {}})
VERDICT = ResponseSchema("verdict", PARAMETERS)
PLAIN = ChatRequest(
    "gpt-6-luna", (Message("user", "How long does a refund take?"),), system="Be brief."
)
CALLS = (ToolCall("call_1", "get_order", {"number": "1"}), ToolCall("call_2", "find", {}))
RESULTS = (ToolResult("call_1", '{"state": "sent"}'), ToolResult("call_2", "gone", is_error=True))
# As the vendor's models say it: thoughts that only they can read, then a preamble, then a call.
THOUGHT = ProviderState(
    "openai",
    (
        {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "gAAAAB"},
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "phase": "commentary",
            "content": [
                {"type": "output_text", "text": "I look.", "annotations": [], "logprobs": []}
            ],
        },
        {
            "id": "fc_1",
            "type": "function_call",
            "status": "completed",
            "call_id": "call_1",
            "name": "get_order",
            "arguments": '{"number":"1"}',
        },
    ),
)
REQUESTS: dict[str, ChatRequest] = {
    "plain": PLAIN,
    "no system text": replace(PLAIN, system=""),
    "few tokens": replace(PLAIN, max_tokens=1),
    "a temperature": replace(PLAIN, model="gpt-4.1", temperature=0.2),
    "a safety id": replace(PLAIN, safety_id="0f" * 16),
    "tools": replace(PLAIN, tools=(LOOSE,)),
    "strict tools": replace(PLAIN, tools=(ORDER, LOOSE)),
    "a tool required, one at a time": replace(
        PLAIN, tools=(ORDER,), tool_choice="required", parallel_tools=False
    ),
    "no tool allowed": replace(PLAIN, tools=(ORDER,), tool_choice="none"),
    "tools of a model that does not reason": replace(PLAIN, model="gpt-4.1", tools=(ORDER,)),
    "structured output": replace(PLAIN, response_schema=VERDICT),
    "a conversation": replace(
        PLAIN,
        messages=(*PLAIN.messages, Message("assistant", "Five days."), Message("user", "And now?")),
    ),
    "results of tools": replace(
        PLAIN,
        tools=(ORDER, LOOSE),
        messages=(
            *PLAIN.messages,
            Message("assistant", "I look.", CALLS),
            Message("user", tool_results=RESULTS),
        ),
    ),
    "reasoning that is replayed": replace(
        PLAIN,
        tools=(ORDER,),
        messages=(
            *PLAIN.messages,
            Message("assistant", "I look.", CALLS[:1], provider_state=THOUGHT),
            Message("user", tool_results=RESULTS[:1]),
        ),
    ),
}


@pytest.fixture
async def openai(prism: str, simulators: Simulators) -> AsyncIterator[Platform]:
    """Our adapter, whose OpenAI is Prism and behind it our simulator."""
    await simulators.clear()
    connection = replace(simulators.connection("openai"), base_url=prism)
    platform = open_platform("openai", connection)
    yield platform
    await platform.aclose()


async def reply(openai: Platform, request: ChatRequest, *, streams: bool) -> ChatReply:
    if not streams:
        return await openai.complete(request, DEADLINE_S)
    chunks = [chunk async for chunk in openai.stream(request, DEADLINE_S)]
    assert isinstance(chunks[-1], ReplyDone)
    return chunks[-1].reply


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("name", REQUESTS)
async def test_what_we_send_is_what_openai_documents(
    openai: Platform, name: str, *, streams: bool
) -> None:
    """Every kind of request the product makes, as the adapter writes it: address, head and body."""
    answer = await reply(openai, REQUESTS[name], streams=streams)
    assert answer.text or answer.tool_calls


async def test_a_turn_of_the_simulator_is_accepted_when_it_is_replayed(
    openai: Platform, simulators: Simulators
) -> None:
    """What comes out of a tool call goes back in with its results."""
    call = {"name": "get_order", "arguments": {"number": "1"}}
    await simulators.script("openai", {"kind": "tool_calls", "calls": [call]})
    request = replace(PLAIN, tools=(ORDER,))
    asked = await reply(openai, request, streams=False)
    said = Message("assistant", asked.text, asked.tool_calls, provider_state=asked.provider_state)
    told = Message("user", tool_results=(ToolResult(asked.tool_calls[0].id, "sent-0"),))
    request = replace(request, messages=(*request.messages, said, told))
    assert "sent-0" in (await reply(openai, request, streams=False)).text


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ({"kind": "refusal", "text": "No."}, FinishReason.REFUSAL),
        ({"kind": "length"}, FinishReason.LENGTH),
        ({"kind": "content_filter"}, FinishReason.CONTENT_FILTER),
    ],
    ids=lambda value: str(value["kind"]) if isinstance(value, dict) else "",
)
async def test_how_the_simulator_ends_an_answer_is_documented(
    openai: Platform, simulators: Simulators, behaviour: dict[str, object], reason: FinishReason
) -> None:
    """What our tests believe of the vendor is what the vendor says of itself."""
    await simulators.script("openai", behaviour)
    assert (await reply(openai, PLAIN, streams=False)).finish_reason is reason


async def test_the_list_of_models_is_documented(prism: str, simulators: Simulators) -> None:
    """Through the vendor's own client: the question is its own, the answer the simulator's."""
    async with AsyncOpenAI(api_key=simulators.key, base_url=prism, max_retries=0) as client:
        assert [model.id async for model in client.models.list()]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"input": 7}, "input"),
        ({"max_output_tokens": "many"}, "max_output_tokens"),
        ({"tools": [{"type": "function"}]}, "tools.0"),
        ({"text": {"format": {"type": "json_schema", "name": "no schema"}}}, "text.format"),
        ({"input": [{"role": "nobody", "content": "Hello?"}]}, "input"),
    ],
)
async def test_the_judge_does_find_fault(
    prism: str, simulators: Simulators, wrong: dict[str, object], field: str
) -> None:
    """One field that is not as documented is a 422 which names it."""
    head = {"authorization": f"Bearer {simulators.key}"}
    async with httpx2.AsyncClient(verify=False, trust_env=False, timeout=DEADLINE_S) as http:
        body = {**encode_request(PLAIN, stream=False), **wrong}
        refused = await http.post(f"{prism}/responses", json=body, headers=head)
        assert refused.status_code == 422
        places = {".".join(one["location"]) for one in refused.json()["validation"]}
        assert any(place.startswith(f"body.{field}") for place in places), places


async def test_the_adapter_hears_the_judge(prism: str, simulators: Simulators) -> None:
    """A refusal of Prism's reaches us as an error, so no test above can pass beside it."""
    platform = open_platform("openai", replace(simulators.connection("openai"), base_url=prism))
    broken = replace(PLAIN, temperature=9.0)
    with pytest.raises(PlatformError) as caught:
        await platform.complete(broken, DEADLINE_S)
    await platform.aclose()
    assert caught.value.status == 422
