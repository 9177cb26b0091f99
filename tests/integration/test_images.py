"""Images through the whole product, and what is refused before anybody is asked."""

import base64
from decimal import Decimal
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from tests.integration.talk import MESSAGE
from tests.servers import Simulators

HEAD = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\2\0\0\0\2\0"  # 512 pixels square


def picture(size: int) -> str:
    """`size` bytes that begin like a PNG, in base64."""
    return base64.b64encode(HEAD.ljust(size, b"\0")).decode()


def seen(data: str) -> Any:
    url = {"url": f"data:image/png;base64,{data}"}
    parts = [{"type": "image_url", "image_url": url}, {"type": "text", "text": MESSAGE}]
    return [{"role": "user", "content": parts}]


@pytest.mark.usefixtures("healthy")
@pytest.mark.parametrize("platform", ["openai", "anthropic"])
async def test_an_image_of_the_largest_size_goes_the_whole_road(
    gpt: openai.AsyncOpenAI, platform: str
) -> None:
    """HTTP, the call between the replicas, and the vendor's wire: five megabytes at each."""
    raw = await gpt.chat.completions.with_raw_response.create(
        model=platform, messages=seen(picture(3_900_000))
    )
    usage = raw.parse().usage
    assert usage is not None
    assert usage.prompt_tokens > 250
    assert raw.headers["x-supportmax-platform"] == platform
    assert Decimal(raw.headers["x-supportmax-cost-usd"]) > 0


@pytest.mark.usefixtures("healthy")
async def test_an_image_reaches_the_platform_as_it_was_given(
    claude: anthropic.AsyncAnthropic, simulators: Simulators
) -> None:
    """Bytes for bytes, and an address unvisited."""
    data = picture(200)
    address = "https://images.example.invalid/receipt.png"
    block: Any = {"type": "image", "source": {"type": "url", "url": address}}
    here: Any = {
        "type": "image",
        "source": {"type": "base64", "media_type": "image/png", "data": data},
    }
    await claude.messages.create(
        model="anthropic",
        max_tokens=100,
        messages=[{"role": "user", "content": [here, block, {"type": "text", "text": MESSAGE}]}],
    )
    [asked] = await simulators.requests()
    body: Any = asked.body
    sources = [part["source"] for part in body["messages"][0]["content"][:2]]
    assert sources == [here["source"], block["source"]]


async def test_what_nobody_could_take_is_refused_before_anybody_is_asked(
    gpt: openai.AsyncOpenAI, claude: anthropic.AsyncAnthropic, simulators: Simulators
) -> None:
    """Each client raises its own class, with the field or the limit in the message."""
    hi: Any = [{"role": "user", "content": "hi"}]
    opened: Any = {"type": "object", "properties": {}}
    strict: Any = {"type": "function", "function": {"name": "f", "parameters": opened}}
    strict["function"]["strict"] = True
    many: Any = [{"type": "function", "function": {"name": f"f{i}"}} for i in range(200)]
    for messages, more, words in (
        (seen("AAAA"), {}, "not image/png"),
        (seen(picture(100)) * 21, {}, "at most 20 images"),
        ([{"role": "user", "content": " "}], {}, "an empty message"),
        (hi, {"tools": [strict], "model": "openai"}, "additionalProperties"),
        (hi, {"tools": many, "model": "openai"}, "at most 128 tools, not 200"),
    ):
        asked: Any = {"model": "auto", "messages": messages, **more}
        with pytest.raises(openai.BadRequestError, match=words):
            await gpt.chat.completions.create(**asked)
    with pytest.raises(openai.APIStatusError) as long:
        await gpt.responses.create(model="auto", input="a" * 2_000_000)
    assert (long.value.status_code, long.value.code) == (413, "body_too_large")
    with pytest.raises(anthropic.APIStatusError) as large:
        await claude.messages.create(
            model="auto", max_tokens=5, messages=[{"role": "user", "content": "a" * 9_000_000}]
        )
    assert (large.value.status_code, large.value.type) == (413, "request_too_large")
    with pytest.raises(openai.NotFoundError) as unknown:
        await gpt.files.list()
    assert unknown.value.code == "unknown_url"
    with pytest.raises(anthropic.NotFoundError):
        await claude.messages.count_tokens(
            model="auto", messages=[{"role": "user", "content": "hi"}]
        )
    assert await simulators.requests() == []


async def test_white_space_is_no_message(http: httpx2.AsyncClient, simulators: Simulators) -> None:
    """On our own route the refusal is a problem document that names the field."""
    answer = await http.post("/v3/chat", json={"message": " \n\t "})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/message"]
    assert await simulators.requests() == []
