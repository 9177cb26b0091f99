"""Certificates kept in a file come out the same from today's code, or VERSION has to grow.

`python -m tests.unit.agent.test_golden_certificate` writes the file of the version that is now.
"""

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType

import pytest

from deployments.agent.certificate import VERSION, World, certify, read_certificate, replay
from routing.bandit import Bandit
from routing.breaker import Ailment, BreakerPhase
from routing.capability import Capability
from routing.catalog import Catalog
from routing.decision import Decision, decide
from routing.estimate import TaskFacts
from routing.learned import Learned
from routing.message import Json
from routing.peak import Peak
from routing.policies import make_policies
from routing.policies.balanced import Weights
from routing.policy import Strategy
from routing.quality import CONTEXT, ArmReading, Reading
from routing.question import Question
from routing.requirement import Requirements
from routing.scorecard import Scorecard, Snapshot
from tests.unit.routing.worlds import CHEAP, DEAR, NOW, platform

KEPT = Path(__file__).parent / "golden" / f"certificates_v{VERSION}.json"
WHAT_TO_DO = (
    "A certificate that somebody keeps would be replayed differently. If that is meant, raise VERSION "
    "in deployments/agent/certificate.py by one, write the file of the new version with "
    "`python -m tests.unit.agent.test_golden_certificate`, and delete the old one; never write the "
    "file of a version anew."
)
WEIGHTS = Weights(0.5, 0.3, 0.2)
FACTS = TaskFacts(
    input_bytes=900, messages=2, max_tokens=800, needs=frozenset({Capability.STREAMING})
)

READING = Reading(
    (ArmReading("small", 0.55, 0.6), ArmReading("openai-model", 0.7, 0.65)),
    (1.0, *[0.125] * (CONTEXT - 1)),
)


def known(target: str, p50_ms: float) -> Scorecard:
    """A target of which everything is known that a decision looks at."""
    return Scorecard(
        target,
        latency_p50_ms=p50_ms,
        latency_p95_ms=3 * p50_ms,
        latency_p99_ms=5 * p50_ms,
        first_byte_p95_ms=(p50_ms / 2,) * 3,
        first_byte_p99_ms=(p50_ms,) * 3,
        whole_p99_ms=(5 * p50_ms,) * 3,
        gap_p99_ms=p50_ms / 5,
        bounds_ms=((p50_ms, 2 * p50_ms, 3 * p50_ms, 4 * p50_ms, 6 * p50_ms),) * 3,
        success_rate=0.97,
        attempts=60,
        mean_output_tokens=211.5,
        peaks=(Peak(2 * p50_ms, NOW - 3),) * 3,
        recent_ms=p50_ms,
        knee=20.0,
    )


def board(*cards: Scorecard) -> Snapshot:
    """The scoreboard of these, and beliefs about two of them."""
    bandit = Bandit()
    context = (1.0, *[0.25] * (CONTEXT - 1))
    for target, surplus in (("openai/openai-model", -0.1), ("anthropic/anthropic-model", 0.1)):
        bandit.learn(target, context, surplus)
    learned = Learned(bandit.beliefs(), 0.75, 0.25)
    return Snapshot(7, "us", NOW, {card.target: card for card in cards}, learned=learned)


CATALOG = Catalog(
    [
        platform("openai", price=CHEAP, quality=0.7),
        platform("anthropic", price=DEAR, quality=0.9),
        platform("azure_openai", price=DEAR, quality=0.8),
        platform("google_vertex", price=None, quality=0.6),
    ]
)
OPENAI = known("openai/openai-model", 800.0)
ANTHROPIC = known("anthropic/anthropic-model", 1_000.0)
AZURE = known("azure_openai/azure_openai-model", 900.0)
VERTEX = known("google_vertex/google_vertex-model", 700.0)
WELL = board(replace(OPENAI, in_flight=3), replace(ANTHROPIC, in_flight=7), AZURE)
ILL = board(
    replace(OPENAI, in_flight=30),
    replace(ANTHROPIC, recent_ms=4_000.0, slow_times=4.0, slow_until=NOW + 20),
    replace(AZURE, in_flight=2),
    replace(VERTEX, breaker=BreakerPhase.OPEN, ailment=Ailment.HEALTH, breaker_until=NOW + 9),
)


