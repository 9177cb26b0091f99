"""A codec keeps what its vendor can express, both ways and in any number of pieces."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import orjson
from hypothesis import given
from hypothesis import strategies as st

from deployments.platforms.anthropic import codec as anthropic
from deployments.platforms.anthropic.stream import StreamDecoder as AnthropicDecoder
from deployments.platforms.openai import codec as openai
from deployments.platforms.sse import SseReader
from deployments.platforms.vertex import codec as vertex
from deployments.platforms.vertex.stream import StreamDecoder as VertexDecoder
from deployments.platforms.wire import StreamDecoder
from routing.exchange import ChatReply, ChatRequest, FinishReason, ReplyDone, TextDelta, Usage
from routing.message import Message, ToolCall, ToolResult

# A vendor's JSON as a test reads it: by index, without asking what is there.
Wire: TypeAlias = dict[str, Any]

# JSON cannot carry half a surrogate pair.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
spoken = texts.filter(str.strip)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
arguments = st.dictionaries(texts, values, max_size=3)
names = st.from_regex(r"[a-z_]{1,12}", fullmatch=True)
calls = st.lists(st.builds(ToolCall, id=names, name=names, arguments=arguments), max_size=3)
counts = st.integers(0, 1_000_000)


@st.composite
def replies(draw: st.DrawFn) -> ChatReply:
    called = tuple(draw(calls))
    read, written, fresh, thought = (draw(counts) for _ in range(4))
    return ChatReply(
        text=draw(texts),
        finish_reason=FinishReason.TOOL_CALLS if called else FinishReason.STOP,
        usage=Usage(read + written + fresh, read, written, draw(counts), thought),
        model=draw(names),
        tool_calls=called,
    )


@st.composite
def conversations(draw: st.DrawFn) -> tuple[Message, ...]:
    """Turns of alternating roles, whose every call is answered in the next."""
    turns: list[Message] = []
    for _ in range(draw(st.integers(1, 4))):
        asked = turns[-1].tool_calls if turns else ()
        results = tuple(ToolResult(call.id, draw(texts), draw(st.booleans())) for call in asked)
        turns.append(Message("user", draw(spoken), tool_results=results))
        turns.append(Message("assistant", draw(spoken), tuple(draw(calls))))
    return tuple(turns)


def pieces(draw: st.DrawFn, text: str) -> list[str]:
    cuts = sorted(draw(st.sets(st.integers(0, len(text)), max_size=4)))
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def said_in_openai(reply: ChatReply) -> Wire:
    usage = reply.usage
    part: Wire = {"type": "output_text", "text": reply.text}
    return {
        "status": "completed",
        "model": reply.model,
        "output": [
            {"type": "message", "role": "assistant", "content": [part]},
            *(
                {
                    "type": "function_call",
                    "call_id": call.id,
                    "name": call.name,
                    "arguments": orjson.dumps(call.arguments).decode(),
                }
                for call in reply.tool_calls
            ),
        ],
        "usage": {
            "input_tokens": usage.input_tokens,
            "input_tokens_details": {
                "cached_tokens": usage.cached_tokens,
                "cache_write_tokens": usage.cache_write_tokens,
            },
            "output_tokens": usage.output_tokens,
            "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        },
    }


def said_in_anthropic(reply: ChatReply) -> Wire:
    usage = reply.usage
    return {
        "model": reply.model,
        "stop_reason": "tool_use" if reply.tool_calls else "end_turn",
        "content": [
            {"type": "text", "text": reply.text},
            *(
                {"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments}
                for call in reply.tool_calls
            ),
        ],
        "usage": {
            "input_tokens": usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens,
            "cache_creation_input_tokens": usage.cache_write_tokens,
            "cache_read_input_tokens": usage.cached_tokens,
            "output_tokens": usage.output_tokens,
            "output_tokens_details": {"thinking_tokens": usage.reasoning_tokens},
        },
    }


def said_in_vertex(reply: ChatReply) -> Wire:
    usage = reply.usage
    thought = min(usage.reasoning_tokens, usage.output_tokens)
    parts: list[Wire] = [{"text": reply.text}] if reply.text else []
    parts += [
        {"functionCall": {"id": call.id, "name": call.name, "args": call.arguments}}
        for call in reply.tool_calls
    ]
    return {
        "modelVersion": reply.model,
        "candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP"}],
        "usageMetadata": {
            "promptTokenCount": usage.input_tokens,
            "cachedContentTokenCount": usage.cached_tokens,
            "candidatesTokenCount": usage.output_tokens - thought,
            "thoughtsTokenCount": thought,
        },
    }


def as_google_counts(reply: ChatReply) -> ChatReply:
    """Google does not tell what was written to a cache, and thoughts are part of the output."""
    usage = reply.usage
    thought = min(usage.reasoning_tokens, usage.output_tokens)
    return replace(reply, usage=replace(usage, cache_write_tokens=0, reasoning_tokens=thought))


def neutral(reply: ChatReply) -> tuple[object, ...]:
    """A reply without what only its platform can read."""
    return (reply.text, reply.finish_reason, reply.usage, reply.model, reply.tool_calls)


def read_stream(events: Sequence[Wire], decoder: StreamDecoder) -> tuple[str, ChatReply]:
    written = b"".join(
        b"event: %s\ndata: %s\n\n" % (str(event.get("type", "")).encode(), orjson.dumps(event))
        for event in events
    )
    *heard, done = [c for event in SseReader().feed(written) for c in decoder.feed(event)]
    assert isinstance(done, ReplyDone)
    return "".join(chunk.text for chunk in heard if isinstance(chunk, TextDelta)), done.reply


@given(reply=replies())
def test_openai_a_reply_comes_back_as_it_was_said(reply: ChatReply) -> None:
    """Text, calls and usage survive the wire."""
    raw = orjson.dumps(said_in_openai(reply))
    assert neutral(openai.decode_reply(raw)) == neutral(reply)


@given(reply=replies())
def test_anthropic_a_reply_comes_back_as_it_was_said(reply: ChatReply) -> None:
    """Text, calls and usage survive the wire."""
    raw = orjson.dumps(said_in_anthropic(reply))
    assert neutral(anthropic.decode_reply(raw)) == neutral(reply)


@given(reply=replies(), data=st.data())
def test_openai_a_stream_amounts_to_the_reply(reply: ChatReply, data: st.DataObject) -> None:
    """However the text was cut, what was heard is what is kept."""
    deltas = data.draw(st.composite(pieces)(reply.text))
    events: list[Wire] = [
        {"type": "response.output_text.delta", "delta": delta} for delta in deltas
    ]
    events.append({"type": "response.completed", "response": said_in_openai(reply)})
    heard, decoded = read_stream(events, openai.StreamDecoder())
    assert (heard, neutral(decoded)) == (reply.text, neutral(reply))


@given(reply=replies(), data=st.data())
def test_anthropic_a_stream_amounts_to_the_reply(reply: ChatReply, data: st.DataObject) -> None:
    """However text and arguments were cut, what was heard is what is kept."""
    said = said_in_anthropic(reply)
    events: list[Wire] = [{"type": "message_start", "message": {**said, "content": []}}]
    cut = st.composite(pieces)
    for index, block in enumerate(said["content"]):
        is_text = block["type"] == "text"
        whole = block["text"] if is_text else orjson.dumps(block["input"]).decode()
        kind, field = ("text_delta", "text") if is_text else ("input_json_delta", "partial_json")
        begun = {**block, "text": ""} if is_text else {**block, "input": {}}
        events.append({"type": "content_block_start", "index": index, "content_block": begun})
        for delta in data.draw(cut(whole)):
            part: Wire = {"type": kind, field: delta}
            events.append({"type": "content_block_delta", "index": index, "delta": part})
    ending: Wire = {"delta": {"stop_reason": said["stop_reason"]}}
    events += [
        {"type": "message_delta", **ending, "usage": said["usage"]},
        {"type": "message_stop"},
    ]
    heard, decoded = read_stream(events, AnthropicDecoder())
    assert (heard, neutral(decoded)) == (reply.text, neutral(reply))


@given(reply=replies())
def test_vertex_a_reply_comes_back_as_it_was_said(reply: ChatReply) -> None:
    """Text, calls and usage survive the wire."""
    raw = orjson.dumps(said_in_vertex(reply))
    assert neutral(vertex.decode_reply(raw)) == neutral(as_google_counts(reply))


@given(reply=replies(), data=st.data())
def test_vertex_a_stream_amounts_to_the_reply(reply: ChatReply, data: st.DataObject) -> None:
    """However the text was cut, what was heard is what is kept."""
    said = said_in_vertex(reply)
    texts = data.draw(st.composite(pieces)(reply.text))
    parts = [{"text": text} for text in texts] + [
        part for part in said["candidates"][0]["content"]["parts"] if "functionCall" in part
    ]
    events: list[Wire] = [{"candidates": [{"content": {"parts": [part]}}]} for part in parts]
    events.append({**said, "candidates": [{"finishReason": "STOP"}]})
    heard, decoded = read_stream(events, VertexDecoder())
    assert (heard, neutral(decoded)) == (reply.text, neutral(as_google_counts(reply)))
    assert decoded == vertex.decode_reply(orjson.dumps(said))


@given(turns=conversations())
def test_vertex_a_conversation_can_be_read_back(turns: tuple[Message, ...]) -> None:
    """Every text, call and result is there; results come first, under their calls' names."""
    body: Wire = vertex.encode_request(ChatRequest("gemini-3.8-flash", turns))
    expected: list[tuple[object, ...]] = []
    names: dict[str, str] = {}
    for turn in turns:
        for result in turn.tool_results:
            said = {"error" if result.is_error else "output": result.content}
            expected.append(("result", result.call_id, names[result.call_id], said))
        expected.append((turn.role, turn.text))
        expected += [("call", call.id, call.name, call.arguments) for call in turn.tool_calls]
        names = {call.id: call.name for call in turn.tool_calls}
    parts = [(turn["role"], part) for turn in body["contents"] for part in turn["parts"]]
    assert [read_part(role, part) for role, part in parts] == expected


