"""What is Azure's own: deployments and the models behind them, two addresses, its gateway's words."""

from collections.abc import AsyncIterator

import httpx2
import openai
import pytest

from deployments.platforms.azure.adapter import AzureOpenAIPlatform
from deployments.platforms.base import Connection
from deployments.platforms.openai.codec import encode_request
from deployments.platforms.transport import CONNECT_S, IDLE_S, POOL_S
from routing.errors import ConfigError, ErrorKind, PlatformError
from routing.exchange import ChatRequest, ReplyDone
from routing.message import Message, ToolSpec
from tests.servers import SimulatedRequest, Simulators

MODEL = "gpt-6-luna"
DEPLOYMENT = "support-gpt-6-luna"
API_VERSION = "2025-04-01-preview"
LEGACY = {"api": "legacy", "api_version": API_VERSION, "deployment": DEPLOYMENT}
LOOK_UP = ToolSpec("get_order", "Look it up.", {"type": "object", "properties": {}})
QUESTION = ChatRequest(MODEL, (Message("user", "Where is order 7?"),), tools=(LOOK_UP,))
DEADLINE_S = 20.0
TRANSPORT_HEADERS = frozenset(
    {"host", "connection", "content-length", "accept-encoding", "transfer-encoding"}
)


@pytest.fixture
async def legacy(simulators: Simulators) -> AsyncIterator[AzureOpenAIPlatform]:
    """The adapter on the older API."""
    address = simulators.address("azure_openai")
    platform = AzureOpenAIPlatform(Connection(simulators.key, address, options=LEGACY))
    yield platform
    await platform.aclose()


@pytest.fixture
async def gateway(simulators: Simulators) -> AsyncIterator[httpx2.AsyncClient]:
    """A bare client of the simulated resource."""
    async with httpx2.AsyncClient(base_url=simulators.address("azure_openai")) as client:
        yield client


async def failure(platform: AzureOpenAIPlatform) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        await platform.complete(QUESTION, DEADLINE_S)
    return caught.value


def relevant(request: SimulatedRequest) -> dict[str, str]:
    return {name: value for name, value in request.headers.items() if name not in TRANSPORT_HEADERS}


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("options", [{"deployment": DEPLOYMENT}, LEGACY], ids=["v1", "legacy"])
async def test_a_request_names_the_deployment_and_the_reply_the_model(
    simulators: Simulators, options: dict[str, str], *, streams: bool
) -> None:
    """Prices and windows are the model's; a deployment's name says nothing about them."""
    address = simulators.address("azure_openai")
    platform = AzureOpenAIPlatform(Connection(simulators.key, address, options=options))
    if streams:
        *_, done = [chunk async for chunk in platform.stream(QUESTION, DEADLINE_S)]
        assert isinstance(done, ReplyDone)
        reply = done.reply
    else:
        reply = await platform.complete(QUESTION, DEADLINE_S)
    await platform.aclose()
    [seen] = await simulators.requests()
    assert (seen.body["model"], reply.model) == (DEPLOYMENT, MODEL)


@pytest.mark.parametrize("streams", [False, True])
async def test_our_legacy_request_is_the_sdks_request(
    simulators: Simulators, legacy: AzureOpenAIPlatform, *, streams: bool
) -> None:
    """The older path is written by the SDK's own client for it: the same body, the same headers."""
    body = encode_request(QUESTION, streams, "azure_openai") | {"model": DEPLOYMENT}
    async with openai.AsyncAzureOpenAI(
        api_key=simulators.key,
        azure_endpoint=simulators.address("azure_openai"),
        azure_deployment=DEPLOYMENT,
        api_version=API_VERSION,
        timeout=httpx2.Timeout(connect=CONNECT_S, read=IDLE_S, write=IDLE_S, pool=POOL_S),
        max_retries=0,
    ) as sdk:
        answer = await sdk.responses.create(**body)  # type: ignore[call-overload]
        if streams:
            assert [event async for event in answer]
    if streams:
        assert [chunk async for chunk in legacy.stream(QUESTION, DEADLINE_S)]
    else:
        await legacy.complete(QUESTION, DEADLINE_S)
    theirs, ours = await simulators.requests()
    assert ours.body == theirs.body
    assert relevant(ours) == relevant(theirs)


async def test_the_legacy_address_and_key_are_the_sdks(legacy: AzureOpenAIPlatform) -> None:
    """Responses are not below the deployment, even where the SDK knows one."""
    head = await legacy._wire._head.get()
    assert str(head.url).endswith(f"/azure/openai/responses?api-version={API_VERSION}")
    assert head.headers["api-key"]
    assert "authorization" not in head.headers


