"""POST /v3/decisions/{id}/feedback over a real store: what is kept, what it teaches, who may."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.requests import Request

from actors.database.decisions import Decisions, NewDecision
from actors.database.engine import Database, open_database
from actors.database.feedback import Feedback
from actors.database.ledger import Ledger
from deployments.agent.certificate import World, certify
from deployments.boot import Boot
from deployments.ingress import api
from deployments.ingress.evidence import Evidence
from deployments.logged import read_logged
from deployments.security.principal import Principal
from routing.catalog import Catalog
from routing.clock import ManualClock
from routing.policies.balanced import Weights
from routing.policy import Strategy
from routing.quality import CONTEXT, ArmReading, Reading
from tests.unit.routing.worlds import FACTS, asked, outcome, platform, seen

READING = Reading((ArmReading("m", 0.8, 0.7),), (1.0, *[0.5] * (CONTEXT - 1)))
MAY = frozenset({"decisions:rate"})


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Door:
    database: Database
    http: httpx2.AsyncClient
    feedback: Feedback

    async def say(
        self, quality: object, tenant: str = "acme", of: str = "dec_1"
    ) -> httpx2.Response:
        path = f"/v3/decisions/{of}/feedback"
        return await self.http.post(path, json={"quality": quality}, headers={"x-api-key": tenant})


async def authenticate(request: Request) -> Principal:
    """The key is the tenant, and after a dot what it may do."""
    tenant, _, permission = request.headers["x-api-key"].partition(".")
    return Principal(tenant, "a test", permissions=frozenset({permission} if permission else MAY))


async def keep(database: Database, strategy: Strategy, *, answered: bool = True) -> None:
    """A decision with its certificate, and the answer it led to, as the road keeps them."""
    profiles = (platform("openai", quality=0.8),)
    facts = replace(FACTS, reading=READING if strategy is Strategy.ADAPTIVE else None)
    snapshot = seen()
    decision = asked(profiles, snapshot, facts=facts, strategy=strategy)
    world = World.of(Catalog(profiles), snapshot)
    certificate = certify(decision, world, Weights()).model_dump(mode="json")
    body = {**decision.to_json(), "certificate": certificate}
    await Decisions(database).put([NewDecision("acme", "dec_1", "ans_1", 1.0, body)])
    if answered:
        booked = replace(outcome(at=2.0), cost_usd=Decimal("0.002"))
        await Ledger(database).append("r", 1, [booked])


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    database = open_database(tmp_path / "supportmax.sqlite")
    await database.migrate()
    feedback = Feedback(database)
    evidence = Evidence(Decisions(database), Ledger(database), feedback, ManualClock())
    nobody: Any = _Nobody()
    table = api.operations(**{**dict.fromkeys(_PARTS, nobody), "evidence": evidence})
    mine = [op for op in table if op.path.endswith("/feedback")]
    app = api.application(mine, authenticate, MAY, 1_000)
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as http:
        yield Door(database, http, feedback)
    await database.aclose()


class _Nobody:
    """Something with every handler's name."""

    def __getattr__(self, name: str) -> object:
        return self


_PARTS = [name for name in api.operations.__annotations__ if name != "return"]


async def test_a_word_about_an_answer_is_kept_with_its_lesson(door: Door) -> None:
    """The lesson is what was reported less what was predicted, with the question's figures."""
    await keep(door.database, Strategy.ADAPTIVE)
    answer = await door.say(0.4)
    assert answer.status_code == 200
    assert answer.json() == {
        "decision_id": "dec_1",
        "target": "openai/openai-model",
        "quality": 0.4,
        "teaches": True,
    }
    (row,) = await door.feedback.untaught(10)
    assert row.context == READING.context
    # 0.8 by the operator, lifted by the -0.1 of the only model that was learned.
    assert row.surplus == pytest.approx(0.4 - 0.7)


async def test_the_same_word_twice_is_kept_once_and_another_one_is_a_conflict(door: Door) -> None:
    await keep(door.database, Strategy.ADAPTIVE)
    assert (await door.say(1)).status_code == 200
    assert (await door.say(1.0)).status_code == 200
    refused = await door.say(0.5)
    assert (refused.status_code, refused.json()["code"]) == (409, "feedback_given")
    assert [row.quality for row in await door.feedback.untaught(10)] == [1.0]


async def test_another_tenants_decision_is_as_unknown_as_none(door: Door) -> None:
    await keep(door.database, Strategy.ADAPTIVE)
    assert (await door.say(0.5, tenant="other")).status_code == 404
    assert (await door.say(0.5, of="dec_2")).status_code == 404
    assert await door.feedback.untaught(10) == []


async def test_a_decision_of_another_strategy_is_judged_but_teaches_nothing(door: Door) -> None:
    """Nobody read its question."""
    await keep(door.database, Strategy.COST_OPTIMIZED)
    assert (await door.say(0.5)).json()["teaches"] is False
    assert await door.feedback.untaught(10) == []


async def test_an_answer_that_is_not_there_cannot_be_judged(door: Door) -> None:
    await keep(door.database, Strategy.ADAPTIVE, answered=False)
    refused = await door.say(0.5)
    assert (refused.status_code, refused.json()["code"]) == (409, "not_answered")


@pytest.mark.parametrize("quality", [-0.1, 1.1, "good", None, True])
async def test_a_quality_is_a_number_from_0_to_1(door: Door, quality: object) -> None:
    await keep(door.database, Strategy.ADAPTIVE)
    assert (await door.say(quality)).status_code == 422


async def test_whoever_may_only_read_may_not_rate(door: Door) -> None:
    await keep(door.database, Strategy.ADAPTIVE)
    assert (await door.say(0.5, tenant="acme.decisions:read")).status_code == 403


async def test_the_ledger_is_evaluated_with_the_logged_propensity(
    door: Door, tmp_path: Path
) -> None:
    await keep(door.database, Strategy.ADAPTIVE)
    await door.say(0.4)
    (row,) = await read_logged(Boot(tmp_path, "development"), "acme")
    assert (row.target, row.reward, row.cost_usd) == ("openai/openai-model", 0.4, 0.002)
    assert row.propensity == 1.0
    assert await read_logged(Boot(tmp_path, "development"), "other") == []
