"""What our adapters send is what the official SDKs send: the same body, the same headers."""

from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from deployments.platforms.anthropic.codec import encode_request as encode_for_anthropic
from deployments.platforms.base import Connection
from deployments.platforms.openai.codec import encode_request as encode_for_openai
from deployments.platforms.registry import open_platform
from deployments.platforms.transport import CONNECT_S, IDLE_S, POOL_S
from routing.errors import ErrorKind, PlatformError
from routing.exchange import ChatRequest, ResponseSchema
from routing.message import JsonObject, Message, ToolSpec
from tests.servers import Simulators

MODELS = {
    "anthropic": "claude-haiku-5-5",
    "azure_openai": "gpt-6-luna",
    "openai": "gpt-6-luna",
}
ENCODERS: Mapping[str, Callable[..., dict[str, Any]]] = {
    "azure_openai": partial(encode_for_openai, platform="azure_openai"),
    "openai": encode_for_openai,
    "anthropic": encode_for_anthropic,
}
SCHEMA: JsonObject = {
    "type": "object",
    "properties": {"number": {"type": "string"}},
    "required": ["number"],
    "additionalProperties": False,
}
# Of the connection, not of the request.
TRANSPORT_HEADERS = frozenset(
    {"host", "connection", "content-length", "accept-encoding", "transfer-encoding"}
)
TIMEOUT = httpx2.Timeout(connect=CONNECT_S, read=IDLE_S, write=IDLE_S, pool=POOL_S)


def request_for(name: str) -> ChatRequest:
    return ChatRequest(
        MODELS[name],
        (Message("user", "Where is order 7? Ünïcödé 🙂"),),
        system="Be kind.",
        tools=(ToolSpec("get_order", "Look it up.", SCHEMA, strict=True),),
        parallel_tools=False,
        response_schema=ResponseSchema("verdict", SCHEMA),
        safety_id="0f" * 16,
    )


async def ask_by_sdk(name: str, simulators: Simulators, body: dict[str, Any]) -> None:
    """The vendor's own way, with nothing between."""
    options: Any = {
        "api_key": simulators.key,
        "base_url": simulators.address(name),
        "timeout": TIMEOUT,
        "max_retries": 0,
    }
    answer: Any
    if name == "azure_openai":
        options["base_url"] += "/openai/v1/"
    if name in {"azure_openai", "openai"}:
        async with openai.AsyncOpenAI(**options) as gpt:
            answer = await gpt.responses.create(**body)
            await read(answer, streams=body["stream"])
    else:
        async with anthropic.AsyncAnthropic(**options) as claude:
            answer = await claude.messages.create(**body)
            await read(answer, streams=body["stream"])


async def read(answer: AsyncIterator[object], *, streams: bool) -> None:
    """Read a stream to its end."""
    if streams:
        async for _ in answer:
            pass


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("name", sorted(MODELS))
async def test_our_request_is_the_sdks_request(
    simulators: Simulators, name: str, *, streams: bool
) -> None:
    """An SDK's release that changes what it sends changes what we send, or fails here."""
    request = request_for(name)
    await ask_by_sdk(name, simulators, ENCODERS[name](request, stream=streams))
    platform = open_platform(name, Connection(simulators.key, simulators.address(name)))
    if streams:
        async for _ in platform.stream(request, 20):
            pass
    else:
        await platform.complete(request, 20)
    await platform.aclose()
    theirs, ours = await simulators.requests()
    assert ours.body == theirs.body
    assert relevant(ours.headers) == relevant(theirs.headers)


def relevant(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in TRANSPORT_HEADERS}


@pytest.mark.parametrize("name", sorted(MODELS))
async def test_our_credential_header_is_the_sdks(name: str) -> None:
    """The simulators keep no credential, so it is looked at where it is written."""
    seen: list[httpx2.Request] = []

    async def keep(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200, json={})

    client = httpx2.AsyncClient(transport=httpx2.MockTransport(keep))
    sdk = (
        openai.AsyncOpenAI(api_key="sk-key", http_client=client)
        if name in {"azure_openai", "openai"}
        else anthropic.AsyncAnthropic(api_key="sk-key", http_client=client)
    )
    await sdk.post("/anything", cast_to=httpx2.Response)
    await sdk.close()
    platform = open_platform(name, Connection("sk-key", "https://vendor.example"))
    head = await platform._wire._head.get()  # type: ignore[attr-defined]
    await platform.aclose()
    for header in ("authorization", "x-api-key"):
        assert head.headers.get(header) == seen[0].headers.get(header)
    assert head.headers["authorization"] == "Bearer sk-key"


@pytest.mark.parametrize(
    ("status", "sdk_class", "kind"),
    [
        (400, "BadRequestError", ErrorKind.INVALID_REQUEST),
        (401, "AuthenticationError", ErrorKind.CREDENTIALS),
        (403, "PermissionDeniedError", ErrorKind.PERMISSION),
        (404, "NotFoundError", ErrorKind.MODEL_GONE),
        (429, "RateLimitError", ErrorKind.RATE_LIMITED),
        (500, "InternalServerError", ErrorKind.OVERLOADED),
    ],
)
@pytest.mark.parametrize("name", sorted(MODELS))
async def test_our_kind_of_error_and_the_sdks_class_agree(
    simulators: Simulators, name: str, status: int, sdk_class: str, kind: ErrorKind
) -> None:
    """We read the status ourselves; this is how we know that we read it as the vendor does."""
    vendor = {"anthropic": anthropic}.get(name, openai)
    request = ChatRequest(MODELS[name], (Message("user", "Hello."),))
    for _ in range(2):
        await simulators.script(name, {"kind": "status", "status": status})
    with pytest.raises(getattr(vendor, sdk_class)):
        await ask_by_sdk(name, simulators, ENCODERS[name](request, stream=False))
    platform = open_platform(name, Connection(simulators.key, simulators.address(name)))
    with pytest.raises(PlatformError) as caught:
        await platform.complete(request, 20)
    await platform.aclose()
    assert caught.value.kind is kind
