"""Assistants as models: whose words come first, which version answered, and where they are listed."""

from collections.abc import AsyncIterator
from pathlib import Path

import openai
import pytest
from openai.types.responses import FunctionToolParam

from config.assistant_models import STRATEGIES as CONFIGURABLE
from config.assistants import AssistantSettings, AssistantTool
from deployments.ingress.vendor_limits import STRATEGIES
from tests.unit.ingress.conversation_world import World, running

FIND = AssistantTool(type="function", name="find", description="The assistant's own.")
SUPPORT = (
    AssistantSettings(version=1, model="anthropic", instructions="Be old."),
    AssistantSettings(version=3, instructions="Be new.", tools=(FIND,), max_tokens=77),
    AssistantSettings(version=2, instructions="Be neither."),
)
OWN: list[FunctionToolParam] = [
    {"type": "function", "name": "find", "parameters": None, "strict": None},
    {"type": "function", "name": "mine", "parameters": None, "strict": None},
]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    assistants = {"support": SUPPORT, "asst_abc": (AssistantSettings(),)}
    async with running(tmp_path / "x.sqlite", assistants) as world:
        yield world


async def test_without_a_version_the_highest_number_answers_and_says_so(world: World) -> None:
    gpt = world.client()
    raw = await gpt.responses.with_raw_response.create(
        model="assistant/support", input="hi", instructions="Be mine.", tools=OWN
    )
    assert raw.headers["x-supportmax-assistant"] == "support@3"
    assert raw.headers["x-supportmax-platform"] == "openai"
    [asked] = world.gpt.asked
    assert asked.system == "Be new.\n\nBe mine."
    assert asked.max_tokens == 77
    # The assistant's definition of a tool stands; the caller's others are added.
    assert [(t.name, t.description) for t in asked.tools] == [
        ("find", "The assistant's own."), ("mine", ""),
    ]  # fmt: skip


async def test_a_version_that_is_named_answers_over_either_api(world: World) -> None:
    gpt = world.client()
    chat = await gpt.chat.completions.with_raw_response.create(
        model="assistant/support@1",
        messages=[{"role": "system", "content": "Be mine."}, {"role": "user", "content": "hi"}],
        max_tokens=5,
    )
    assert chat.headers["x-supportmax-assistant"] == "support@1"
    assert chat.headers["x-supportmax-platform"] == "anthropic"
    [asked] = world.claude.asked
    assert (asked.system, asked.max_tokens) == ("Be old.\n\nBe mine.", 5)
    stream = await gpt.responses.with_raw_response.create(
        model="assistant/asst_abc", input="hi", stream=True
    )
    assert stream.headers["x-supportmax-assistant"] == "asst_abc@1"
    plain = await gpt.responses.with_raw_response.create(model="auto", input="hi")
    assert "x-supportmax-assistant" not in plain.headers


async def test_a_caller_may_insist_on_an_assistants_tool(world: World) -> None:
    """It has tools although the body names none."""
    await world.client().responses.create(
        model="assistant/support",
        input="hi",
        tool_choice={"type": "function", "name": "find"},
    )
    assert world.gpt.asked[0].tool_choice == "required"


async def test_an_assistant_runs_a_conversation(world: World) -> None:
    """Its words are told to the platform and are no part of what was said."""
    gpt = world.client()
    made = await gpt.conversations.create()
    for _ in range(2):
        await gpt.responses.create(model="assistant/support", conversation=made.id, input="hi")
    first, second = world.gpt.asked
    assert first.system == second.system == "Be new."
    assert len(second.messages) == 3


@pytest.mark.parametrize("model", ["assistant/nobody", "assistant/support@9", "assistant/"])
async def test_an_unknown_assistant_is_an_unknown_model(world: World, model: str) -> None:
    with pytest.raises(openai.NotFoundError, match="assistant/support@1") as unknown:
        await world.client().responses.create(model=model, input="hi")
    assert (unknown.value.code, unknown.value.param) == ("model_not_found", "model")


async def test_assistants_are_listed_with_every_version(world: World) -> None:
    listed = {model.id async for model in world.client().models.list()}
    assert listed >= {
        "assistant/support", "assistant/support@1", "assistant/support@2", "assistant/support@3",
        "assistant/asst_abc", "assistant/asst_abc@1",
    }  # fmt: skip


def test_the_configuration_knows_the_strategies_that_the_routes_take() -> None:
    assert tuple(STRATEGIES) == CONFIGURABLE
