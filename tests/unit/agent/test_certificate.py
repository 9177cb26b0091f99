"""A decision's certificate is enough to take it again, to the last digit, and says when it is not."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given, settings

from config.quality import read_quality
from deployments.agent.certificate import World, certify, name_of, read_certificate, replay
from routing.bandit import Bandit
from routing.capability import Capability
from routing.catalog import Catalog
from routing.decision import Decision
from routing.errors import NoPlatformAvailable, RequestError
from routing.estimate import TaskFacts
from routing.learned import Learned
from routing.message import Image, ToolSpec
from routing.policies.balanced import Weights
from routing.policy import Strategy
from routing.quality import CONTEXT
from routing.requirement import Requirements
from routing.scorecard import Scorecard
from tests.property.test_decision import Deciding, questions
from tests.unit.routing.worlds import CHEAP, DEAR, asked, platform, seen

CATALOG = Catalog([platform("openai", price=DEAR), platform("anthropic", price=CHEAP)])
SNAPSHOT = seen(Scorecard("openai", 500.0, 1_200.0, in_flight=3, mean_output_tokens=90.5))
WORLD = World.of(CATALOG, SNAPSHOT)
PROSE = TaskFacts(input_bytes=900, messages=2, max_tokens=800)


def again(decision: Decision, world: World = WORLD) -> Decision:
    """Through the text in which both are kept."""
    plain = json.loads(json.dumps(certify(decision, world, Weights()).model_dump(mode="json")))
    return replay(read_certificate(plain), world.parts, decision.id)


def shown(decision: Decision) -> object:
    return json.loads(json.dumps(decision.to_json()))


@settings(max_examples=100, deadline=None)
@given(questions())
def test_any_decision_comes_out_the_same_again(deciding: Deciding) -> None:
    """Whatever was asked, on whatever scoreboard, by whatever strategy."""
    try:
        decision = deciding()
    except (RequestError, NoPlatformAvailable):
        return
    kept = World.of(Catalog(deciding.profiles), deciding.snapshot)
    assert shown(again(decision, kept)) == shown(decision)


def test_tools_and_images_are_not_kept_and_yet_weighed_the_same() -> None:
    """What a platform could not express is kept in their place; their number counts for the bound."""
    tools = tuple(ToolSpec(f"secret_{n}", "", {"type": "object"}) for n in range(200))
    images = (Image("image/png", data="aGk="),) * 2
    facts = replace(
        PROSE,
        tools=tools,
        images=images,
        needs=frozenset({Capability.FUNCTION_CALLING, Capability.VISION}),
    )
    limits = [replace(p.limits, tools=128) for p in CATALOG.profiles]
    catalog = Catalog([replace(CATALOG.profiles[0], limits=limits[0]), CATALOG.profiles[1]])
    world = World.of(catalog, SNAPSHOT)
    decision = asked(catalog.profiles, SNAPSHOT, Requirements(), facts)
    assert shown(again(decision, world)) == shown(decision)
    kept = certify(decision, world, Weights()).model_dump_json()
    assert "too_many_tools" in kept
    assert "secret_" not in kept


def test_an_adaptive_decision_comes_out_the_same_without_its_text() -> None:
    """What was read is kept in figures, what was believed with the snapshot."""
    context = (1.0, *[0.25] * (CONTEXT - 1))
    bandit = Bandit()
    for target, surplus in (("openai/openai-model", 0.1), ("anthropic/anthropic-model", 0.2)):
        bandit.learn(target, context, surplus)
    snapshot = replace(SNAPSHOT, learned=Learned(bandit.beliefs(), 1 / 3, 0.5))
    facts = replace(PROSE, reading=read_quality().read("A secret question about a refund"))
    world = World.of(CATALOG, snapshot)
    propensities = set()
    for seed in range(20):
        decision = asked(
            CATALOG.profiles, snapshot, facts=facts, strategy=Strategy.ADAPTIVE, seed=seed
        )
        assert shown(again(decision, world)) == shown(decision)
        propensities.add(decision.propensity)
        assert "secret" not in certify(decision, world, Weights()).model_dump_json()
    assert len(propensities) == 2


def test_a_certificate_of_another_version_is_refused_by_its_version() -> None:
    """Not replayed wrongly, and not with a stack trace."""
    plain = certify(asked(CATALOG.profiles, SNAPSHOT), WORLD, Weights()).model_dump(mode="json")
    with pytest.raises(RequestError, match="version 2"):
        read_certificate({**plain, "version": 2})
    with pytest.raises(RequestError):
        read_certificate({**plain, "unknown": 1})
    with pytest.raises(RequestError):
        read_certificate({})


def test_a_world_that_is_gone_or_was_changed_is_said_so() -> None:
    """A hash that does not fit proves nothing."""
    certificate = certify(asked(CATALOG.profiles, SNAPSHOT), WORLD, Weights())
    with pytest.raises(RequestError, match="not kept"):
        replay(certificate, {}, "dec_1")
    forged = {**WORLD.parts, certificate.snapshot: WORLD.snapshot.replace(b"0.5", b"0.6") + b" "}
    with pytest.raises(RequestError, match="was changed"):
        replay(certificate, forged, "dec_1")


def test_a_replicas_own_requests_are_in_the_certificate_and_not_in_the_world() -> None:
    """They turn the decision, and change with every request: the world must not, or each kept one."""
    idle = seen(
        Scorecard("openai", 500.0, 500.0, latency_p99_ms=500.0),
        Scorecard("anthropic", 900.0, 900.0, latency_p99_ms=900.0),
    )
    busy = replace(idle, own={CATALOG.profiles[0].target: 100})
    before = asked(CATALOG.profiles, idle, strategy=Strategy.LATENCY)
    decision = asked(CATALOG.profiles, busy, strategy=Strategy.LATENCY)
    assert (before.chosen, decision.chosen) == ("openai", "anthropic")
    world = World.of(CATALOG, busy)
    assert world.names == World.of(CATALOG, idle).names
    certificate = certify(decision, world, Weights(), busy.own)
    plain = json.loads(json.dumps(certificate.model_dump(mode="json")))
    assert shown(replay(read_certificate(plain), world.parts, decision.id)) == shown(decision)


def test_names_follow_the_content() -> None:
    """The same world has the same names in every process; another price another name."""
    assert World.of(Catalog(CATALOG.profiles), SNAPSHOT).names == WORLD.names
    dearer = Catalog([replace(p, price=DEAR) for p in CATALOG.profiles])
    other = World.of(dearer, SNAPSHOT)
    assert other.names["prices"] != WORLD.names["prices"]
    assert other.names["snapshot"] == WORLD.names["snapshot"] == name_of(WORLD.snapshot)
    busier = seen(Scorecard("openai", in_flight=4))
    assert WORLD.at(busier) == World.of(CATALOG, busier) != WORLD


def test_the_same_catalogue_has_the_same_name_in_every_process() -> None:
    """Python orders a set of words anew in each; the name must not."""
    code = """
from deployments.agent.certificate import World
from routing.catalog import Catalog
from routing.scorecard import Snapshot
from tests.unit.routing.worlds import platform
catalog = Catalog([platform("openai", regions=frozenset({"us", "eu", "asia"}))])
print(World.of(catalog, Snapshot.empty("us")).names)
"""
    names = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.getcwd()},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(names) == 1


def test_an_operators_weights_are_part_of_the_certificate() -> None:
    """A balanced decision is replayed with the weights it was taken with."""
    decision = asked(CATALOG.profiles, SNAPSHOT, strategy=Strategy.BALANCED)
    assert certify(decision, WORLD, Weights(1, 2, 3)).weights == (1, 2, 3)
