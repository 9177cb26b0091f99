"""Limits at the door, over HTTP: who is refused, with which words, and who is not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from config.limits import LimitSettings
from deployments.ingress import api, routes
from deployments.ingress.anthropic_errors import ANTHROPIC_ERRORS
from deployments.ingress.openai_errors import OPENAI_ERRORS
from deployments.ingress.routes import PUBLIC, Call, Operation
from deployments.ingress.schema import Health
from deployments.security.address_limits import AddressLimits
from deployments.security.client_address import networks_of
from deployments.security.gate import Gate
from deployments.security.leased_limits import LeasedLimits
from deployments.security.peer import Peer
from deployments.security.principal import Principal
from deployments.security.rate_limits import RateLimits
from deployments.security.shares import Shares
from deployments.security.trail import Trail
from routing.clock import ManualClock
from routing.errors import AccessError
from tests.audit_world import AuditWorld

MAY = frozenset({"chat:create", "platforms:read", "budgets:configure"})
FROM = "203.0.113.9"


class World:
    """A table behind a gate, in one replica, whose time stands still."""

    def __init__(self, **settings: Any) -> None:
        self.clock = ManualClock()
        self.looked_up = 0
        self.handled = 0
        self.begun = asyncio.Semaphore(0)
        self.go_on = asyncio.Event()
        limits = LimitSettings.model_validate(settings)
        shares = Shares.fixed(self.clock, 1.0)
        self.gate = Gate(
            AddressLimits(limits, shares, self.clock),
            RateLimits(limits, LeasedLimits(None, "r", shares, self.clock), shares),
            Peer(),
            networks_of(["10.0.0.0/8"]),
        )

    async def authenticate(self, request: Request) -> Principal:
        self.looked_up += 1
        shown = request.headers.get("x-api-key") or request.headers.get("authorization", "")
        tenant, _, subject = shown.removeprefix("Bearer ").partition("/")
        if not subject:
            raise AccessError("unauthenticated", "Send a key.")
        return Principal(tenant, subject, frozenset({"agent"}), MAY)

    async def handle(self, call: Call) -> Response:
        self.handled += 1
        return routes.reply({"status": "ok"})

    async def stream(self, call: Call) -> Response:
        async def words() -> AsyncIterator[bytes]:
            self.begun.release()
            yield b"one"
            await self.go_on.wait()

        return StreamingResponse(words())

    async def all_begun(self, count: int) -> None:
        for _ in range(count):
            await self.begun.acquire()

    def rows(self) -> list[Operation]:
        do = self.handle
        return [
            Operation("GET", "/healthz", "Up", PUBLIC, "health", "none", do, Health),
            Operation("GET", "/v3/things", "Read", "platforms:read", "read", "access", do, Health),
            Operation("POST", "/v3/chat", "Ask", "chat:create", "chat", "action", do, Health),
            Operation("POST", "/v3/stream", "Hear", "chat:create", "chat", "action", self.stream, None),
            Operation("POST", "/auth/sso/login", "Sign on", PUBLIC, "admin", "action", do, Health),
            Operation("PUT", "/admin/things", "Change", "budgets:configure", "admin", "action", do, Health),
            Operation("POST", "/v1/chat/completions", "Ask", "chat:create", "chat", "action", do,
                      Health, errors=OPENAI_ERRORS),
            Operation("POST", "/v1/messages", "Ask", "chat:create", "chat", "action", do, Health,
                      errors=ANTHROPIC_ERRORS),
        ]  # fmt: skip

    @asynccontextmanager
    async def client(
        self, key: str = "acme/key:1", at: str = FROM, trail: Trail | None = None
    ) -> AsyncIterator[httpx2.AsyncClient]:
        app = api.application(self.rows(), self.authenticate, MAY, 10_000, trail, self.gate)
        transport = httpx2.ASGITransport(app, client=(at, 1))
        headers = {"authorization": f"Bearer {key}"}
        async with httpx2.AsyncClient(
            transport=transport, base_url="http://supportmax", headers=headers
        ) as client:
            yield client


def per_minute(scope: str, rate_class: str, number: int, burst: int) -> dict[str, Any]:
    return {"requests": {scope: {rate_class: {"per_minute": number, "burst": burst}}}}


async def test_beyond_its_limit_a_tenant_is_refused_and_told_when_to_come_back() -> None:
    world = World(**per_minute("tenant", "read", 6, 4))
    async with world.client() as http, world.client("other/key:2") as other:
        for left in (3, 2, 1, 0):
            good = await http.get("/v3/things")
            assert good.status_code == 200
            assert good.headers["ratelimit"] == f'"tenant-read";r={left};t={(4 - left) * 10}'
            assert good.headers["ratelimit-policy"] == '"tenant-read";q=4;w=40'
        world.clock.advance(0.5)
        refused = await http.get("/v3/things")
        assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
        assert refused.headers["content-type"] == "application/problem+json"
        # Nine and a half seconds, in whole ones, rounded up.
        assert refused.headers["retry-after"] == "10"
        assert refused.headers["ratelimit"] == '"tenant-read";r=0;t=10'
        assert world.handled == 4
        assert (await other.get("/v3/things")).status_code == 200
        world.clock.advance(9.5)
        assert (await http.get("/v3/things")).status_code == 200


async def test_who_asks_too_often_is_on_record_by_their_own_name(tmp_path: Path) -> None:
    """And so is who comes from where their tenant is not served; the limits themselves are nobody's."""
    world = World(
        **per_minute("tenant", "read", 6, 4), tenants={"globex": {"networks": ["198.51.100.0/24"]}}
    )
    audit = AuditWorld(tmp_path)
    async with (
        audit.trail() as trail,
        world.client(trail=trail) as http,
        world.client("globex/key:2", trail=trail) as abroad,
    ):
        said = [(await each.get("/v3/things")).status_code for each in (*[http] * 5, abroad)]
    assert said == [*[200] * 4, 429, 403]
    told = [(row["tenant"], row["subject"], row["reason"]) for row in audit.records()]
    assert ("acme", "key:1", "rate_limited") in told
    assert ("globex", "key:2", "tenant_network") in told


