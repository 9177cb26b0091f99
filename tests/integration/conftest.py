"""One product for the whole session, asked over HTTP as any caller would."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import anthropic
import anyio
import httpx2
import openai
import pytest

from tests.integration.cluster import deploy
from tests.integration.contract import Contract
from tests.integration.talk import MESSAGE
from tests.product import Product, running
from tests.servers import Simulators

# A platform's replica may have to be started anew first.
HEAL_S = 90.0
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs the cluster, and a start may take minutes on a busy machine."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.cluster)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(240))


@pytest.fixture(scope="session")
def product() -> Iterator[Product]:
    """A product with nothing configured; at the session's end Ctrl-C must leave no process."""
    with running() as product:
        yield product


@pytest.fixture(scope="session")
def judged_gateway(product: Product) -> str:
    """The address of a second MCP gateway in the same product: two replicas, and a fixture's tools."""
    deploy(product, "tests.integration.mcp_deploy", str(product.home))
    return f"{product.address}/judged/mcp"


@pytest.fixture(scope="session")
def contract(product: Product) -> Contract:
    """What the product says of itself."""
    with httpx2.Client(base_url=product.address, verify=False) as client:
        return Contract(client.get("/openapi.json").json())


@pytest.fixture
async def simulators(product: Product) -> AsyncIterator[Simulators]:
    """Their control, with an empty script and an empty journal."""
    await product.simulators.clear()
    yield product.simulators
    await product.simulators.clear()


@pytest.fixture
async def http(product: Product, contract: Contract) -> AsyncIterator[httpx2.AsyncClient]:
    """The administrator's client; every JSON answer is held against the published OpenAPI."""
    async with connected(product, contract) as client:
        yield client


@asynccontextmanager
async def connected(
    product: Product, contract: Contract, key: str | None = None
) -> AsyncIterator[httpx2.AsyncClient]:
    """A client whose JSON answers are all held against the contract."""
    async with product.http(key) as client:
        client.event_hooks = {"response": [contract.check]}
        yield client


@pytest.fixture
async def healthy(
    product: Product, simulators: Simulators, http: httpx2.AsyncClient
) -> httpx2.AsyncClient:
    """The client of a product whose platforms are all well, whatever a test before did to them."""
    await heal(product, http)
    return http


async def heal(product: Product, http: httpx2.AsyncClient) -> None:
    """Answer well until no breaker is open and nobody is cooling: a success closes a breaker."""
    await product.simulators.clear()
    with anyio.fail_after(HEAL_S):
        async with anyio.create_task_group() as group:
            for platform in ("openai", "anthropic"):
                group.start_soon(_answer_well, http, platform)
    await product.simulators.clear()


async def _answer_well(http: httpx2.AsyncClient, platform: str) -> None:
    good = 0
    while good < 2 or not await _is_well(http, platform):
        answer = await http.post(f"/v3/{platform}/chat", json={"message": MESSAGE})
        good += answer.status_code == 200
        await anyio.sleep(0.05)


async def _is_well(http: httpx2.AsyncClient, platform: str) -> bool:
    status = (await http.get("/v3/platforms/status")).json()
    row = next(row for row in status["platforms"] if row["name"] == platform)
    return bool(row["breaker"] == "closed")


@pytest.fixture
async def gpt(product: Product, contract: Contract) -> AsyncIterator[openai.AsyncOpenAI]:
    """OpenAI's client; what it is given is held against the published OpenAPI."""
    async with httpx2.AsyncClient(verify=False) as http:
        http.event_hooks = {"response": [contract.check]}
        yield openai.AsyncOpenAI(
            api_key=product.key,
            base_url=f"{product.address}/v1",
            http_client=http,
            max_retries=0,
        )


@pytest.fixture
async def claude(product: Product, contract: Contract) -> AsyncIterator[anthropic.AsyncAnthropic]:
    """Anthropic's client, likewise."""
    async with httpx2.AsyncClient(verify=False) as http:
        http.event_hooks = {"response": [contract.check]}
        yield anthropic.AsyncAnthropic(
            api_key=product.key, base_url=product.address, http_client=http, max_retries=0
        )
