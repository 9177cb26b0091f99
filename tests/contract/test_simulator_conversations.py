"""The OpenAI simulator keeps conversations and responses, as OpenAI's own SDK finds them."""

from collections.abc import AsyncIterator

import openai
import pytest
from openai.types.conversations import Message

from deployments.simulators.conversations_api import MAX_CONVERSATIONS
from tests.servers import Simulators

GPT = "gpt-6.1-terra"


@pytest.fixture
async def gpt(simulators: Simulators) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(
        base_url=simulators.address("openai"), api_key=simulators.key, max_retries=0
    ) as client:
        yield client


async def test_a_conversation_goes_on_where_it_was_left(
    gpt: openai.AsyncOpenAI, simulators: Simulators
) -> None:
    """Only the new input is sent; both sides of every answer are kept."""
    made = await gpt.conversations.create(metadata={"a": "b"}, items=[
        {"role": "user", "content": "Hello."}
    ])  # fmt: skip
    await simulators.script("openai", {"kind": "text", "text": "Good day."})
    answer = await gpt.responses.create(model=GPT, conversation=made.id, input="And now?")
    assert answer.conversation is not None
    assert answer.conversation.id == made.id
    kept = [item async for item in gpt.conversations.items.list(made.id, order="asc", limit=2)]
    texts = [getattr(item.content[0], "text", "") for item in kept if isinstance(item, Message)]
    assert texts == ["Hello.", "And now?", "Good day."]
    alone = await gpt.responses.create(model=GPT, input="And now?")
    assert answer.usage is not None
    assert alone.usage is not None
    assert answer.usage.input_tokens > alone.usage.input_tokens


async def test_a_conversation_is_shown_changed_and_deleted(gpt: openai.AsyncOpenAI) -> None:
    made = await gpt.conversations.create()
    changed = await gpt.conversations.update(made.id, metadata={"x": "y"})
    assert (await gpt.conversations.retrieve(made.id)).metadata == changed.metadata == {"x": "y"}
    added = await gpt.conversations.items.create(made.id, items=[{"role": "user", "content": "1"}])
    item = added.data[0].id or ""
    assert (await gpt.conversations.items.retrieve(item, conversation_id=made.id)).id == item
    await gpt.conversations.items.delete(item, conversation_id=made.id)
    with pytest.raises(openai.NotFoundError):
        await gpt.conversations.items.retrieve(item, conversation_id=made.id)
    assert (await gpt.conversations.delete(made.id)).deleted
    with pytest.raises(openai.NotFoundError):
        await gpt.responses.create(model=GPT, conversation=made.id, input="hi")


async def test_a_stored_response_can_be_asked_for_and_deleted(gpt: openai.AsyncOpenAI) -> None:
    made = await gpt.responses.create(model=GPT, input="hi")
    assert (await gpt.responses.retrieve(made.id)).output_text == made.output_text
    await gpt.responses.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        await gpt.responses.retrieve(made.id)
    unkept = await gpt.responses.create(model=GPT, input="hi", store=False)
    with pytest.raises(openai.NotFoundError):
        await gpt.responses.retrieve(unkept.id)


async def test_the_two_ways_of_going_on_are_not_taken_together(gpt: openai.AsyncOpenAI) -> None:
    made, first = await gpt.conversations.create(), await gpt.responses.create(model=GPT, input="a")
    with pytest.raises(openai.BadRequestError, match="previous_response_id"):
        await gpt.responses.create(
            model=GPT, conversation=made.id, previous_response_id=first.id, input="b"
        )
    with pytest.raises(openai.BadRequestError, match="input"):
        await gpt.responses.create(model=GPT)


async def test_the_oldest_conversations_are_forgotten(gpt: openai.AsyncOpenAI) -> None:
    first = await gpt.conversations.create()
    last = first
    for _ in range(MAX_CONVERSATIONS):
        last = await gpt.conversations.create()
    with pytest.raises(openai.NotFoundError):
        await gpt.conversations.retrieve(first.id)
    assert (await gpt.conversations.retrieve(last.id)).id == last.id
