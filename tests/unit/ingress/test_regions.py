"""Who is not at home here is told where; a peer that answers is not down, whatever it answers."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx2
import pytest
from starlette.requests import Request
from starlette.responses import Response
from typing_extensions import override

from deployments.ingress import api
from deployments.ingress.openai_errors import OPENAI_ERRORS
from deployments.ingress.peers import DOWN_AFTER_S, PeerAddress, Peers
from deployments.ingress.regions import FIGURES, AtHome, Home, Homes, Outlook
from deployments.ingress.routes import PROBLEM, Call, Operation, reply
from deployments.ingress.schema import Health
from deployments.security.principal import Principal
from routing.clock import ManualClock

HOMES: Mapping[str, Home] = {
    "northwind": Home("us", failover=False),
    "acme": Home("eu", failover=False),
    "flying": Home("eu", failover=True),
}


@dataclass
class Told(Outlook):
    """Which regions are down."""

    down: set[str] = field(default_factory=set)

    @override
    def is_down(self, region: str) -> bool:
        return region in self.down


async def named(request: Request) -> Principal:
    tenant = request.headers["authorization"].removeprefix("Bearer ")
    return Principal(tenant, "key:1", frozenset(), frozenset({"platforms:read"}))


async def ok(call: Call) -> Response:
    return reply({"status": "ok"})


def row(path: str) -> Operation:
    errors = OPENAI_ERRORS if path.startswith("/v1/") else PROBLEM
    return Operation(
        "GET", path, "A route", "platforms:read", "read", "access", ok, Health, errors=errors
    )


async def asked(tenant: str, path: str, told: Told) -> httpx2.Response:
    table = [row("/v3/anything"), row("/v1/models"), row(FIGURES)]
    at_home = AtHome(named, Homes("us", HOMES, told))
    app = api.application(table, at_home, frozenset({"platforms:read"}), 1_000)
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://supportmax") as http:
        return await http.get(path, headers={"authorization": f"Bearer {tenant}"})


@pytest.mark.parametrize("tenant", ["northwind", "somebody_else"])
async def test_a_tenant_at_home_or_without_a_home_is_served(tenant: str) -> None:
    """Naming homes for some takes nothing from the others."""
    assert (await asked(tenant, "/v3/anything", Told({"us", "eu"}))).status_code == 200


async def test_a_tenant_of_another_region_is_told_which() -> None:
    """421, as RFC 9110 has it: the same request is right elsewhere."""
    answer = await asked("acme", "/v3/anything", Told())
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (421, "misdirected_request")
    assert (problem["region"], problem["status"]) == ("eu", 421)
    assert "eu" in problem["detail"]


async def test_a_vendors_client_is_told_in_its_vendors_shape() -> None:
    """OpenAI's client reads the message and the code."""
    answer = await asked("acme", "/v1/models", Told())
    assert (answer.status_code, answer.json()["error"]["code"]) == (421, "misdirected_request")


async def test_without_failover_a_home_that_is_down_changes_nothing() -> None:
    """Its data may not leave the region, also on a bad day."""
    assert (await asked("acme", "/v3/anything", Told({"eu"}))).status_code == 421


async def test_with_failover_it_is_served_only_while_its_home_is_down() -> None:
    """And by its home again as soon as that answers."""
    told = Told({"eu"})
    assert (await asked("flying", "/v3/anything", told)).status_code == 200
    told.down.clear()
    assert (await asked("flying", "/v3/anything", told)).status_code == 421


async def test_the_regions_own_routes_are_open_to_keys_of_any_home() -> None:
    """A peer that asks for figures asks for no tenant."""
    assert (await asked("acme", FIGURES, Told())).status_code == 200


def test_a_key_is_in_no_print_of_an_address() -> None:
    """It would stand in every log of a failure."""
    assert "smk_secret" not in repr(PeerAddress("http://eu", "smk_secret"))


async def test_a_region_of_which_nothing_was_heard_yet_is_not_down() -> None:
    """Unknown is not down: at a start everybody would be served everywhere."""
    clock = ManualClock(0.0)

    async def hear(_: object) -> None:
        raise AssertionError("nobody answered")

    peers = Peers({}, hear, FIGURES, clock, random.Random(1))  # noqa: S311
    clock.advance(10 * DOWN_AFTER_S)
    assert not peers.is_down("eu")
