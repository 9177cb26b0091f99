"""Images, the prompt cache and replayed thinking: what vendors accept, read back and refuse."""

import base64
import struct
import zlib
from collections.abc import AsyncIterator
from dataclasses import replace

import anthropic
import pytest

from deployments.agent.prompt import RULES
from deployments.platforms.anthropic.codec import decode_reply
from deployments.platforms.base import Platform
from deployments.platforms.registry import open_platform
from routing.errors import ErrorKind, PlatformError
from routing.exchange import ChatReply, ChatRequest, FinishReason
from routing.message import Image, JsonObject, Message, ToolResult, ToolSpec
from tests.contract.test_platform import DEADLINE_S, MODELS, ORDER
from tests.servers import Simulators

SEEING = ("anthropic", "azure_openai", "google_vertex", "openai")
QUESTION = "How long does a refund take?"


def png(width: int, height: int) -> str:
    """An empty picture of that size, as small as it can be, in base64."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes((width // 8 + 1) * height))
    raw = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return base64.b64encode(raw).decode()


@pytest.fixture(params=SEEING)
async def seeing(
    request: pytest.FixtureRequest, simulators: Simulators
) -> AsyncIterator[tuple[str, Platform]]:
    name = str(request.param)
    platform = open_platform(name, simulators.connection(name))
    yield name, platform
    await platform.aclose()


@pytest.fixture
async def claude(simulators: Simulators) -> AsyncIterator[Platform]:
    platform = open_platform("anthropic", simulators.connection("anthropic"))
    yield platform
    await platform.aclose()


def look(name: str, *images: Image) -> ChatRequest:
    said = Message("user", QUESTION, images=images)
    return ChatRequest(MODELS[name], (said,), system="Refunds take five days.")


async def test_an_image_is_accepted_as_bytes_and_as_an_address(
    seeing: tuple[str, Platform],
) -> None:
    """Both reach the vendor in its own words, and cost input tokens."""
    name, platform = seeing
    here = Image("image/png", data=png(640, 480))
    there = Image("image/png", url="https://example.com/photo.png")
    blind = await platform.complete(look(name), DEADLINE_S)
    for images in ((here,), (there,), (here, there)):
        reply = await platform.complete(look(name, *images), DEADLINE_S)
        assert reply.finish_reason is FinishReason.STOP
        assert reply.usage.input_tokens >= blind.usage.input_tokens + 300 * len(images)


async def test_a_photograph_costs_no_more_than_it_was_promised_to(
    seeing: tuple[str, Platform],
) -> None:
    """Twelve megapixels: the dearest an image gets is within the bound of its family."""
    from config.models import shipped_models  # noqa: PLC0415  the one test that needs the table

    name, platform = seeing
    limits = shipped_models().facts(name, MODELS[name]).limits  # type: ignore[arg-type]
    photo = Image("image/png", data=png(4_032, 3_024))
    blind = await platform.complete(look(name), DEADLINE_S)
    seen = await platform.complete(look(name, photo), DEADLINE_S)
    assert seen.usage.input_tokens - blind.usage.input_tokens <= limits.image_tokens


@pytest.mark.parametrize(
    "image",
    [
        Image("image/jpeg", data=png(8, 8)),
        Image("image/png", data=base64.b64encode(b"no image at all").decode()),
        Image("image/png", url="file:///etc/passwd"),
    ],
)
async def test_an_image_that_is_none_is_refused_by_the_vendor_too(
    seeing: tuple[str, Platform], image: Image
) -> None:
    """What our HTTP refuses first would fail there: the request is wrong, not the platform."""
    name, platform = seeing
    with pytest.raises(PlatformError) as caught:
        await platform.complete(look(name, image), DEADLINE_S)
    assert (caught.value.kind, caught.value.status) == (ErrorKind.INVALID_REQUEST, 400)


async def test_five_megabytes_of_image_reach_every_vendor(seeing: tuple[str, Platform]) -> None:
    """The largest that is taken, base64 and all."""
    name, platform = seeing
    raw = base64.b64decode(png(64, 64))
    data = base64.b64encode(raw + bytes(3_900_000)).decode()
    reply = await platform.complete(look(name, Image("image/png", data=data)), DEADLINE_S)
    assert reply.finish_reason is FinishReason.STOP


TOOLS = tuple(
    replace(
        ORDER, name=f"find_{i}", description="Find what a customer asks for in the records. " * 9
    )
    for i in range(12)
)


def grounded(passage: str, tools: tuple[ToolSpec, ...] = TOOLS) -> ChatRequest:
    """What the support agent asks: rules, tools, and the passages found for this question."""
    return ChatRequest(
        MODELS["anthropic"],
        (Message("user", QUESTION),),
        system=f'{RULES}\n\n<passages>\n<passage id="kb-1">{passage}</passage>\n</passages>',
        tools=tools,
        stable_system_chars=len(RULES),
    )


async def test_the_second_question_reads_rules_and_tools_from_the_cache(claude: Platform) -> None:
    """Although other passages were found for it: these are never written, and never waited for."""
    first = (await claude.complete(grounded("Refunds take five days."), DEADLINE_S)).usage
    second = (await claude.complete(grounded("Refunds take a week."), DEADLINE_S)).usage
    assert first.cache_write_tokens > 1_024
    assert (first.cached_tokens, second.cache_write_tokens) == (0, 0)
    assert second.cached_tokens == first.cache_write_tokens
    assert second.input_tokens > second.cached_tokens


async def test_other_rules_over_the_same_tools_read_the_tools_from_the_cache(
    claude: Platform,
) -> None:
    """Tools have a mark of their own; only the rules are written anew."""
    tools = tuple(replace(tool, name=f"other_{i}") for i, tool in enumerate(TOOLS))
    first = (await claude.complete(grounded("Five days.", tools), DEADLINE_S)).usage
    request = grounded("Five days.", tools)
    changed = replace(request, system=request.system.replace("kind", "very kind"))
    changed = replace(changed, stable_system_chars=request.stable_system_chars + len("very "))
    second = (await claude.complete(changed, DEADLINE_S)).usage
    assert 0 < second.cached_tokens < first.cache_write_tokens
    # One word longer, and a half token rounded up at each mark.
    longer = second.cached_tokens + second.cache_write_tokens - first.cache_write_tokens
    assert 0 < longer <= 3


async def test_rules_alone_are_too_short_to_be_cached(claude: Platform) -> None:
    """Nothing is marked, nothing is written, and nothing costs more than the input."""
    usage = (await claude.complete(grounded("Five days.", ()), DEADLINE_S)).usage
    assert (usage.cache_write_tokens, usage.cached_tokens) == (0, 0)


@pytest.mark.parametrize("is_changed", [False, True])
async def test_thinking_goes_back_as_it_came_or_is_refused(
    claude: Platform, simulators: Simulators, *, is_changed: bool
) -> None:
    """Signed: the vendor refuses a turn whose thinking is not the one it gave."""
    thought = await _think(simulators)
    assert thought.provider_state is not None
    state = thought.provider_state
    assert state.items[0]["type"] == "thinking"
    if is_changed:
        other: JsonObject = {**state.items[0], "thinking": "Something else."}
        state = replace(state, items=(other, *state.items[1:]))
    turn = Message("assistant", thought.text, thought.tool_calls, provider_state=state)
    results = tuple(ToolResult(call.id, "shipped") for call in thought.tool_calls)
    request = ChatRequest(
        MODELS["anthropic"],
        (Message("user", "Where is 1234?"), turn, Message("user", tool_results=results)),
        tools=(ORDER,),
    )
    if not is_changed:
        assert (await claude.complete(request, DEADLINE_S)).finish_reason is FinishReason.STOP
        return
    with pytest.raises(PlatformError, match="signature") as caught:
        await claude.complete(request, DEADLINE_S)
    assert caught.value.kind is ErrorKind.INVALID_REQUEST


async def _think(simulators: Simulators) -> ChatReply:
    """A turn with thinking and a call, asked for with Anthropic's own client: ours never asks."""
    call = {"name": ORDER.name, "arguments": {"number": "1234"}}
    await simulators.script("anthropic", {"kind": "tool_calls", "calls": [call]})
    async with anthropic.AsyncAnthropic(
        api_key=simulators.key, base_url=simulators.address("anthropic"), max_retries=0
    ) as sdk:
        raw = await sdk.messages.with_raw_response.create(
            model=MODELS["anthropic"],
            max_tokens=2_000,
            thinking={"type": "adaptive"},
            tools=[{"name": ORDER.name, "input_schema": dict(ORDER.parameters)}],
            messages=[{"role": "user", "content": "Where is 1234?"}],
        )
        return decode_reply(await raw.read())
