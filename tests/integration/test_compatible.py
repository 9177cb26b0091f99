"""OpenAI's and Anthropic's own clients against the running product: another base URL, another key."""

from decimal import Decimal
from typing import TYPE_CHECKING

import anthropic
import openai
import pytest
from anthropic.types import ToolParam, ToolUseBlock
from pydantic import BaseModel

from tests.integration.talk import MESSAGE
from tests.servers import Simulators

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionFunctionToolParam, ChatCompletionMessageParam

TWO_CALLS = {
    "kind": "tool_calls",
    "calls": [
        {"name": "find_order", "arguments": {"order": "A-17"}},
        {"name": "find_order", "arguments": {"order": "B-18"}},
    ],
}
SCHEMA: dict[str, object] = {"type": "object", "properties": {"order": {"type": "string"}}}


class Verdict(BaseModel):
    refund: bool
    reason: str


@pytest.mark.usefixtures("healthy")
async def test_either_client_is_answered_by_the_other_vendor(
    gpt: openai.AsyncOpenAI, claude: anthropic.AsyncAnthropic
) -> None:
    """The platform is the model's name, whoever's client asks."""
    raw = await gpt.chat.completions.with_raw_response.create(
        model="anthropic", messages=[{"role": "user", "content": MESSAGE}]
    )
    completion = raw.parse()
    assert completion.choices[0].message.content
    assert completion.model.startswith("claude")
    assert raw.headers["x-supportmax-platform"] == "anthropic"
    assert raw.headers["x-supportmax-simulated"] == "true"
    assert Decimal(raw.headers["x-supportmax-cost-usd"]) > 0
    message = await claude.messages.create(
        model="openai", max_tokens=200, messages=[{"role": "user", "content": MESSAGE}]
    )
    assert message.model.startswith("gpt")
    assert message.usage.output_tokens > 0
    response = await gpt.responses.create(model="auto:cost", input=MESSAGE)
    assert response.output_text


@pytest.mark.usefixtures("healthy")
async def test_streams_of_every_kind_are_whole(
    gpt: openai.AsyncOpenAI, claude: anthropic.AsyncAnthropic
) -> None:
    """The SDKs' helpers check the order of the events and put them together."""
    async with gpt.chat.completions.stream(
        model="auto", messages=[{"role": "user", "content": MESSAGE}]
    ) as chats:
        assert (await chats.get_final_completion()).choices[0].finish_reason == "stop"
    async with gpt.responses.stream(model="auto", input=MESSAGE) as events:
        assert (await events.get_final_response()).output_text
    async with claude.messages.stream(
        model="auto", max_tokens=200, messages=[{"role": "user", "content": MESSAGE}]
    ) as blocks:
        assert (await blocks.get_final_message()).stop_reason == "end_turn"


@pytest.mark.usefixtures("healthy")
@pytest.mark.parametrize("platform", ["openai", "anthropic"])
async def test_parallel_tools_go_round_whoever_calls_them(
    gpt: openai.AsyncOpenAI,
    claude: anthropic.AsyncAnthropic,
    simulators: Simulators,
    platform: str,
) -> None:
    """Calls of one vendor's model, made by the other vendor's client."""
    tool: ChatCompletionFunctionToolParam = {
        "type": "function",
        "function": {"name": "find_order", "parameters": SCHEMA},
    }
    turns: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Where is A-17?"}]
    await simulators.script(platform, TWO_CALLS)
    asked = await gpt.chat.completions.create(model=platform, messages=turns, tools=[tool])
    said = asked.choices[0].message
    calls = said.tool_calls or []
    assert len(calls) == 2
    turns.append(said.to_dict())  # type: ignore[arg-type]
    turns += [{"role": "tool", "tool_call_id": c.id, "content": "shipped"} for c in calls]
    done = await gpt.chat.completions.create(model=platform, messages=turns, tools=[tool])
    assert done.choices[0].finish_reason == "stop"

    own: ToolParam = {"name": "find_order", "input_schema": SCHEMA}
    await simulators.script(platform, TWO_CALLS)
    first = await claude.messages.create(
        model=platform,
        max_tokens=200,
        tools=[own],
        messages=[{"role": "user", "content": "Where is A-17?"}],
    )
    uses = [block for block in first.content if isinstance(block, ToolUseBlock)]
    assert [use.input for use in uses] == [{"order": "A-17"}, {"order": "B-18"}]
    last = await claude.messages.create(
        model=platform,
        max_tokens=200,
        tools=[own],
        messages=[
            {"role": "user", "content": "Where is A-17?"},
            {"role": "assistant", "content": first.content},
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": use.id, "content": "shipped"}
                    for use in uses
                ],
            },
        ],
    )
    assert last.stop_reason == "end_turn"