@pytest.mark.parametrize(
    "endpoint",
    ["https://r.openai.azure.com", "https://r.openai.azure.com/openai/v1/"],
)
async def test_an_endpoint_is_taken_with_and_without_its_path(endpoint: str) -> None:
    """The portal shows both."""
    platform = AzureOpenAIPlatform(Connection("sk-key", endpoint))
    head = await platform._wire._head.get()
    await platform.aclose()
    assert str(head.url) == "https://r.openai.azure.com/openai/v1/responses"


@pytest.mark.parametrize(
    ("credential", "endpoint", "options", "key"),
    [
        ("", "https://r.openai.azure.com", {}, "api_key"),
        ("sk-key", None, {}, "endpoint"),
        ("sk-key", "https://r.openai.azure.com", {"api": "v2"}, "api"),
        ("sk-key", "https://r.openai.azure.com", {"api": "legacy"}, "api_version"),
    ],
)
def test_what_is_missing_is_named(
    credential: str, endpoint: str | None, options: dict[str, str], key: str
) -> None:
    """A replica that cannot work says so when it starts, not on its first request."""
    with pytest.raises(ConfigError) as caught:
        AzureOpenAIPlatform(Connection(credential, endpoint, options=options))
    assert caught.value.key == f"azure_openai.{key}"


async def test_an_unknown_deployment_is_the_configurations_mistake(simulators: Simulators) -> None:
    """Another platform may answer meanwhile."""
    options = {"deployment": "nobody-made-this"}
    address = simulators.address("azure_openai")
    platform = AzureOpenAIPlatform(Connection(simulators.key, address, options=options))
    error = await failure(platform)
    await platform.aclose()
    assert (error.kind, error.status) == (ErrorKind.MODEL_GONE, 404)
    assert error.detail.startswith("DeploymentNotFound: ")


async def test_a_filtered_prompt_is_not_asked_again_elsewhere(
    simulators: Simulators, legacy: AzureOpenAIPlatform
) -> None:
    """Azure filters the prompt before the model sees it, and says so with a 400."""
    await simulators.script(
        "azure_openai", {"kind": "status", "status": 400, "code": "content_filter"}
    )
    error = await failure(legacy)
    assert (error.kind, error.status) == (ErrorKind.CONTENT_FILTERED, 400)


async def test_the_simulated_gateway_takes_a_key_either_way(
    simulators: Simulators, gateway: httpx2.AsyncClient
) -> None:
    """`api-key` and Bearer; anything else is Azure's 401, with an id to quote."""
    for headers in ({"api-key": simulators.key}, {"authorization": f"Bearer {simulators.key}"}):
        answer = await gateway.get("/openai/v1/models", headers=headers)
        assert answer.status_code == 200
        assert answer.headers["x-ms-region"]
    for headers in ({"api-key": "sk-other"}, {"authorization": f"Basic {simulators.key}"}, {}):
        answer = await gateway.get("/openai/v1/models", headers=headers)
        assert answer.status_code == 401
        assert answer.json()["error"].keys() == {"code", "message"}
        assert answer.headers["apim-request-id"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/openai/responses?api-version={API_VERSION}", 200),
        ("/openai/responses", 404),
        ("/openai/responses?api-version=soon", 404),
        ("/openai/deployments/x/chat/completions", 404),
        ("/openai/v1/responses", 200),
    ],
)
async def test_the_simulated_gateway_knows_its_addresses(
    simulators: Simulators, gateway: httpx2.AsyncClient, path: str, status: int
) -> None:
    """The older path is nothing without its version."""
    body = {"model": DEPLOYMENT, "input": "Hello"}
    answer = await gateway.post(path, json=body, headers={"api-key": simulators.key})
    assert answer.status_code == status
    if status == 404:
        assert answer.json() == {"error": {"code": "404", "message": "Resource not found"}}


async def test_the_simulated_models_end_on_a_day(simulators: Simulators) -> None:
    """A status page can warn before a deployment's model dies."""
    async with openai.AsyncOpenAI(
        base_url=f"{simulators.address('azure_openai')}/openai/v1/", api_key=simulators.key
    ) as sdk:
        models = {model.id: model.to_dict() async for model in sdk.models.list()}
        shown = await sdk.models.retrieve("gpt-5")
        with pytest.raises(openai.NotFoundError):
            await sdk.models.retrieve("gpt-3")
    assert "deprecation" not in models[MODEL]
    assert models["gpt-5"]["deprecation"] == {"inference": 1_796_947_200}
    assert shown.to_dict() == models["gpt-5"]
