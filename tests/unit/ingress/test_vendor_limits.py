"""What the vendors' clients are told of requests that are too much, not whole, or not for anybody."""

import base64
from typing import Any, cast

import anthropic
import openai
import pytest
from anthropic.types import ImageBlockParam, MessageParam, ToolParam
from openai.types.chat import ChatCompletionFunctionToolParam, ChatCompletionMessageParam

from deployments.ingress.conversation_items import stored
from deployments.ingress.openai_responses_schema import ResponsesImage, ResponsesMessage
from deployments.ingress.vendor_images import from_address, from_base64
from routing.errors import RequestError
from routing.message import MAX_IMAGE_LENGTH, MAX_IMAGES, Image, Message
from tests.unit.ingress import test_compatible
from tests.unit.ingress.test_compatible import World

world = test_compatible.world

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(16)).decode()
JPEG = base64.b64encode(b"\xff\xd8\xff\xe0" + bytes(16)).decode()
URL = "https://example.com/photo.webp?size=2"
DATA = f"data:image/png;base64,{PNG}"


def photo(count: int = 1, address: str = DATA) -> ChatCompletionMessageParam:
    part: Any = {"type": "image_url", "image_url": {"url": address}}
    return {"role": "user", "content": [*[part] * count, {"type": "text", "text": "What is it?"}]}


def snapshot(source: Any, *, text: str = "What is it?") -> MessageParam:
    block = cast("ImageBlockParam", {"type": "image", "source": source})
    return {"role": "user", "content": [block, {"type": "text", "text": text}]}


SOURCE = {"type": "base64", "media_type": "image/png", "data": PNG}
SEEN = Message("user", "What is it?", images=(Image("image/png", data=PNG),))
TOOL: ChatCompletionFunctionToolParam = {
    "type": "function",
    "function": {"name": "find", "parameters": {"type": "object", "properties": {}}},
}


async def test_every_client_can_send_an_image_in_its_own_words(world: World) -> None:
    """A data: URL, an input_image and a base64 block are the same image to a platform."""
    gpt, claude = world.gpt(), world.claude()
    await gpt.chat.completions.create(model="auto", messages=[photo()])
    parts: Any = [
        {"type": "input_image", "image_url": DATA, "detail": "low"},
        {"type": "input_text", "text": "What is it?"},
    ]
    await gpt.responses.create(model="auto", input=[{"role": "user", "content": parts}])
    await claude.messages.create(model="auto", max_tokens=50, messages=[snapshot(SOURCE)])
    assert [asked.messages for asked in world.dear.asked] == [(SEEN,)] * 3


async def test_an_address_is_passed_on_and_never_visited(world: World) -> None:
    """With the media type its ending tells; the platform fetches it."""
    await world.gpt().chat.completions.create(model="auto", messages=[photo(address=URL)])
    await world.claude().messages.create(
        model="auto", max_tokens=50, messages=[snapshot({"type": "url", "url": URL})]
    )
    for asked in world.dear.asked:
        assert asked.messages[0].images == (Image("image/webp", url=URL),)


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("http://example.com/a.png", "https"),
        ("file:///etc/passwd", "https"),
        ("ftp://example.com/a.png", "https"),
        ("https://", "https"),
        ("https://user:secret@example.com/a.png", "credentials"),
        ("https://[::1", "not an address"),
        ("https://example.com/" + "a" * 10_000, "characters"),
        ("x", "https"),
        ("data:image/png,abc", "in base64"),
        ("data:image/svg+xml;base64,PHN2Zz4=", "image/svg"),
        ("data:;base64,PHN2Zz4=", "no media type"),
        (f"data:image/png;base64,{PNG}\n", "not base64"),
        (f"data:image/png;base64,{JPEG}", "not image/png"),
        ("data:image/png;base64,", "not image/png"),
        ("data:image/png;base64," + "A" * (MAX_IMAGE_LENGTH + 4), "characters"),
    ],
)
def test_what_is_no_image_for_anybody_is_refused_at_its_place(address: str, why: str) -> None:
    """Before a platform is asked: another scheme, another file than it says, too much of it."""
    with pytest.raises(RequestError) as caught:
        from_address(address, "/here")
    [violation] = caught.value.violations
    assert violation.where == "/here"
    assert why in violation.message
    assert len(violation.message) < 200


@pytest.mark.parametrize(
    ("raw", "media_type"),
    [
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff\xdb", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
    ],
)
def test_four_kinds_of_images_are_taken(raw: bytes, media_type: str) -> None:
    """Those that every vendor's documentation names."""
    data = base64.b64encode(raw).decode()
    assert from_base64(media_type, data, "/x") == Image(media_type, data=data)  # type: ignore[arg-type]


async def test_more_images_than_any_platform_is_sent_are_refused(world: World) -> None:
    """Over all messages of a request; the field is named."""
    gpt = world.gpt()
    await gpt.chat.completions.create(model="auto", messages=[photo(MAX_IMAGES)])
    with pytest.raises(openai.BadRequestError, match="at most 20 images, not 21") as caught:
        await gpt.chat.completions.create(model="auto", messages=[photo(MAX_IMAGES), photo()])
    assert caught.value.param == "messages"
    assert len(world.dear.asked) == 1


