"""Small worlds for the drill's tests: a plan over platforms alike but for the first's price, and its questions."""

from collections.abc import Sequence
from decimal import Decimal

from pydantic import TypeAdapter

from deployments.drill.faults import Fault
from deployments.drill.replay import Plan, Result
from deployments.drill.scripted import answer
from deployments.drill.stage import play
from deployments.drill.traffic import Asked, Latency
from routing.catalog import Catalog
from routing.money import Price
from routing.policies import POLICIES
from routing.policy import Strategy
from tests.unit.routing.worlds import CHEAP, platform

DEARER = Price(Decimal("0.26"), Decimal("1.30"))

FAULTS = TypeAdapter(tuple[Fault, ...])
PACE = Latency(0.5, 0.01)


def plan(asked: Sequence[Asked], *platforms: str, streams: bool = False, seed: int = 1) -> Plan:
    """What is asked of these platforms, the first being everybody's choice."""
    return Plan(
        asked=asked,
        catalog=Catalog(
            platform(name, price=CHEAP if name == platforms[0] else DEARER) for name in platforms
        ),
        strategy=Strategy.COST_OPTIMIZED,
        policies=POLICIES,
        fallback_platforms=(),
        max_attempts=3,
        max_tokens=800,
        deadline_s=30.0,
        seed=seed,
        streams=streams,
        expected=lambda number: answer(asked[number].output_tokens),
    )


def every(seconds: float, until: float, *, first: float = 0.0, tokens: int = 100) -> list[Asked]:
    """A question every so many seconds."""
    count = int((until - first) / seconds)
    return [Asked(first + seconds * number, 900, tokens) for number in range(count)]


def played(
    plan: Plan, *faults: dict[str, object], favourite: str = "", pace: Latency = PACE
) -> Sequence[Result]:
    """The results under these faults; every answer takes 1.5 s."""
    latencies = dict.fromkeys(plan.catalog.platforms, (pace,))
    return play(plan, latencies, FAULTS.validate_python(faults), favourite, lambda _: None)
