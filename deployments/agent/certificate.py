"""Decision certificates: what a decision was asked and on which state of the world, kept to be replayed.

A certificate holds figures and names, no text of anybody: the question as the decision
saw it, and the hashes of the catalogue (targets and prices) and of the snapshot it was
taken on, which are kept beside it under those hashes. Whoever replays it must arrive at
the same decision, to the last digit.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic_core import to_json

from routing.capability import Capability
from routing.catalog import Catalog
from routing.decision import Decision, decide
from routing.errors import RequestError
from routing.estimate import TaskFacts
from routing.expressible import inexpressible
from routing.message import JsonObject
from routing.money import price_table_hash
from routing.platform_profile import PlatformProfile
from routing.policies import make_policies
from routing.policies.balanced import Weights
from routing.policy import Strategy
from routing.quality import Reading
from routing.question import Question
from routing.reason import Reason
from routing.requirement import Requirements
from routing.scorecard import Snapshot

VERSION: Final = 3
"""Grows when an old certificate would be replayed differently, in its form or in the code behind it."""

_PROFILES = TypeAdapter(tuple[PlatformProfile, ...])
_SNAPSHOT = TypeAdapter(Snapshot)
_HASH_BYTES = 16


@dataclass(frozen=True, slots=True)
class World:
    """The state of the world in bytes, each part under its hash."""

    catalog: bytes
    snapshot: bytes
    prices: str
    names: Mapping[str, str] = field(init=False)
    """What an answer says of it: the hashes."""

    def __post_init__(self) -> None:
        # Worked out once: every decision of a quarter of a second has the same.
        names = {
            "catalog": name_of(self.catalog),
            "snapshot": name_of(self.snapshot),
            "prices": self.prices,
        }
        object.__setattr__(self, "names", names)

    @classmethod
    def of(cls, catalog: Catalog, snapshot: Snapshot) -> "World":
        """What decisions of this moment rest on."""
        prices = {profile.target: profile.price for profile in catalog.profiles}
        return cls(
            to_json(_in_order(_PROFILES.dump_python(catalog.profiles))),
            _snapshot_bytes(snapshot),
            price_table_hash(prices),
        )

    def at(self, snapshot: Snapshot) -> "World":
        """The same catalogue with another snapshot; to write the catalogue anew takes longer."""
        return replace(self, snapshot=_snapshot_bytes(snapshot))

    @property
    def parts(self) -> Mapping[str, bytes]:
        """Both parts by their hashes."""
        return {self.names["catalog"]: self.catalog, self.names["snapshot"]: self.snapshot}


def _snapshot_bytes(snapshot: Snapshot) -> bytes:
    # What is the reader's own is in the certificate: it changes with every request.
    return _SNAPSHOT.dump_json(replace(snapshot, own={}))


def _in_order(value: object) -> object:
    """The same with its sets in order: every process iterates over a set of words in another one."""
    match value:
        case dict():
            return {key: _in_order(one) for key, one in value.items()}
        case list() | tuple():
            return [_in_order(one) for one in value]
        case set() | frozenset():
            return sorted(value)
        case _:
            return value


def name_of(part: bytes) -> str:
    """The name under which a part of the world is kept: its hash."""
    return hashlib.blake2b(part, digest_size=_HASH_BYTES).hexdigest()


class _Facts(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    input_bytes: int
    messages: int
    max_tokens: int
    needs: frozenset[Capability]
    expected_output_tokens: int
    image_count: int
    reading: Reading | None = None


class _Question(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    requirements: Requirements
    facts: _Facts
    strategy: Strategy
    now: float
    seed: int
    platform: str | None
    model: str | None
    fallback_platforms: tuple[str, ...]
    deadline_s: float
    max_attempts: int
    inexpressible: dict[str, tuple[Reason, ...]]
    before_ms: float = 0.0
    after_ms: float = 0.0


class Certificate(BaseModel):
    """A decision's certificate as it is kept and shown."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    version: Literal[3] = VERSION
    catalog: str
    snapshot: str
    prices: str
    weights: tuple[float, float, float]
    own_in_flight: dict[str, int] = {}
    question: _Question


def certify(
    decision: Decision,
    world: World,
    weights: Weights,
    own_in_flight: Mapping[str, int] = MappingProxyType({}),
) -> Certificate:
    """The certificate of a decision that was taken on `world` and the snapshot's `own` beside it."""
    facts = decision.question.facts
    found: dict[str, tuple[Reason, ...]] = {}
    if not facts.is_plain:
        found = {c.target: tuple(inexpressible(c.profile, facts)) for c in decision.candidates}
    question = decision.question.without_content(found)
    facts = question.facts
    return Certificate(
        **world.names,
        weights=(weights.cost, weights.latency, weights.quality),
        own_in_flight=dict(own_in_flight),
        question=_Question(
            requirements=question.requirements,
            facts=_Facts(
                input_bytes=facts.input_bytes,
                messages=facts.messages,
                max_tokens=facts.max_tokens,
                needs=facts.needs,
                expected_output_tokens=facts.expected_output_tokens,
                image_count=facts.image_count,
                reading=facts.reading,
            ),
            strategy=question.strategy,
            now=question.now,
            seed=question.seed,
            platform=question.platform,
            model=question.model,
            fallback_platforms=question.fallback_platforms,
            deadline_s=question.deadline_s,
            max_attempts=question.max_attempts,
            inexpressible=dict(question.inexpressible),
            before_ms=question.before_ms,
            after_ms=question.after_ms,
        ),
    )


def read_certificate(plain: JsonObject) -> Certificate:
    """The certificate in a kept decision.

    Raises:
        RequestError: `certificate_unreadable`: it is another version's, or no certificate.
    """
    try:
        return Certificate.model_validate(plain)
    except ValidationError as error:
        version = plain.get("version")
        said = f"version {version}" if version != VERSION else str(error.errors()[0]["msg"])
        message = f"this version reads certificates of version {VERSION}; this one is {said}"
        raise RequestError("certificate_unreadable", message) from None


def replay(certificate: Certificate, parts: Mapping[str, bytes], decision_id: str) -> Decision:
    """The decision again, from the question and the world it was taken on.

    Raises:
        RequestError: `world_unknown`: a part of that world is not kept any more, or its
            bytes are not those that were hashed.
    """
    catalog, snapshot = (_part(parts, name) for name in (certificate.catalog, certificate.snapshot))
    asked = certificate.question
    facts = TaskFacts(
        input_bytes=asked.facts.input_bytes,
        messages=asked.facts.messages,
        max_tokens=asked.facts.max_tokens,
        needs=asked.facts.needs,
        expected_output_tokens=asked.facts.expected_output_tokens,
        image_count=asked.facts.image_count,
        reading=asked.facts.reading,
    )
    question = Question(
        asked.requirements,
        facts,
        asked.strategy,
        asked.now,
        asked.seed,
        asked.platform,
        asked.model,
        asked.fallback_platforms,
        asked.deadline_s,
        asked.max_attempts,
        asked.inexpressible,
        asked.before_ms,
        asked.after_ms,
    )
    return decide(
        _PROFILES.validate_json(catalog),
        replace(_SNAPSHOT.validate_json(snapshot), own=certificate.own_in_flight),
        question,
        decision_id=decision_id,
        policies=make_policies(Weights(*certificate.weights)),
    )


def _part(parts: Mapping[str, bytes], name: str) -> bytes:
    part = parts.get(name)
    if part is None:
        raise RequestError("world_unknown", f"the state of the world {name} is not kept any more")
    if name_of(part) != name:
        raise RequestError("world_unknown", f"the state of the world {name} was changed")
    return part
