"""What the coordinator keeps for the adaptive strategy: lessons of feedback, and the pace of spending."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from routing.bandit import Bandit, Belief
from routing.learned import Learned, Terms
from routing.message import Json
from routing.outcome import Outcome
from routing.pacer import Pacer


class Lesson(NamedTuple):
    """An answer's reported quality less the predicted one, and the figures of its question."""

    target: str
    context: tuple[float, ...]
    surplus: float


@dataclass(slots=True)
class Learning:
    """Beliefs, pace, and the terms which the replicas last brought."""

    terms: Terms = field(default_factory=Terms)
    pacer: Pacer = field(default_factory=Pacer)
    bandit: Bandit = field(default_factory=Bandit)
    _beliefs: dict[str, Belief] = field(default_factory=dict)

    def agree(self, terms: Terms) -> None:
        """Go by these terms; a new target of cost begins where the operator's price would be."""
        if terms == self.terms:
            return
        if (
            terms.target_cost_usd is not None
            and terms.target_cost_usd != self.terms.target_cost_usd
        ):
            self.pacer = Pacer(price=terms.quality_per_usd * terms.target_cost_usd)
        self.terms = terms

    def pay(self, outcome: Outcome) -> None:
        """An attempt ended; only what the adaptive strategy chose is paced, and what has a price."""
        target_usd, cost_usd = self.terms.target_cost_usd, outcome.cost_usd
        if outcome.is_paced and target_usd is not None and cost_usd is not None:
            self.pacer.fold(float(cost_usd), target_usd, is_first=outcome.attempt == 0)

    def taught(self, lessons: Sequence[Lesson]) -> Bandit:
        """What will be believed after these lessons; `adopt` it once it is kept."""
        bandit = Bandit.from_json(self.bandit.to_json())
        for lesson in lessons:
            bandit.learn(*lesson)
        return bandit

    def adopt(self, bandit: Bandit) -> None:
        """Believe that from now on."""
        self.bandit, self._beliefs = bandit, bandit.beliefs()

    def publish(self) -> Learned:
        """What decisions go by."""
        terms = self.terms
        price = terms.quality_per_usd
        if terms.target_cost_usd is not None:
            price = self.pacer.price / terms.target_cost_usd
        return Learned(self._beliefs, price, terms.exploration)

    def pace_to_json(self) -> Json:
        """The pace for a checkpoint; the lessons are kept with the feedback they come from."""
        return {"target_cost_usd": self.terms.target_cost_usd, "pacer": self.pacer.to_json()}

    def restore_pace(self, plain: Json) -> None:
        """Go on at the pace that `pace_to_json` described.

        Raises:
            ValueError: it is not of this version.
        """
        match plain:
            case {"target_cost_usd": float() | int() | None as target, "pacer": pacer}:
                self.pacer = Pacer.from_json(pacer)
                self.terms = Terms(target_cost_usd=target)
            case _:
                raise ValueError("not a pace")