@pytest.mark.parametrize(
    ("scope", "whose", "others"),
    [
        ("user", "acme/ann", ["acme/bob", "acme/key:1"]),
        ("key", "acme/key:1", ["acme/key:2", "acme/ann"]),
    ],
)
async def test_one_user_and_one_key_have_limits_of_their_own(
    scope: str, whose: str, others: list[str]
) -> None:
    world = World(**per_minute(scope, "read", 1, 4))
    async with world.client(whose) as http:
        said = [(await http.get("/v3/things")).status_code for _ in range(5)]
    assert said == [200, 200, 200, 200, 429]
    for other in others:
        async with world.client(other) as http:
            assert (await http.get("/v3/things")).status_code == 200


async def test_each_class_of_routes_has_a_limit_of_its_own() -> None:
    world = World(**per_minute("tenant", "chat", 1, 4))
    async with world.client() as http:
        for _ in range(4):
            assert (await http.post("/v3/chat")).status_code == 200
        assert (await http.post("/v3/chat")).status_code == 429
        assert (await http.get("/v3/things")).status_code == 200
        assert (await http.put("/admin/things")).status_code == 200


async def test_what_is_said_of_one_tenant_holds_for_it_alone() -> None:
    own = per_minute("tenant", "read", 1, 4)
    world = World(tenants={"small": own}, **per_minute("tenant", "read", 1, 8))
    for tenant, most in (("small", 4), ("acme", 8)):
        async with world.client(f"{tenant}/key:1") as http:
            said = [(await http.get("/v3/things")).status_code for _ in range(10)]
            assert said.count(200) == most