async def test_images_are_a_users_alone(world: World) -> None:
    """Neither an assistant nor the operator shows pictures: no platform would look at them."""
    gpt = world.gpt()
    part: Any = {"type": "image_url", "image_url": {"url": DATA}}
    for role in ("system", "assistant"):
        turn = cast("ChatCompletionMessageParam", {"role": role, "content": [part]})
        with pytest.raises(openai.BadRequestError, match="in a user's") as caught:
            await gpt.chat.completions.create(model="auto", messages=[turn, photo()])
        assert caught.value.param == "messages[0].content[0]"
    shown: Any = {"role": "assistant", "content": snapshot(SOURCE)["content"]}
    with pytest.raises(anthropic.BadRequestError, match="in a user's"):
        await world.claude().messages.create(
            model="auto", max_tokens=5, messages=[snapshot(SOURCE), shown]
        )
    assert world.dear.asked == []


@pytest.mark.parametrize("nothing", ["", "  \n\t", "\u2003"])
async def test_an_empty_message_is_refused_by_every_route(world: World, nothing: str) -> None:
    """Codecs would leave it out, and the platform would answer the message before it."""
    gpt, claude = world.gpt(), world.claude()
    with pytest.raises(openai.BadRequestError, match="an empty message") as chat:
        await gpt.chat.completions.create(
            model="auto", messages=[{"role": "user", "content": nothing}]
        )
    assert chat.value.param == "messages[0].content"
    with pytest.raises(openai.BadRequestError, match="an empty message") as response:
        await gpt.responses.create(model="auto", input=[{"role": "user", "content": nothing}])
    assert response.value.param == "input[0].content"
    with pytest.raises(anthropic.BadRequestError, match="an empty message"):
        await claude.messages.create(
            model="auto", max_tokens=5, messages=[{"role": "user", "content": nothing}]
        )
    assert world.dear.asked == []


async def test_two_hundred_tools_go_to_a_platform_that_takes_them(world: World) -> None:
    """OpenAI takes 128; named, it is refused with the limit, and not sent what it would refuse."""
    gpt = world.gpt()
    tools = [cast("Any", {**TOOL, "function": {"name": f"find_{i}"}}) for i in range(200)]
    raw = await gpt.chat.completions.with_raw_response.create(
        model="auto", messages=[test_compatible.USER], tools=tools
    )
    assert raw.headers["x-supportmax-platform"] == "anthropic"
    with pytest.raises(openai.BadRequestError, match="at most 128 tools, not 200") as caught:
        await gpt.chat.completions.create(
            model="openai", messages=[test_compatible.USER], tools=tools
        )
    assert (caught.value.code, caught.value.param) == ("requirements_impossible", "tools")
    assert world.dear.asked == []


async def test_a_strict_tool_that_cannot_be_held_to_is_refused_with_the_place(
    world: World,
) -> None:
    """Neither OpenAI nor Anthropic closes an open object; both clients raise BadRequestError."""
    gpt, claude = world.gpt(), world.claude()
    opened: Any = {"type": "object", "properties": {"a": {"type": "object", "properties": {}}}}
    tool: Any = {"type": "function", "function": {"name": "find", "parameters": opened}}
    tool["function"]["strict"] = True
    with pytest.raises(openai.BadRequestError, match="/properties/a: strict mode needs") as chat:
        await gpt.chat.completions.create(
            model="auto", messages=[test_compatible.USER], tools=[tool]
        )
    assert (chat.value.code, chat.value.param) == ("requirements_impossible", "tools")
    own: ToolParam = {"name": "find", "input_schema": opened, "strict": True}
    with pytest.raises(anthropic.BadRequestError, match="additionalProperties: false"):
        await claude.messages.create(
            model="auto",
            max_tokens=5,
            tools=[own],
            messages=[{"role": "user", "content": "hi"}],
        )
    assert world.dear.asked == world.cheap.asked == []


