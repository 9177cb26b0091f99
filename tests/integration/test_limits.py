"""A product with limits and a Redis: a tenant that asks too much is refused, and no other; never open."""

import functools
import json
import re
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass

import httpx2
import openai
import pytest

from config import SHIPPED
from tests.integration.cluster import deploy
from tests.integration.talk import MESSAGE
from tests.product import Product, running
from tests.redis_servers import RedisServer, need, redis_server

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(400)]

BURST = 40
# Each the same: one answer of Redis that is late on busy cores leaves a replica to its own part for a
# second, and who is counted begins anew with the next.
SMALL = ("small", "small-2", "small-3")
FRUGAL = ("frugal", "frugal-2", "frugal-3")
READS = {"per_minute": 60, "burst": BURST}
CHATS = {"per_minute": 4, "burst": 4}
OF_SMALL = {
    "networks": ["127.0.0.0/8", "::1/128"],
    "requests": {"tenant": {"chat": CHATS, "read": READS, "mcp": READS}},
}
LIMITS = {
    "tenants": {
        **dict.fromkeys(SMALL, OF_SMALL),
        **{tenant: {"tokens": {"tenant": {"per_day": 400}}} for tenant in FRUGAL},
        "elsewhere": {"networks": ["198.51.100.0/24"]},
    },
    "addresses": {"failures": {"per_minute": 4, "burst": 400}},
}
# What the replica had borrowed, of two kinds of limit that nobody else holds any of.
BORROWED = BURST // 20 + 1
NOTICED_S = 30.0


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    need()
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module")
def product(redis: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    path = tmp_path_factory.mktemp("limits") / "limits.yaml"
    path.write_text(json.dumps({"redis": {"urls": [redis.url]}, "limits": LIMITS}))
    with running(*SHIPPED, path) as product:
        yield product


def key_of(product: Product, tenant: str) -> str:
    command = [sys.executable, "-m", "deployments.cli", "keys", "--tenant", tenant]
    done = subprocess.run(
        [*command, "create", "a program", "--role", "admin"],
        env=product.environment, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    found = re.search(r"smk_\S+", done.stdout)
    assert found is not None, done.stdout
    return found[0]


Keys = Callable[[str], str]


@pytest.fixture(scope="module")
def key(product: Product) -> Keys:
    """A tenant's key, the same whenever it is asked for."""
    return functools.cache(functools.partial(key_of, product))


@dataclass(frozen=True, slots=True)
class Counted:
    """What was said to a tenant until the first refusal, and how long that took."""

    tenant: str
    said: list[httpx2.Response]
    took_s: float


async def counted(
    product: Product,
    key: Keys,
    tenants: Sequence[str],
    ask: Callable[[httpx2.AsyncClient], Awaitable[httpx2.Response]],
) -> Counted:
    """Ask until it is refused, as the first of them for whom Redis answered in time all the while."""
    async with product.http() as other:
        for tenant in tenants:
            await until_together(other)
            async with product.http(key(tenant)) as http:
                said, is_alone, began = list[httpx2.Response](), False, time.monotonic()
                while not is_alone and (not said or said[-1].status_code == 200):
                    said.append(await ask(http))
                    is_alone = await alone(other)
                if not is_alone:
                    return Counted(tenant, said, time.monotonic() - began)
    raise AssertionError(f"for none of {len(tenants)} tenants Redis answered in time throughout")


async def alone(other: httpx2.AsyncClient) -> bool:
    """Whether the replica keeps to its own part, which it then does for a second at least."""
    return "degraded" in (await other.get("/readyz")).json()


async def until_together(other: httpx2.AsyncClient) -> None:
    until = time.monotonic() + NOTICED_S
    while await alone(other):
        await other.get("/v3/platforms/status")
        assert time.monotonic() < until


async def read(http: httpx2.AsyncClient) -> httpx2.Response:
    return await http.get("/v3/platforms/status")


async def test_beyond_its_limit_a_tenant_is_refused_and_another_is_not(
    product: Product, key: Keys
) -> None:
    counting = await counted(product, key, SMALL, read)
    assert BURST <= len(counting.said) - 1 <= BURST + counting.took_s + 1
    refused = counting.said[-1]
    assert refused.json()["code"] == "rate_limited"
    assert int(refused.headers["retry-after"]) >= 1
    assert refused.headers["ratelimit"].startswith('"tenant-read";r=0;t=')
    assert refused.headers["ratelimit-policy"] == f'"tenant-read";q={BURST};w={BURST}'
    async with product.http() as other, product.http(key(counting.tenant)) as http:
        good = await other.get("/v3/platforms/status")
        assert good.status_code == 200
        assert good.headers["ratelimit"].startswith('"tenant-read";r=')
        # Limits of one class are no limits of another.
        assert (await http.get("/healthz")).status_code == 200


async def test_a_vendors_client_is_told_so_in_its_own_words(product: Product, key: Keys) -> None:
    client = openai.AsyncOpenAI(
        api_key=key(SMALL[0]), base_url=f"{product.address}/v1", max_retries=0
    )

    async def ask_on() -> None:
        for _ in range(6):
            await client.chat.completions.create(
                model="auto", messages=[{"role": "user", "content": "hello"}], max_tokens=50
            )

    with pytest.raises(openai.RateLimitError) as refused:
        await ask_on()
    assert refused.value.code == "rate_limit_exceeded"
    assert int(refused.value.response.headers["retry-after"]) >= 1
    await client.close()


async def test_tokens_of_the_day_are_used_up_by_what_an_answer_took(
    product: Product, key: Keys
) -> None:
    """The first may take all there are; what it did take is wanting for the second."""

    async def ask(http: httpx2.AsyncClient) -> httpx2.Response:
        return await http.post("/v3/chat", json={"message": MESSAGE})

    said = (await counted(product, key, FRUGAL, ask)).said
    assert [answer.status_code for answer in said] == [200, 429], said[0].text
    first, refused = said
    usage = first.json()["usage"]
    left = 400 - usage["input_tokens"] - usage["output_tokens"]
    assert f"tenant-tokens-day has {left} of 400 tokens left" in refused.json()["detail"]
    assert refused.headers["ratelimit-policy"] == '"tenant-tokens-day";q=400;w=86400'
    assert int(refused.headers["retry-after"]) <= 86_400


async def test_a_tenant_of_another_network_is_not_served_here(product: Product, key: Keys) -> None:
    async with product.http(key("elsewhere")) as http:
        refused = await http.get("/v3/platforms/status")
    assert (refused.status_code, refused.json()["code"]) == (403, "address_not_allowed")


async def test_at_the_mcp_endpoint_the_same_limits_hold(product: Product, key: Keys) -> None:
    accept = {"accept": "application/json, text/event-stream"}
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}

    async def call(http: httpx2.AsyncClient) -> httpx2.Response:
        return await http.post("/mcp", json=ping, headers=accept)

    said = (await counted(product, key, SMALL, call)).said
    assert len(said) > BURST
    assert said[-1].status_code == 429
    assert said[-1].json()["error"]["data"] == {"code": "rate_limited"}


def test_a_second_replica_has_half_of_every_limit_and_no_more_when_the_coordinator_is_killed(
    product: Product,
) -> None:
    """The product's own replica gave up the other half, and has all of it again afterwards."""
    deploy(product, "tests.integration.second_replica", str(product.home))


async def test_with_redis_killed_the_service_goes_on_with_what_it_borrowed_and_what_comes_back(
    product: Product, redis: RedisServer, key: Keys
) -> None:
    """And says so; when Redis is back the count is common again."""
    async with product.http(key(SMALL[0])) as http, product.http() as other:
        redis.kill()
        until = time.monotonic() + NOTICED_S
        while "degraded" not in (ready := (await other.get("/readyz")).json()):
            # Whoever had borrowed nothing has what comes back since, and that is nothing in the moment
            # itself.
            assert (await other.get("/v3/platforms/status")).status_code in {200, 429}
            assert time.monotonic() < until
        assert (await other.get("/v3/platforms/status")).status_code == 200
        assert ready == {"status": "ok", "degraded": ["rate_limits"]}
        began, let_in = time.monotonic(), 0
        while (answer := await http.get("/v3/platforms/status")).status_code == 200:
            let_in += 1
        assert let_in <= BORROWED + time.monotonic() - began
        # One a second comes back; of that a part may still be kept for the second replica above.
        assert answer.headers["retry-after"] in {"1", "2"}
        redis.start()
        await until_together(other)


async def test_who_guesses_at_keys_is_stopped_and_whoever_is_known_goes_on(
    product: Product,
) -> None:
    """The last: this address has used up its tries: a half, since a second replica was there before."""
    async with product.http() as known, product.http("smk_wrong") as guessing:
        assert (await known.get("/v3/platforms/status")).status_code == 200
        said = list[int]()
        while 429 not in said and len(said) <= 600:
            said.append((await guessing.get("/v3/platforms/status")).status_code)
        assert set(said) == {401, 429}
        assert len(said) > 150
        assert (await known.get("/v3/platforms/status")).status_code == 200
