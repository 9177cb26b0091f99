"""Vertex AI's adapter beside google-genai: the same bytes, the same headers, the same errors."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx2
import orjson
import pytest
from google.genai import Client, errors, types
from google.oauth2.credentials import Credentials

from deployments.platforms.base import Connection
from deployments.platforms.vertex.adapter import MAX_ADDRESSES, VertexPlatform
from deployments.platforms.vertex.address import base_url
from routing.errors import ConfigError, ErrorKind, PlatformError
from routing.exchange import ChatRequest, ResponseSchema
from routing.message import JsonObject, Message, ToolCall, ToolResult, ToolSpec
from tests.servers import OPTIONS, Simulators

MODEL = "gemini-3.8-flash"
PLACE = OPTIONS["google_vertex"]
DEADLINE_S = 20.0
SCHEMA: JsonObject = {
    "type": "object",
    "properties": {"order_number": {"type": "string"}},
    "required": ["order_number"],
    "additionalProperties": False,
}
QUESTION = ChatRequest(MODEL, (Message("user", "Hello."),))
# Of the connection, not of the request.
TRANSPORT_HEADERS = frozenset({"host", "connection", "content-length", "accept-encoding"})


@asynccontextmanager
async def google(
    base: str, token: str, transport: httpx2.AsyncBaseTransport | None = None
) -> AsyncIterator[Client]:
    """The SDK on its own, over the HTTP client which it may be given."""
    async with httpx2.AsyncClient(transport=transport, trust_env=False) as http:
        client = Client(
            enterprise=True,
            project=PLACE["project_id"],
            location=PLACE["location"],
            credentials=Credentials(token),  # type: ignore[no-untyped-call]
            http_options=types.HttpOptions(
                base_url=base, api_version="v1", httpx_async_client=http
            ),
        )
        yield client
        client.close()


@asynccontextmanager
async def opened(connection: Connection) -> AsyncIterator[VertexPlatform]:
    platform = VertexPlatform(connection)
    try:
        yield platform
    finally:
        await platform.aclose()


CALL = ToolCall("call_1", "get_order", {"order_number": "7"})
FULL = ChatRequest(
    MODEL,
    (
        Message("user", "Where is order 7? Ünïcödé 🙂"),
        Message("assistant", "I look.", (CALL,)),
        Message("user", tool_results=(ToolResult("call_1", "sent"),)),
    ),
    system="Be kind.",
    max_tokens=100,
    temperature=0.5,
    tools=(ToolSpec("get_order", "Look it up.", SCHEMA, strict=True),),
    response_schema=ResponseSchema("verdict", SCHEMA),
)


def said_to_the_sdk() -> tuple[list[types.Content], types.GenerateContentConfig]:
    """The same request in the SDK's own objects, not in our bytes."""
    signature = b"skip_thought_signature_validator"
    call = types.FunctionCall(id="call_1", name="get_order", args={"order_number": "7"})
    result = types.FunctionResponse(id="call_1", name="get_order", response={"output": "sent"})
    contents = [
        types.Content(role="user", parts=[types.Part(text="Where is order 7? Ünïcödé 🙂")]),
        types.Content(
            role="model",
            parts=[
                types.Part(text="I look."),
                types.Part(function_call=call, thought_signature=signature),
            ],
        ),
        types.Content(role="user", parts=[types.Part(function_response=result)]),
    ]
    declared = types.FunctionDeclaration(
        name="get_order", description="Look it up.", parameters_json_schema=SCHEMA
    )
    mode = types.FunctionCallingConfigMode.VALIDATED
    return contents, types.GenerateContentConfig(
        system_instruction="Be kind.",
        max_output_tokens=100,
        temperature=0.5,
        tools=[types.Tool(function_declarations=[declared])],
        tool_config=types.ToolConfig(
            function_calling_config=types.FunctionCallingConfig(mode=mode)
        ),
        response_mime_type="application/json",
        response_json_schema=SCHEMA,
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    )


@pytest.mark.parametrize("streams", [False, True])
async def test_our_request_is_the_sdks_request(simulators: Simulators, *, streams: bool) -> None:
    """An SDK's release that changes what it sends changes what we send, or fails here."""
    contents, config = said_to_the_sdk()
    async with google(simulators.address("google_vertex"), simulators.key) as client:
        models = client.aio.models
        if streams:
            stream = await models.generate_content_stream(
                model=MODEL, contents=contents, config=config
            )
            async for _ in stream:
                pass
        else:
            await models.generate_content(model=MODEL, contents=contents, config=config)
    async with opened(simulators.connection("google_vertex")) as platform:
        if streams:
            async for _ in platform.stream(FULL, DEADLINE_S):
                pass
        else:
            await platform.complete(FULL, DEADLINE_S)
    theirs, ours = await simulators.requests()
    assert ours.body == as_proto_reads_it(theirs.body)
    assert relevant(ours.headers) == relevant(theirs.headers)


def relevant(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in TRANSPORT_HEADERS}