async def test_a_schema_that_refers_to_itself_goes_where_it_can_be_expressed(
    world: World,
) -> None:
    """Anthropic compiles no recursion; OpenAI does, and is dearer."""
    node = {
        "type": "object",
        "properties": {"next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}},
        "required": ["next"],
        "additionalProperties": False,
    }
    form: Any = {"type": "json_schema", "json_schema": {"name": "node", "schema": node}}
    raw = await world.gpt().chat.completions.with_raw_response.create(
        model="auto:cost", messages=[test_compatible.USER], response_format=form
    )
    assert raw.headers["x-supportmax-platform"] == "openai"
    with pytest.raises(openai.BadRequestError, match="# refers to itself"):
        await world.gpt().chat.completions.create(
            model="anthropic", messages=[test_compatible.USER], response_format=form
        )


async def test_a_text_over_the_bound_is_413_although_an_image_of_that_size_is_taken(
    world: World,
) -> None:
    """The routes with images take larger bodies, for the images alone."""
    gpt, claude = world.gpt(), world.claude()
    data = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(300_000)).decode()
    await gpt.chat.completions.create(
        model="auto", messages=[photo(address=f"data:image/png;base64,{data}")]
    )
    with pytest.raises(openai.APIStatusError, match="besides images") as text:
        await gpt.chat.completions.create(
            model="auto", messages=[{"role": "user", "content": "a" * 200_000}]
        )
    assert (text.value.status_code, text.value.code) == (413, "body_too_large")
    with pytest.raises(anthropic.APIStatusError) as large:
        await claude.messages.create(
            model="auto", max_tokens=5, messages=[{"role": "user", "content": "a" * 9_000_000}]
        )
    assert (large.value.status_code, large.value.type) == (413, "request_too_large")
    with pytest.raises(openai.APIStatusError) as huge:
        await gpt.responses.create(model="auto", input="a" * 9_000_000)
    assert (huge.value.status_code, huge.value.code) == (413, "body_too_large")
    assert len(world.dear.asked) == 1


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/nothing", 404, "unknown_url"),
        ("POST", "/v1/chat/completion", 404, "unknown_url"),
        ("POST", "/v1/chat/completions/", 404, "unknown_url"),
        ("GET", "/v1", 404, "unknown_url"),
        ("GET", "/v1/chat/completions", 405, "method_not_allowed"),
        ("DELETE", "/v1/models", 405, "method_not_allowed"),
    ],
)
async def test_what_is_not_there_is_refused_in_openais_shape(
    world: World, method: str, path: str, status: int, code: str
) -> None:
    """OpenAI's clients read `error`, not a problem document; 405 says what is allowed."""
    answer = await world.http.request(method, f"http://test{path}")
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json")
    error = answer.json()["error"]
    assert (error["code"], error["type"]) == (code, "invalid_request_error")
    assert ("allow" in answer.headers) == (status == 405)


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("POST", "/v1/messages/count_tokens", 404, "not_found_error"),
        ("POST", "/v1/messages/batches", 404, "not_found_error"),
        ("GET", "/v1/messages", 405, "invalid_request_error"),
    ],
)
async def test_what_is_not_there_is_refused_in_anthropics_shape(
    world: World, method: str, path: str, status: int, kind: str
) -> None:
    """Below its own route, with the request id it always has."""
    answer = await world.http.request(method, f"http://test{path}")
    assert answer.status_code == status
    said = answer.json()
    assert (said["type"], said["error"]["type"]) == ("error", kind)
    assert said["request_id"] == answer.headers["request-id"]
    # The one that is on record.
    assert said["request_id"] == answer.headers["x-supportmax-request"]


async def test_the_clients_raise_their_own_classes_for_what_is_not_there(world: World) -> None:
    """A helper that SupportMax does not serve fails as it would at its vendor."""
    with pytest.raises(openai.NotFoundError) as unknown:
        await world.gpt().files.list()
    assert unknown.value.code == "unknown_url"
    with pytest.raises(anthropic.NotFoundError) as uncounted:
        await world.claude().messages.count_tokens(
            model="auto", messages=[{"role": "user", "content": "hi"}]
        )
    assert uncounted.value.type == "not_found_error"


async def test_a_body_that_never_says_its_length_is_refused_in_the_vendors_shape(
    world: World,
) -> None:
    """Counted while it arrives, like every other."""

    async def endless() -> Any:
        for _ in range(100):
            yield b" " * 100_000

    headers = {"content-type": "application/json", "authorization": "Bearer good"}
    for path in ("chat/completions", "messages"):
        answer = await world.http.post(f"http://test/v1/{path}", content=endless(), headers=headers)
        assert answer.status_code == 413
        assert "At most 8388608 bytes" in answer.json()["error"]["message"]


async def test_the_part_of_a_system_prompt_that_its_caller_marks_is_stable(world: World) -> None:
    """Up to the last mark; a mark at the top means all of it, none means nothing."""
    claude = world.claude()
    mark: Any = {"cache_control": {"type": "ephemeral"}}
    system: Any = [{"type": "text", "text": "Rules."}, {"type": "text", "text": "Passages."}]
    ask: Any = {
        "model": "auto",
        "max_tokens": 5,
        "messages": [{"role": "user", "content": "hi"}],
    }
    await claude.messages.create(**ask, system=system)
    await claude.messages.create(**ask, system=[system[0] | mark, system[1]])
    await claude.messages.create(**ask, system=system, **mark)
    said = [(a.system[: a.stable_system_chars], a.system) for a in world.dear.asked]
    whole = "Rules.\nPassages."
    assert said == [("", whole), ("Rules.", whole), (whole, whole)]


def test_a_conversation_keeps_no_images() -> None:
    """Megabytes in every row, sent again with every turn: said, not done halfway."""
    part = ResponsesImage(type="input_image", image_url=DATA)
    with pytest.raises(RequestError, match="keeps no images"):
        stored([ResponsesMessage(role="user", content=[part])], "/items")