async def test_a_stream_counts_as_under_way_until_its_last_byte() -> None:
    world = World(in_flight=4)
    async with world.client() as http, world.client("other/key:2") as other:
        streams = [asyncio.create_task(http.post("/v3/stream")) for _ in range(4)]
        await world.all_begun(4)
        refused = await http.get("/v3/things")
        assert refused.status_code == 429
        assert (
            refused.headers["ratelimit-policy"] == '"tenant-in-flight";q=4;qu="concurrent-requests"'
        )
        assert refused.headers["retry-after"] == "1"
        assert (await other.get("/v3/things")).status_code == 200
        world.go_on.set()
        assert all(done.status_code == 200 for done in await asyncio.gather(*streams))
        assert (await http.get("/v3/things")).status_code == 200


async def test_a_caller_who_hangs_up_is_no_longer_under_way() -> None:
    world = World(in_flight=4)
    async with world.client() as http:
        leaving = [asyncio.create_task(http.post("/v3/stream")) for _ in range(4)]
        await world.all_begun(4)
        assert (await http.get("/v3/things")).status_code == 429
        for one in leaving:
            one.cancel()
        await asyncio.gather(*leaving, return_exceptions=True)
        assert (await http.get("/v3/things")).status_code == 200


async def test_who_guesses_is_held_up_before_anything_is_looked_up() -> None:
    world = World(addresses={"failures": {"per_minute": 60, "burst": 10}})
    async with world.client("good/key:1") as known, world.client("nothing") as http:
        assert (await known.get("/v3/things")).status_code == 200
        said = [(await http.get("/v3/things")).status_code for _ in range(12)]
        assert said == [401] * 10 + [429] * 2
        assert world.looked_up == 11
        # A right key that was never seen is not tried either, and one that was good is.
        async with world.client("acme/key:9") as unknown:
            assert (await unknown.get("/v3/things")).status_code == 429
        assert (await known.get("/v3/things")).status_code == 200
        # Another address is another matter, and so is this one a second later.
        async with world.client("nothing", at="203.0.113.10") as elsewhere:
            assert (await elsewhere.get("/v3/things")).status_code == 401
        world.clock.advance(1.0)
        assert (await http.get("/v3/things")).status_code == 401


async def test_a_key_that_was_good_and_is_no_more_gets_no_further_tries() -> None:
    world = World(addresses={"failures": {"per_minute": 1, "burst": 4}})
    addresses = world.gate._addresses
    addresses.succeeded(b"gone")
    for _ in range(4):
        addresses.failed(None, b"others")
    addresses.may_try(None, b"gone")
    addresses.failed(None, b"gone")
    with pytest.raises(AccessError):
        addresses.may_try(None, b"gone")


async def test_whoever_need_not_say_who_they_are_is_counted_by_address() -> None:
    """An address of IPv6 with all its neighbours, and behind our proxies the one they saw."""
    world = World(addresses={"admin": {"per_minute": 1, "burst": 4}})
    for at in (FROM, "2001:db8::1"):
        async with world.client(at=at) as http:
            said = [(await http.post("/auth/sso/login")).status_code for _ in range(5)]
            assert said == [200] * 4 + [429]
            assert (await http.get("/healthz")).status_code == 200
    async with world.client(at="2001:db8::ffff") as neighbour:
        assert (await neighbour.post("/auth/sso/login")).status_code == 429
    async with world.client(at="10.0.0.1") as proxied:
        for address, status in ((FROM, 429), ("203.0.113.77", 200)):
            headers = {"x-forwarded-for": f"1.2.3.4, {address}"}
            assert (await proxied.post("/auth/sso/login", headers=headers)).status_code == status
    async with world.client() as http:
        said_by_itself = await http.post("/auth/sso/login", headers={"x-forwarded-for": "1.2.3.4"})
        assert said_by_itself.status_code == 429


