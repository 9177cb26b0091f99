"""Whole replies of every vendor, what they cost, and the sum by hand that says so.

Each file of `golden` names its platform and model, the reply's body, the usage it comes to
and its cost with the arithmetic; the codecs and the list prices are the real ones.
"""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel, ConfigDict

from config.loader import load_settings
from config.resolve import resolve_platforms, to_profiles
from deployments.platforms.anthropic import codec as anthropic
from deployments.platforms.anthropic.stream import StreamDecoder as AnthropicStream
from deployments.platforms.copilot.codec import decode_set
from deployments.platforms.copilot.turn import Turn
from deployments.platforms.openai import codec as openai
from deployments.platforms.prices import price_of
from deployments.platforms.sse import SseEvent
from deployments.platforms.vendor_json import dump, load_object, object_in
from deployments.platforms.vertex import codec as vertex
from deployments.platforms.vertex.stream import StreamDecoder as VertexStream
from routing.exchange import ChatReply, ReplyDone, Usage
from routing.message import JsonObject
from routing.money import Price

GOLDEN = Path(__file__).parent / "golden"
FILES = sorted(GOLDEN.glob("*/*.json"))
STREAMED = [file for file in FILES if file.parent.name != "copilot_studio"]
# What a platform needs beside its model before the configuration takes it.
NEEDS = {
    "openai": {"api_key": "k"},
    "anthropic": {"api_key": "k"},
    "azure_openai": {"api_key": "k", "endpoint": "https://x.example", "deployment": "support"},
    "google_vertex": {"project_id": "p"},
    "copilot_studio": {"bot_id": "b", "secret": "s"},
}


class Term(BaseModel):
    tokens: int
    usd_per_million: Decimal
    of: str


class Because(BaseModel):
    rule: str
    sum: tuple[Term, ...]


class Golden(BaseModel):
    model_config = ConfigDict(extra="forbid")

    about: str
    platform: str
    model: str
    on: date
    body: dict[str, object]
    usage: dict[str, int]
    service_tier: str
    cost_usd: Decimal | None
    because: Because
    price_override: dict[str, float] | None = None
    credits_per_message: int | None = None


def read(file: Path) -> tuple[Golden, JsonObject]:
    raw = file.read_bytes()
    return Golden.model_validate_json(raw), object_in(load_object("golden", raw), "body")


def ids(files: Sequence[Path]) -> list[str]:
    return [f"{file.parent.name}/{file.stem}" for file in files]


def decoded(platform: str, body: JsonObject) -> ChatReply:
    match platform:
        case "openai" | "azure_openai":
            return openai.decode_reply(dump(body), platform=platform)
        case "anthropic":
            return anthropic.decode_reply(dump(body))
        case "google_vertex":
            return vertex.decode_reply(dump(body))
        case "copilot_studio":
            turn = Turn("dl_user", "mark", is_echoed=True)
            turn.begin("c1")
            for activity in decode_set(body).activities:
                turn.feed(activity)
            return turn.reply("copilot-studio")
        case _:
            raise AssertionError(platform)


def streamed(platform: str, body: JsonObject) -> ChatReply:
    """The reply of a stream that says the same in as few events as its vendor allows."""
    decoder: openai.StreamDecoder | AnthropicStream | VertexStream
    events: list[tuple[str, JsonObject]]
    match platform:
        case "openai" | "azure_openai":
            decoder = openai.StreamDecoder(platform=platform)
            events = [("response.completed", {"response": body})]
        case "anthropic":
            decoder = AnthropicStream()
            events = _anthropic_events(body)
        case _:
            decoder = VertexStream()
            events = [("", body)]
    last = None
    for kind, event in events:
        for chunk in decoder.feed(SseEvent(kind, dump({"type": kind, **event}))):
            last = chunk
    assert isinstance(last, ReplyDone)
    return last.reply


def _anthropic_events(body: JsonObject) -> list[tuple[str, JsonObject]]:
    content, usage = body["content"], object_in(body, "usage")
    assert isinstance(content, list)
    blocks: list[tuple[str, JsonObject]] = [
        ("content_block_start", {"index": index, "content_block": block})
        for index, block in enumerate(content)
    ]
    # What was said is counted at the end; what was read, and how it is served, at the start.
    so_far: JsonObject = {**usage, "output_tokens": 1}
    begun: JsonObject = {**body, "content": [], "stop_reason": None, "usage": so_far}
    counted: JsonObject = {
        "output_tokens": usage["output_tokens"],
        "output_tokens_details": usage["output_tokens_details"],
        "cache_read_input_tokens": None,
    }
    ending: JsonObject = {"delta": {"stop_reason": body["stop_reason"]}, "usage": counted}
    return [
        ("message_start", {"message": begun}),
        *blocks,
        ("message_delta", ending),
        ("message_stop", {}),
    ]


def price(golden: Golden, folder: Path) -> Price | None:
    """The price as the product comes by it: from the list, unless the configuration has its own."""
    settings: dict[str, object] = {**NEEDS[golden.platform]}
    if golden.price_override is not None:
        settings["price_override"] = golden.price_override
    if golden.credits_per_message is not None:
        settings["credits_per_message"] = golden.credits_per_message
    file = folder / "supportmax.yaml"
    file.write_text(yaml.safe_dump({"platforms": {golden.platform: settings}}))
    (resolved,) = resolve_platforms(load_settings([file], {}, "production").settings, "production")
    listed = price_of(golden.platform, golden.model, golden.on)
    return to_profiles(resolved, lambda _: listed)[0].price


@pytest.mark.parametrize("file", FILES, ids=ids(FILES))
def test_a_reply_costs_what_the_sum_by_hand_says(file: Path, tmp_path: Path) -> None:
    """Nobody knows it, says null, never 0."""
    golden, body = read(file)
    reply = decoded(golden.platform, body)
    assert reply.usage == Usage(**golden.usage)
    assert reply.service_tier == golden.service_tier
    found = price(golden, tmp_path)
    cost_usd = None if found is None else found.cost(reply.usage, reply.service_tier)
    assert cost_usd == golden.cost_usd
    if cost_usd is not None and found is not None:
        tokens = golden.usage["input_tokens"], golden.usage["output_tokens"]
        assert cost_usd <= found.bound(*tokens)


@pytest.mark.parametrize("file", FILES, ids=ids(FILES))
def test_the_sum_by_hand_is_right(file: Path) -> None:
    """It is what people check a price with, so it must be a sum, and of all tokens."""
    golden, _ = read(file)
    terms = golden.because.sum
    if golden.cost_usd is None or golden.platform == "copilot_studio":
        assert not terms
        return
    total = sum((term.tokens * term.usd_per_million for term in terms), Decimal(0))
    assert total / 1_000_000 == golden.cost_usd
    tokens = golden.usage["input_tokens"] + golden.usage["output_tokens"]
    assert sum(term.tokens for term in terms) == tokens


@pytest.mark.parametrize("file", STREAMED, ids=ids(STREAMED))
def test_a_stream_counts_what_a_whole_reply_counts(file: Path) -> None:
    """Usage and service tier come in other places there, and are the same."""
    golden, body = read(file)
    reply = streamed(golden.platform, body)
    assert reply.usage == Usage(**golden.usage)
    assert reply.service_tier == golden.service_tier