def read_part(role: str, part: Wire) -> tuple[object, ...]:
    match part:
        case {"text": text}:
            return ("assistant" if role == "model" else role, text)
        case {"functionCall": call}:
            return ("call", call["id"], call["name"], call["args"])
        case _:
            result = part["functionResponse"]
            return ("result", result["id"], result["name"], result["response"])


@given(turns=conversations())
def test_openai_a_conversation_can_be_read_back(turns: tuple[Message, ...]) -> None:
    """Every text, call and result is there, in the order it was said."""
    body: Wire = openai.encode_request(ChatRequest("gpt-6-luna", turns), stream=False)
    expected: list[tuple[object, ...]] = []
    for turn in turns:
        expected += [
            (
                "result",
                result.call_id,
                f"Error: {result.content}" if result.is_error else result.content,
            )
            for result in turn.tool_results
        ]
        expected.append((turn.role, turn.text))
        expected += [("call", call.id, call.name, call.arguments) for call in turn.tool_calls]
    assert [read_item(item) for item in body["input"]] == expected


def read_item(item: dict[str, str]) -> tuple[object, ...]:
    match item["type"]:
        case "message":
            return (item["role"], item["content"])
        case "function_call":
            return ("call", item["call_id"], item["name"], orjson.loads(item["arguments"]))
        case kind:
            assert kind == "function_call_output"
            return ("result", item["call_id"], item["output"])


@given(turns=conversations())
def test_anthropic_a_conversation_can_be_read_back(turns: tuple[Message, ...]) -> None:
    """Every text, call and result is there; results, marked if failed, come first in their turn."""
    body: Wire = anthropic.encode_request(ChatRequest("claude-haiku-5-5", turns), stream=False)
    decoded = []
    for sent in body["messages"]:
        blocks = [dict(block) for block in sent["content"]]
        kinds = [block.pop("type") for block in blocks]
        by_kind = {
            kind: [b for k, b in zip(kinds, blocks, strict=True) if k == kind] for kind in kinds
        }
        assert kinds == sorted(kinds, key=["tool_result", "text", "tool_use"].index)
        decoded.append(
            Message(
                sent["role"],
                "".join(block["text"] for block in by_kind.get("text", [])),
                tuple(
                    ToolCall(block["id"], block["name"], block["input"])
                    for block in by_kind.get("tool_use", [])
                ),
                tuple(
                    ToolResult(block["tool_use_id"], block["content"], block.get("is_error", False))
                    for block in by_kind.get("tool_result", [])
                ),
            )
        )
    assert tuple(decoded) == turns
