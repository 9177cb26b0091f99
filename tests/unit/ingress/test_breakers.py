"""An administrator's word about a breaker, through HTTP: who may, what is refused, and what decides."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, cast

import httpx2
import pytest
from starlette.requests import Request

from actors.coordinator.errors import CoordinatorUnavailable
from actors.coordinator.state import CoordinatorState
from deployments.ingress import api
from deployments.ingress.breakers import Breakers
from deployments.ingress.region_operations import region_operations
from deployments.ingress.regions import Regions
from deployments.security.principal import Principal
from deployments.security.rbac import load_roles
from routing.catalog import Catalog
from routing.clock import ManualClock
from routing.errors import NoPlatformAvailable
from routing.override import MAX_OVERRIDE_S, Override
from routing.policy import Strategy
from tests.unit.routing.worlds import NOW, asked, platform

PATH = "/admin/platforms/breaker"
CATALOG = Catalog([platform("openai"), platform("anthropic")])
ROLES = load_roles()


class Board:
    """The coordinator's own state; `is_away` as if its process had died."""

    def __init__(self, clock: ManualClock) -> None:
        self.state = CoordinatorState("us")
        self.clock = clock
        self.is_away = False

    async def override(self, name: str, override: Override | None) -> Mapping[str, Override]:
        if self.is_away:
            raise CoordinatorUnavailable("The coordinator does not answer; ask again.")
        self.state.override(name, override)
        return await self.overrides()

    async def overrides(self) -> Mapping[str, Override]:
        return self.state.overrides(self.clock.now())

    def chosen(self) -> str:
        """Whom a decision takes now; openai where nothing is held."""
        self.clock.advance(1.0)
        board = self.state.snapshot(self.clock.now())
        return asked(
            CATALOG.profiles, board, strategy=Strategy.CAPABILITY, now=self.clock.now()
        ).chosen


async def authenticate(request: Request) -> Principal:
    role = request.headers["authorization"].removeprefix("Bearer ")
    tenant = request.headers.get("tenant", "acme")
    return Principal(tenant, f"key:{role}", frozenset({role}), ROLES.grants[role])


@pytest.fixture
def board() -> Board:
    return Board(ManualClock(NOW))


@pytest.fixture
async def http(board: Board) -> AsyncIterator[httpx2.AsyncClient]:
    nobody: Any = cast("Any", None)
    table = region_operations(
        Breakers(board, CATALOG, frozenset({"acme"}), board.clock), Regions(nobody)
    )
    app = api.application(table, authenticate, ROLES.permissions, max_body_bytes=10_000)
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    headers = {"authorization": "Bearer admin"}
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://supportmax", headers=headers
    ) as client:
        yield client


def said(state: str = "open", target: str = "openai", **more: object) -> dict[str, object]:
    return {"target": target, "state": state, "reason": "the vendor asked for it", **more}


async def test_a_platform_held_open_is_not_chosen_and_given_back_it_is(
    http: httpx2.AsyncClient, board: Board
) -> None:
    """From the body of a request to the decision of another."""
    assert board.chosen() == "openai"
    answer = await http.post(PATH, json=said(for_s=3600))
    assert answer.status_code == 200
    assert answer.json() == {
        "overrides": [
            {
                "target": "openai",
                "state": "open",
                "until": "2026-01-01T01:00:01.000Z",
                "reason": "the vendor asked for it",
                "by": "key:admin",
            }
        ]
    }
    assert board.chosen() == "anthropic"
    assert (await http.get(PATH)).json() == answer.json()
    assert (await http.post(PATH, json=said("auto"))).json() == {"overrides": []}
    assert board.chosen() == "openai"


async def test_one_model_can_be_held_and_nothing_is_held_for_ever(
    http: httpx2.AsyncClient, board: Board
) -> None:
    """An hour, where nobody says how long."""
    await http.post(PATH, json=said(target=CATALOG.profiles[0].target))
    assert board.chosen() == "anthropic"
    board.clock.advance(3600.0)
    assert board.chosen() == "openai"
    assert (await http.get(PATH)).json() == {"overrides": []}


async def test_with_everything_held_open_nobody_is_asked_past_a_persons_word(
    http: httpx2.AsyncClient, board: Board
) -> None:
    """A breaker's guess is gone past when there is no other way; an administrator's word is none."""
    for name in CATALOG.platforms:
        await http.post(PATH, json=said(target=name))
    with pytest.raises(NoPlatformAvailable):
        board.chosen()


@pytest.mark.parametrize("role", sorted(set(ROLES.grants) - {"admin"}))
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_only_an_administrator_may(
    http: httpx2.AsyncClient, board: Board, role: str, method: str
) -> None:
    """Closing every platform is a way to stop the service."""
    headers = {"authorization": f"Bearer {role}"}
    answer = await http.request(method, PATH, json=said(), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert board.chosen() == "openai"


async def test_a_target_that_is_not_there_is_refused_with_those_that_are(
    http: httpx2.AsyncClient,
) -> None:
    """A misspelt name must not look like a platform that is held."""
    answer = await http.post(PATH, json=said(target="opnai"))
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "target_unknown")
    [error] = problem["errors"]
    assert error["pointer"] == "/target"
    for name in ("openai", "anthropic", "openai/openai-model"):
        assert name in error["message"]


@pytest.mark.parametrize(
    "body",
    [
        said(for_s=MAX_OVERRIDE_S + 1),
        said(for_s=0),
        said(for_s="3600"),
        said("half_open"),
        said("auto", for_s=60),
        said(reason=""),
        said(reason="x" * 501),
        {"target": "openai", "state": "open"},
        said(until=1),
    ],
)
async def test_what_cannot_be_meant_changes_nothing(
    http: httpx2.AsyncClient, board: Board, body: dict[str, object]
) -> None:
    """A week at most, a reason always, and `auto` has no end."""
    answer = await http.post(PATH, json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert board.chosen() == "openai"


async def test_with_the_coordinator_away_it_is_said_so_and_not_pretended(
    http: httpx2.AsyncClient, board: Board
) -> None:
    """An administrator must know whether it holds."""
    board.is_away = True
    answer = await http.post(PATH, json=said())
    assert (answer.status_code, answer.json()["code"]) == (503, "coordinator_unavailable")
    assert "retry-after" in answer.headers


async def test_another_tenants_administrator_holds_and_sees_nothing(
    http: httpx2.AsyncClient, board: Board
) -> None:
    """A breaker stops every tenant's requests: it is the operator's."""
    elsewhere = {"tenant": "globex"}
    assert (await http.post(PATH, json=said(), headers=elsewhere)).status_code == 403
    assert (await http.get(PATH, headers=elsewhere)).status_code == 403
    assert board.chosen() == "openai"
    assert not await board.overrides()