def cases() -> dict[str, tuple[Snapshot, Question]]:
    """What was asked, by name: every strategy on a good day and on a bad one, and every limit."""
    found = {}
    for strategy in Strategy:
        facts = replace(FACTS, reading=READING) if strategy is Strategy.ADAPTIVE else FACTS
        for day, snapshot in (("well", WELL), ("ill", ILL)):
            for seed in (1, 2):
                question = Question(Requirements(), facts, strategy, NOW, seed)
                found[f"{strategy.value}, {day}, {seed}"] = (snapshot, question)
    limits = Requirements(
        max_cost_usd=Decimal("0.02"),
        max_latency_ms=9_000,
        capabilities=frozenset({Capability.VISION}),
        regions=frozenset({"us"}),
        min_quality=0.65,
    )
    limited = Question(limits, FACTS, Strategy.BALANCED, NOW, 3, before_ms=20.0, after_ms=5.0)
    found["limits"] = (WELL, limited)
    wish = Question(Requirements(), FACTS, Strategy.LATENCY, NOW, 4, "anthropic", None, ("openai",))
    found["wish"] = (replace(ILL, own={"openai/openai-model": 2}), wish)
    return found


def taken(snapshot: Snapshot, question: Question) -> Decision:
    policies = make_policies(WEIGHTS)
    return decide(CATALOG.profiles, snapshot, question, decision_id="dec_1", policies=policies)


def shown(decision: Decision) -> Json:
    plain: Json = json.loads(json.dumps(decision.to_json()))
    return plain


def written() -> str:
    """The file: for each case what was shown and its certificate, and the worlds beside them."""
    worlds: dict[str, str] = {}
    rows: dict[str, Json] = {}
    for name, (snapshot, question) in cases().items():
        decision, world = taken(snapshot, question), World.of(CATALOG, snapshot)
        certificate = certify(decision, world, WEIGHTS, snapshot.own)
        worlds |= {part: text.decode() for part, text in world.parts.items()}
        rows[name] = {
            "certificate": certificate.model_dump(mode="json"),
            "decision": shown(decision),
        }
    return json.dumps({"worlds": worlds, "cases": rows}, indent=1, sort_keys=True) + "\n"


def test_the_version_has_its_file() -> None:
    """One that has none was raised and left half-done."""
    assert [path.name for path in KEPT.parent.iterdir()] == [KEPT.name], WHAT_TO_DO


@pytest.mark.parametrize("name", sorted(cases()))
def test_a_kept_certificate_comes_out_the_same_to_the_last_digit(name: str) -> None:
    """By the bytes of the world and the question, whatever became of the code behind them."""
    kept = json.loads(KEPT.read_text())
    parts = MappingProxyType({part: text.encode() for part, text in kept["worlds"].items()})
    row = kept["cases"][name]
    again = replay(read_certificate(row["certificate"]), parts, "dec_1")
    assert shown(again) == row["decision"], WHAT_TO_DO


@pytest.mark.parametrize("name", sorted(cases()))
def test_the_same_question_has_the_same_certificate_as_ever(name: str) -> None:
    """A form that grew would be kept under a version that others read differently."""
    snapshot, question = cases()[name]
    made = certify(taken(snapshot, question), World.of(CATALOG, snapshot), WEIGHTS, snapshot.own)
    kept = json.loads(KEPT.read_text())["cases"][name]["certificate"]
    assert json.loads(made.model_dump_json()) == kept, WHAT_TO_DO


if __name__ == "__main__":
    if KEPT.exists():
        raise SystemExit(f"{KEPT.name} is there already. {WHAT_TO_DO}")
    KEPT.parent.mkdir(exist_ok=True)
    KEPT.write_text(written())