async def test_an_address_that_is_not_served_gets_403_before_anything_else() -> None:
    world = World(networks=["198.51.100.0/24", "2001:db8::/32"])
    async with world.client() as http:
        for method, path in (
            ("GET", "/v3/things"), ("GET", "/healthz"), ("GET", "/nowhere"), ("POST", "/v1/messages"),
        ):  # fmt: skip
            refused = await http.request(method, path)
            assert refused.status_code == 403
            assert "address" in refused.text
        assert (await http.get("/v3/things")).json()["code"] == "address_not_allowed"
    assert world.looked_up == 0
    for at in ("198.51.100.7", "2001:db8:1::1"):
        async with world.client(at=at) as http:
            assert (await http.get("/v3/things")).status_code == 200


async def test_a_tenant_is_served_at_its_own_addresses_alone() -> None:
    world = World(tenants={"acme": {"networks": ["198.51.100.0/24"]}})
    async with world.client() as http:
        refused = await http.get("/v3/things")
        assert (refused.status_code, refused.json()["code"]) == (403, "address_not_allowed")
    async with world.client("other/key:1") as http:
        assert (await http.get("/v3/things")).status_code == 200
    async with world.client(at="198.51.100.200") as http:
        assert (await http.get("/v3/things")).status_code == 200
    assert world.handled == 2


async def test_the_vendors_own_clients_wait_and_try_again() -> None:
    """They read Retry-After of the 429, and the second try is let in."""
    world = World(**per_minute("tenant", "chat", 600, 4))
    app = api.application(world.rows(), world.authenticate, MAY, 10_000, None, world.gate)
    statuses = list[int]()

    async def seen(response: httpx2.Response) -> None:
        statuses.append(response.status_code)
        if response.status_code == 429:
            assert response.headers["retry-after"] == "1"
            world.clock.advance(1.0)

    hooks = {"response": [seen]}
    transport = httpx2.ASGITransport(app, client=(FROM, 1))
    async with httpx2.AsyncClient(transport=transport, event_hooks=hooks) as http:
        ours = openai.AsyncOpenAI(
            api_key="acme/key:1", base_url="http://supportmax/v1", http_client=http
        )
        theirs = anthropic.AsyncAnthropic(
            api_key="acme/key:1", base_url="http://supportmax", http_client=http
        )
        said = [{"role": "user", "content": "hello"}]
        for _ in range(5):
            await ours.post("/chat/completions", body={"messages": said}, cast_to=object)
        assert statuses == [200, 200, 200, 200, 429, 200]
        statuses.clear()
        world.clock.advance(0.1)
        while 429 not in statuses:
            await theirs.post("/v1/messages", body={"messages": said}, cast_to=object)
        assert statuses[-2:] == [429, 200]
        with pytest.raises(openai.RateLimitError) as refused:
            await until_refused(ours.with_options(max_retries=0), "/chat/completions")
        assert refused.value.code == "rate_limit_exceeded"
        with pytest.raises(anthropic.RateLimitError) as also:
            await until_refused(theirs.with_options(max_retries=0), "/v1/messages")
        assert also.value.body["error"]["type"] == "rate_limit_error"  # type: ignore[index]


async def until_refused(client: openai.AsyncOpenAI | anthropic.AsyncAnthropic, path: str) -> None:
    for _ in range(30):
        await client.post(path, body={"messages": []}, cast_to=object)


async def test_the_description_says_429_and_its_headers_of_every_route() -> None:
    world = World()
    async with world.client() as http:
        document = (await http.get("/openapi.json")).json()
    for path, methods in document["paths"].items():
        for operation in methods.values():
            headers = operation["responses"]["429"]["headers"]
            assert set(headers) == {"RateLimit", "RateLimit-Policy", "Retry-After"}, path
            assert "403" in operation["responses"]
    assert set(document["components"]["headers"]) == {
        "RateLimit",
        "RateLimit-Policy",
        "Retry-After",
    }