def as_proto_reads_it(body: Mapping[str, object]) -> object:
    """Proto3 reads both spellings of a field; the SDK mixes them, we write the documented one."""
    known = re.compile(rb'"(parameters|allowed)_(json|function)_(schema|names)"')
    return orjson.loads(
        known.sub(
            lambda found: b'"%s%s%s"' % (found[1], found[2].title(), found[3].title()),
            orjson.dumps(body),
        )
    )


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize(
    "model",
    [MODEL, "anthropic/claude-haiku-5-5", f"projects/shop/locations/global/endpoints/{7}"],
)
async def test_our_address_and_credential_are_the_sdks(model: str, *, streams: bool) -> None:
    """The model and the method stand in the address; the token where the SDK puts it."""
    seen: list[httpx2.Request] = []

    async def keep(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200, json={})

    address = base_url(PLACE["location"])
    async with google(address, "ya29.token", httpx2.MockTransport(keep)) as client:
        models = client.aio.models
        if streams:
            async for _ in await models.generate_content_stream(model=model, contents=""):
                pass
        else:
            await models.generate_content(model=model, contents="")
    async with opened(Connection("ya29.token", options=PLACE)) as platform:
        head = await platform._wire(model, streams=streams)._head.get()
    assert str(head.url) == str(seen[0].url)
    assert head.headers["authorization"] == seen[0].headers["authorization"] == "Bearer ya29.token"
    assert "ya29" not in repr(head)


@pytest.mark.parametrize(
    "location", ["global", "us", "eu", "us-central1", "europe-west4", "asia-northeast1"]
)
async def test_our_address_of_a_location_is_the_sdks(
    location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which the environment cannot bend: it could carry a credential elsewhere."""
    monkeypatch.delenv("GOOGLE_VERTEX_BASE_URL", raising=False)
    sdk = Client(
        enterprise=True,
        project="shop",
        location=location,
        credentials=Credentials("ya29.token"),  # type: ignore[no-untyped-call]
    )
    expected = sdk._api_client._http_options.base_url
    await sdk.aio.aclose()
    sdk.close()
    monkeypatch.setenv("GOOGLE_VERTEX_BASE_URL", "https://evil.example")
    options = {"project_id": "shop", "location": location}
    async with opened(Connection("ya29.token", options=options)) as platform:
        head = await platform._wire(MODEL, streams=False)._head.get()
    assert str(head.url).startswith(f"{expected}v1/projects/shop/locations/{location}/publishers/")


async def test_two_models_at_once_go_to_two_addresses(simulators: Simulators) -> None:
    """One recorder writes the heads of all of them."""
    names = [MODEL, "gemini-3.5-flash-lite", "gemini-4-argon"] * 4
    async with opened(simulators.connection("google_vertex")) as platform:
        replies = await asyncio.gather(
            *(platform.complete(replace(QUESTION, model=name), DEADLINE_S) for name in names)
        )
    assert [reply.model for reply in replies] == names


async def test_the_addresses_that_are_kept_are_bounded() -> None:
    """Whatever names of models come by."""
    async with opened(Connection("ya29.token", options=PLACE)) as platform:
        for number in range(MAX_ADDRESSES + 9):
            platform._wire(f"gemini-{number}", streams=True)
        assert len(platform._wires) == MAX_ADDRESSES


async def test_an_impossible_model_is_gone_and_no_bug() -> None:
    """The SDK refuses it before anything is sent."""
    async with opened(Connection("ya29.token", options=PLACE)) as platform:
        with pytest.raises(PlatformError, match="invalid model") as caught:
            await platform.complete(replace(QUESTION, model="../x?y"), DEADLINE_S)
    assert caught.value.kind is ErrorKind.MODEL_GONE


def test_a_connection_without_a_project_is_refused() -> None:
    """The SDK would take one from the environment, or send to the project `None`."""
    with pytest.raises(ConfigError, match=r"google_vertex\.project_id"):
        VertexPlatform(Connection("ya29.token"))


@pytest.mark.parametrize(
    ("status", "sdk_class", "kind"),
    [
        (400, errors.ClientError, ErrorKind.INVALID_REQUEST),
        (401, errors.ClientError, ErrorKind.CREDENTIALS),
        (403, errors.ClientError, ErrorKind.PERMISSION),
        (404, errors.ClientError, ErrorKind.MODEL_GONE),
        (429, errors.ClientError, ErrorKind.RATE_LIMITED),
        (500, errors.ServerError, ErrorKind.OVERLOADED),
    ],
)
async def test_our_kind_of_error_and_the_sdks_class_agree(
    simulators: Simulators, status: int, sdk_class: type[errors.APIError], kind: ErrorKind
) -> None:
    """We read the status ourselves; this is how we know that we read it as the vendor does."""
    for _ in range(2):
        await simulators.script("google_vertex", {"kind": "status", "status": status})
    async with google(simulators.address("google_vertex"), simulators.key) as client:
        with pytest.raises(sdk_class) as theirs:
            await client.aio.models.generate_content(model=MODEL, contents="Hello.")
    async with opened(simulators.connection("google_vertex")) as platform:
        with pytest.raises(PlatformError) as ours:
            await platform.complete(QUESTION, DEADLINE_S)
    assert (ours.value.kind, ours.value.status) == (kind, theirs.value.code)
    assert ours.value.detail == f"{theirs.value.status}: {theirs.value.message}"