@pytest.mark.usefixtures("healthy")
@pytest.mark.parametrize("platform", ["openai", "anthropic"])
async def test_structured_output_comes_from_every_platform(
    gpt: openai.AsyncOpenAI, platform: str
) -> None:
    """A pydantic model is a schema on the way out and a value on the way back."""
    answer = await gpt.responses.parse(model=platform, input=MESSAGE, text_format=Verdict)
    assert isinstance(answer.output_parsed, Verdict)


@pytest.mark.usefixtures("healthy")
async def test_a_conversation_is_kept_and_told_to_whoever_answers_next(
    gpt: openai.AsyncOpenAI, simulators: Simulators
) -> None:
    """One vendor's answer is the other's history, and both are listed."""
    made = await gpt.conversations.create(metadata={"topic": "refund"})
    await simulators.script("openai", {"kind": "text", "text": "Within 14 days."})
    first = await gpt.responses.create(model="openai", conversation=made.id, input=MESSAGE)
    assert first.output_text == "Within 14 days."
    stream = await gpt.responses.create(
        model="anthropic", conversation={"id": made.id}, input="Are you sure?", stream=True
    )
    assert [event.type async for event in stream][-1] == "response.completed"
    turns = (await simulators.requests())[-1].body["messages"]
    assert "Within 14 days." in str(turns)
    assert MESSAGE in str(turns)
    items = [item async for item in gpt.conversations.items.list(made.id, order="asc", limit=3)]
    assert [getattr(item, "role", None) for item in items] == [
        "user", "assistant", "user", "assistant",
    ]  # fmt: skip
    assert (await gpt.conversations.delete(made.id)).deleted
    with pytest.raises(openai.NotFoundError):
        await gpt.responses.create(model="auto", conversation=made.id, input="And now?")


async def test_refusals_raise_the_clients_own_classes(
    gpt: openai.AsyncOpenAI, claude: anthropic.AsyncAnthropic
) -> None:
    """A wrong key, an unknown model, and a field that cannot be honoured."""
    hi: ChatCompletionMessageParam = {"role": "user", "content": "hi"}
    with pytest.raises(openai.AuthenticationError):
        await gpt.with_options(api_key="wrong").chat.completions.create(model="auto", messages=[hi])
    with pytest.raises(anthropic.AuthenticationError):
        await claude.with_options(api_key="wrong").messages.create(
            model="auto", max_tokens=5, messages=[{"role": "user", "content": "hi"}]
        )
    with pytest.raises(openai.NotFoundError) as unknown:
        await gpt.responses.create(model="gpt-2", input="hi")
    assert unknown.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as twice:
        await gpt.chat.completions.create(model="auto", messages=[hi], n=2)
    assert twice.value.param == "n"
    assert "auto:cost" in {model.id for model in (await gpt.models.list()).data}


@pytest.mark.usefixtures("healthy")
async def test_a_stream_that_a_platform_cut_raises_in_either_client(
    gpt: openai.AsyncOpenAI, claude: anthropic.AsyncAnthropic, simulators: Simulators
) -> None:
    """Half an answer is never taken for one."""
    await simulators.script("openai", {"kind": "cut", "after_chunks": 2, "times": 4})
    stream = await gpt.chat.completions.create(
        model="openai", messages=[{"role": "user", "content": MESSAGE}], stream=True
    )
    with pytest.raises(openai.APIError, match="stream_truncated"):
        assert [chunk async for chunk in stream]
    async with claude.messages.stream(
        model="openai", max_tokens=200, messages=[{"role": "user", "content": MESSAGE}]
    ) as blocks:
        with pytest.raises(anthropic.APIStatusError, match="stream_truncated"):
            await blocks.get_final_message()
