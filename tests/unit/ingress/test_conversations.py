"""OpenAI's conversations through its own SDK: what is kept, for whom, and by one writer at a time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any, cast

import openai
import orjson
import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from openai.types.conversations import ConversationItemList, Message
from openai.types.responses import ResponseFunctionToolCallItem, ResponseReasoningItem
from sqlalchemy import select

from actors.database import thread_rows
from actors.database.tables import thread
from deployments.platforms.openai.codec import encode_request
from routing import message as ours
from routing.errors import ConflictError, ErrorKind, PlatformError
from routing.exchange import ChatReply, FinishReason
from routing.message import ProviderState, ToolResult
from tests.unit.ingress.conversation_world import DEADLINE_S, World, running
from tests.unit.ingress.test_compatible import TOOLS, USAGE, WEATHER, reply

SEALED = ProviderState(
    "openai",
    (
        {"type": "reasoning", "id": "rs_9", "summary": [], "encrypted_content": "s3cr3t"},
        {"type": "message", "id": "msg_9", "role": "assistant", "content": []},
    ),
)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with running(tmp_path / "x.sqlite") as world:
        yield world


async def said(world: World, conversation: str, tenant: str = "acme") -> list[str]:
    """Every text in the conversation, oldest first."""
    items = world.client(tenant).conversations.items.list(conversation, order="asc", limit=100)
    texts = []
    async for item in items:
        if isinstance(item, Message):
            texts += [getattr(part, "text", "") for part in item.content]
    return texts


async def test_a_conversation_is_whose_its_labels_say_or_its_makers(world: World) -> None:
    """It is given and erased with whoever that is; who may ask about nobody else names nobody else."""
    conversations = world.client().conversations
    made = await conversations.create(metadata={"user_id": "ann"})
    assert await owner_of(world, made.id) == "key:1"
    conversations = world.client("acme+any").conversations
    assert await owner_of(world, (await conversations.create()).id) is None
    named = await conversations.create(metadata={"user_id": "ann"})
    assert await owner_of(world, named.id) == "ann"
    await conversations.update(named.id, metadata={"topic": "billing"})
    assert await owner_of(world, named.id) == "ann"
    await conversations.update(named.id, metadata={"user_id": "bob"})
    assert await owner_of(world, named.id) == "bob"


async def owner_of(world: World, conversation: str) -> str | None:
    asked = select(thread.c.user_id).where(thread.c.id == conversation)
    found: str | None = await world.database.read(lambda c: c.execute(asked).scalar_one())
    return found


async def test_a_conversation_is_made_shown_relabelled_and_deleted(world: World) -> None:
    conversations = world.client().conversations
    made = await conversations.create(metadata={"topic": "refund"})
    assert made.id.startswith("conv_")
    assert (made.created_at, made.metadata) == (1_000_000, {"topic": "refund"})
    assert await conversations.retrieve(made.id) == made
    changed = await conversations.update(made.id, metadata={"topic": "order"})
    assert changed.metadata == {"topic": "order"}
    gone = await conversations.delete(made.id)
    assert (gone.id, gone.deleted, gone.object) == (made.id, True, "conversation.deleted")
    with pytest.raises(openai.NotFoundError):
        await conversations.retrieve(made.id)


async def test_items_come_back_as_the_sdks_own_types_in_pages(world: World) -> None:
    client = world.client().conversations
    made = await client.create(items=[{"role": "user", "content": f"m{n}"} for n in range(20)])
    added = await client.items.create(
        made.id,
        items=[
            {"role": "assistant", "content": "yes"},
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a": 1}'},
            {"type": "function_call_output", "call_id": "c1", "output": "done"},
            {"type": "reasoning", "id": "rs_x", "summary": [], "encrypted_content": "sealed"},
        ],
    )
    strict = ConversationItemList.model_validate_json(added.model_dump_json(), strict=False)
    assert [item.type for item in strict.data] == [
        "message", "function_call", "function_call_output", "reasoning",
    ]  # fmt: skip
    call, sealed = added.data[1], added.data[3]
    assert isinstance(call, ResponseFunctionToolCallItem)
    assert (call.call_id, call.arguments, call.status) == ("c1", '{"a": 1}', "completed")
    assert isinstance(sealed, ResponseReasoningItem)
    assert sealed.encrypted_content == "sealed"

    newest = await client.items.list(made.id, limit=10)
    assert [item.id for item in newest.data][:4] == [item.id for item in reversed(added.data)]
    assert newest.has_more
    everything = [item.id async for item in client.items.list(made.id, limit=7)]
    assert len(everything) == len(set(everything)) == 24
    forwards = [item.id async for item in client.items.list(made.id, limit=7, order="asc")]
    assert forwards == everything[::-1]
    one = await client.items.retrieve(added.data[0].id or "", conversation_id=made.id)
    assert isinstance(one, Message)
    assert one.content[0].type == "output_text"


async def test_an_item_that_is_deleted_is_gone(world: World) -> None:
    client = world.client().conversations
    made = await client.create(items=[{"role": "user", "content": t} for t in ("a", "b", "c")])
    page = await client.items.list(made.id, order="asc")
    left = await client.items.delete(page.data[1].id or "", conversation_id=made.id)
    assert left.id == made.id
    assert await said(world, made.id) == ["a", "c"]
    with pytest.raises(openai.NotFoundError):
        await client.items.retrieve(page.data[1].id or "", conversation_id=made.id)


async def test_what_is_no_conversation_is_refused_by_name(world: World) -> None:
    client = world.client().conversations
    made = await client.create()
    refusals = [
        client.create(items=[{"role": "user", "content": "x"}] * 21),
        client.create(metadata={str(n): "v" for n in range(17)}),
        client.create(metadata={"k" * 65: "v"}),
        client.create(items=[{"type": "function_call", "call_id": "c", "name": "f", "arguments": "no"}]),
        client.items.list(made.id, limit=101),
        client.items.list(made.id, order="up"),  # type: ignore[arg-type]
        client.items.create(made.id, items=cast("Any", [{"type": "web_search_call", "id": "x"}])),
    ]  # fmt: skip
    for refused in refusals:
        with pytest.raises(openai.BadRequestError) as error:
            await cast("Awaitable[object]", refused)
        assert error.value.param
    with pytest.raises(openai.NotFoundError):
        await client.items.list(made.id, after="msg_unknown")


async def test_a_run_is_told_what_was_said_and_adds_to_it(world: World) -> None:
    gpt = world.client()
    made = await gpt.conversations.create(
        items=[
            {"role": "system", "content": "Speak of boats."},
            {"role": "user", "content": "I am Ann."},
        ]
    )
    world.gpt.script = [reply("Hello Ann.")]
    first = await gpt.responses.create(
        model="auto", conversation=made.id, input="Who am I?", instructions="Be kind."
    )
    assert first.conversation is not None
    assert (first.conversation.id, first.output_text) == (made.id, "Hello Ann.")
    world.gpt.script = [reply("Ann.")]
    second = await gpt.responses.create(
        model="auto", conversation={"id": made.id}, input="And again?"
    )
    assert second.output_text == "Ann."
    asked = world.gpt.asked[1]
    assert [m.text for m in asked.messages] == [
        "I am Ann.", "Who am I?", "Hello Ann.", "And again?",
    ]  # fmt: skip
    # Instructions are of one request; what the conversation's own system messages say stays.
    assert asked.system == "Speak of boats."
    items = (await gpt.conversations.items.list(made.id)).data
    assert items[0].id == second.output[0].id
    assert await said(world, made.id) == [
        "Speak of boats.", "I am Ann.", "Who am I?", "Hello Ann.", "And again?", "Ann.",
    ]  # fmt: skip


async def test_a_stream_adds_before_its_end_is_read(world: World) -> None:
    gpt = world.client()
    made = await gpt.conversations.create()
    world.gpt.script = ["Hel", "lo", reply("Hello")]
    async with gpt.responses.stream(model="auto", conversation=made.id, input="hi") as stream:
        async for event in stream:
            if event.type == "response.completed":
                assert await said(world, made.id) == ["hi", "Hello"]
    final = await stream.get_final_response()
    assert final.conversation is not None
    assert final.conversation.id == made.id


async def test_tools_go_round_in_a_conversation(world: World) -> None:
    gpt = world.client()
    made = await gpt.conversations.create()
    world.gpt.script = [reply("let me see", WEATHER)]
    first = await gpt.responses.create(
        model="auto", conversation=made.id, input="Rain?", tools=TOOLS
    )
    assert [item.type for item in first.output] == ["message", "function_call"]
    world.gpt.script = [reply("It rains.")]
    await gpt.responses.create(
        model="auto",
        conversation=made.id,
        input=[{"type": "function_call_output", "call_id": "call_1", "output": "rain"}],
        tools=TOOLS,
    )
    assert world.gpt.asked[1].messages == (
        ours.Message("user", "Rain?"),
        ours.Message("assistant", "let me see", (WEATHER,)),
        ours.Message("user", tool_results=(ToolResult("call_1", "rain"),)),
    )


async def test_a_platforms_own_words_go_back_to_it_and_to_nobody_else(world: World) -> None:
    """Reasoning is replayed verbatim; callers never see it, other platforms get the neutral turn."""
    gpt = world.client()
    made = await gpt.conversations.create()
    world.gpt.script = [
        ChatReply("Hm.", FinishReason.STOP, USAGE, "gpt-real", provider_state=SEALED)
    ]
    await gpt.responses.create(model="openai", conversation=made.id, input="Think.")
    page = await gpt.conversations.items.list(made.id, order="asc")
    assert [item.type for item in page.data] == ["message", "reasoning", "message"]
    assert "s3cr3t" not in page.model_dump_json()

    world.gpt.script = [reply("ok")]
    await gpt.responses.create(model="openai", conversation=made.id, input="Go on.")
    remembered = world.gpt.asked[1].messages[1]
    assert remembered == ours.Message("assistant", "Hm.", provider_state=SEALED)
    for_openai = orjson.dumps(encode_request(world.gpt.asked[1], stream=False))
    for_azure = orjson.dumps(encode_request(world.gpt.asked[1], False, "azure_openai"))
    assert b"s3cr3t" in for_openai
    assert b"s3cr3t" not in for_azure
    assert b"Hm." in for_azure

    await gpt.conversations.items.delete(page.data[2].id or "", conversation_id=made.id)
    await gpt.responses.create(model="openai", conversation=made.id, input="What did you say?")
    assert all(turn.provider_state is None for turn in world.gpt.asked[2].messages)
    assert "Hm." not in [turn.text for turn in world.gpt.asked[2].messages]


async def test_what_is_another_tenants_is_as_unknown_as_nothing(world: World) -> None:
    mine = await world.client("acme").conversations.create(
        items=[{"role": "user", "content": "my secret"}]
    )
    item = (await world.client("acme").conversations.items.list(mine.id)).data[0].id or ""
    for tenant in ("globex", "ACME", "acme%", "acme/eu"):
        other = world.client(tenant)
        asks = [
            other.conversations.retrieve(mine.id),
            other.conversations.update(mine.id, metadata={"a": "b"}),
            other.conversations.delete(mine.id),
            other.conversations.items.list(mine.id),
            other.conversations.items.create(mine.id, items=[{"role": "user", "content": "x"}]),
            other.conversations.items.retrieve(item, conversation_id=mine.id),
            other.conversations.items.delete(item, conversation_id=mine.id),
            other.responses.create(model="auto", conversation=mine.id, input="tell me"),
        ]
        unknown = await _refusal(other.conversations.retrieve("conv_unknown"))
        for ask in asks:
            refused = await _refusal(ask)
            assert refused.status_code == 404
            assert refused.message.replace(mine.id, "conv_unknown") == unknown.message
    assert world.gpt.asked == []
    assert await said(world, mine.id) == ["my secret"]


async def _refusal(ask: object) -> openai.APIStatusError:
    with pytest.raises(openai.APIStatusError) as error:
        await ask  # type: ignore[misc]
    return error.value


async def test_of_two_runs_at_once_one_is_refused_and_the_conversation_has_one_answer(
    world: World,
) -> None:
    gpt = world.client()
    made = await gpt.conversations.create(items=[{"role": "user", "content": "first"}])
    asked, answer = asyncio.Event(), asyncio.Event()

    class Slow(type(world.gpt)):  # type: ignore[misc]
        async def complete(self, request: object, deadline_s: float) -> ChatReply:
            asked.set()
            await answer.wait()
            return reply("done")

    world.gpt.__class__ = Slow
    run = asyncio.ensure_future(
        gpt.responses.create(model="openai", conversation=made.id, input="one")
    )
    await asked.wait()
    for refused in (
        gpt.responses.create(model="openai", conversation=made.id, input="two"),
        gpt.conversations.items.create(made.id, items=[{"role": "user", "content": "x"}]),
    ):
        with pytest.raises(openai.ConflictError) as locked:
            await refused
        assert (locked.value.code, locked.value.param) == ("conversation_locked", "conversation")
    answer.set()
    assert (await run).output_text == "done"
    assert await said(world, made.id) == ["first", "one", "done"]
    await gpt.responses.create(model="openai", conversation=made.id, input="three")


async def test_a_run_that_fails_leaves_the_conversation_as_it_was_and_free(world: World) -> None:
    gpt = world.client()
    made = await gpt.conversations.create(items=[{"role": "user", "content": "first"}])
    world.gpt.script = [PlatformError("openai", ErrorKind.INVALID_REQUEST, "no")]
    with pytest.raises(openai.BadRequestError):
        await gpt.responses.create(model="openai", conversation=made.id, input="one")
    with pytest.raises(openai.NotFoundError):
        await gpt.responses.create(model="gpt-2", conversation=made.id, input="one")
    world.gpt.script = ["half", PlatformError("openai", ErrorKind.INVALID_REQUEST, "cut")]
    stream = await gpt.responses.create(
        model="openai", conversation=made.id, input="one", stream=True
    )
    assert [event.type async for event in stream][-1] == "response.failed"
    assert await said(world, made.id) == ["first"]
    world.gpt.script = [reply("well")]
    await gpt.responses.create(model="openai", conversation=made.id, input="one")


async def test_a_caller_who_leaves_a_stream_leaves_the_conversation_free(world: World) -> None:
    gpt = world.client()
    made = await gpt.conversations.create()
    world.gpt.script = ["half", 5, "more", reply("half more")]
    stream = await gpt.responses.create(
        model="openai", conversation=made.id, input="one", stream=True
    )
    await anext(aiter(stream))
    await stream.close()
    world.gpt.script = [reply("well")]
    await gpt.responses.create(model="openai", conversation=made.id, input="two")
    assert (await said(world, made.id))[-2:] == ["two", "well"]


async def test_a_process_that_dies_in_mid_run_leaves_the_conversation_unchanged(
    tmp_path: Path,
) -> None:
    """Its lease ends with the deadline of the answer; then the next run begins from what was there."""
    file = tmp_path / "x.sqlite"
    async with running(file) as before:
        made = await before.client().conversations.create(
            items=[{"role": "user", "content": "first"}]
        )
        # What a run does first; nobody ever ends this one.
        now = before.clock.now()
        await before.threads.hold("acme", made.id, [], now, now + DEADLINE_S, owner=None)
    async with running(file) as after:
        gpt = after.client()
        assert await said(after, made.id) == ["first"]
        with pytest.raises(openai.ConflictError):
            await gpt.responses.create(model="auto", conversation=made.id, input="again")
        after.clock.advance(DEADLINE_S)
        after.gpt.script = [reply("here")]
        await gpt.responses.create(model="auto", conversation=made.id, input="again")
        assert await said(after, made.id) == ["first", "again", "here"]


async def test_a_conversation_survives_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "x.sqlite"
    async with running(file) as before:
        made = await before.client().conversations.create(metadata={"k": "v"})
        before.gpt.script = [
            ChatReply("Hm.", FinishReason.STOP, USAGE, "gpt-real", provider_state=SEALED)
        ]
        await before.client().responses.create(
            model="openai", conversation=made.id, input="I am Ann."
        )
    async with running(file) as after:
        assert (await after.client().conversations.retrieve(made.id)) == made
        await after.client().responses.create(model="openai", conversation=made.id, input="Who?")
        assert after.gpt.asked[0].messages == (
            ours.Message("user", "I am Ann."),
            ours.Message("assistant", "Hm.", provider_state=SEALED),
            ours.Message("user", "Who?"),
        )


async def test_an_answer_that_comes_after_the_lease_was_taken_over_is_no_answer(
    world: World,
) -> None:
    """Otherwise two runs would both be told that they were the one that went on."""
    held = await world.threads.create("acme", {}, [], 0.0)
    first = await world.threads.hold("acme", held.id, [], 0.0, 10.0, owner=None)
    second = await world.threads.hold("acme", held.id, [], 10.0, 20.0, owner=None)
    late = [thread_rows.Item("msg_1", {"id": "msg_1", "type": "message"})]
    with pytest.raises(ConflictError, match="run by somebody else"):
        await world.threads.finish("acme", held.id, first.lease, late, 11.0)
    await world.threads.finish("acme", held.id, second.lease, late, 12.0)
    assert len((await world.threads.hold("acme", held.id, [], 12.0, 20.0, owner=None)).items) == 1


async def test_a_full_conversation_takes_no_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thread_rows, "ITEMS_MAX", 3)
    monkeypatch.setattr(thread_rows, "ITEM_BYTES_MAX", 300)
    gpt = world.client()
    made = await gpt.conversations.create(items=[{"role": "user", "content": "1"}] * 3)
    with pytest.raises(openai.BadRequestError) as full:
        await gpt.responses.create(model="auto", conversation=made.id, input="4")
    assert full.value.code == "conversation_full"
    with pytest.raises(openai.BadRequestError, match="300 bytes"):
        await gpt.conversations.create(items=[{"role": "user", "content": "x" * 300}])
    assert world.gpt.asked == []


async def test_a_run_without_anything_to_answer_is_refused(world: World) -> None:
    gpt = world.client()
    empty = await gpt.conversations.create()
    with pytest.raises(openai.BadRequestError) as nothing:
        await gpt.responses.create(model="auto", conversation=empty.id)
    assert nothing.value.param == "input"
    asked = await gpt.conversations.create(items=[{"role": "user", "content": "hi"}])
    assert (await gpt.responses.create(model="auto", conversation=asked.id)).output_text == "hello"


async def test_the_answers_are_as_the_openapi_document_says(world: World) -> None:
    document = (await world.http.get("http://test/openapi.json")).json()
    world.http.headers["authorization"] = "Bearer acme"
    made = (await world.http.post("http://test/v1/conversations", json={})).json()
    path = "/v1/conversations/{id}"
    for method, at, body in (
        ("get", path, None),
        ("post", path, {"metadata": {"a": "b"}}),
        ("post", f"{path}/items", {"items": [{"role": "user", "content": "x"}]}),
        ("get", f"{path}/items", None),
        ("delete", path, None),
    ):
        url = f"http://test{at.format(id=made['id'])}"
        answer = await world.http.request(method.upper(), url, json=body)
        row = document["paths"][at][method]
        schema = row["responses"]["200"]["content"]["application/json"]["schema"]
        judge = Draft202012Validator({**schema, "components": document["components"]})
        assert answer.status_code == 200
        judge.validate(answer.json())
        assert "404" in row["responses"]
    assert "409" in document["paths"][f"{path}/items"]["post"]["responses"]
