"""When a permission that a role has is withheld all the same: by whom, from where, how long after signing on.

A constraint only ever takes away. What is not known of a caller counts against them: a caller
without an address is in no network, and one nobody says when they signed on did so too long ago.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from deployments.security.addresses import Address, Network
from deployments.security.claims import LEEWAY_S
from deployments.security.client_address import within

Withheld: TypeAlias = Literal["not_a_person", "network", "sign_on_too_old", "sign_on_unknown"]
"""Why, in a word that stands in the audit log."""

WORDS: Mapping[Withheld, str] = {
    "not_a_person": "it is for people who have signed on, not for keys or programs",
    "network": "it is not for this network",
    "sign_on_too_old": "sign on again first",
    "sign_on_unknown": "your identity provider does not say when you signed on (auth_time)",
}
"""The same for the caller."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a caller. `signed_on_at` is when what they show was made, in seconds since the epoch."""

    now: float
    is_person: bool
    address: Address | None
    signed_on_at: float | None


@dataclass(frozen=True, slots=True)
class Constraint:
    """What holds for some permissions; None is no condition. All that is written must hold."""

    permissions: frozenset[str]
    people_only: bool = False
    networks: tuple[Network, ...] | None = None
    signed_on_within_s: float | None = None

    def broken_by(self, facts: Facts) -> Withheld | None:
        """Which condition does not hold, in the order in which a caller can do least about it."""
        if self.people_only and not facts.is_person:
            return "not_a_person"
        if self.networks is not None and (
            facts.address is None or not within(facts.address, self.networks)
        ):
            return "network"
        if self.signed_on_within_s is not None and not self._is_recent(facts):
            is_unknown = facts.is_person and facts.signed_on_at is None
            return "sign_on_unknown" if is_unknown else "sign_on_too_old"
        return None

    def _is_recent(self, facts: Facts) -> bool:
        limit_s, at = self.signed_on_within_s, facts.signed_on_at
        # A key was made at some time, and nobody signed on then.
        if limit_s is None or at is None or not facts.is_person:
            return False
        # What is to come is no sign-on; clocks differ by a little.
        return -LEEWAY_S <= facts.now - at < limit_s


def shortest_s(constraints: Iterable[Constraint]) -> float | None:
    """The shortest time for which a sign-on counts anywhere; None where it counts for ever."""
    limits_s = (each.signed_on_within_s for each in constraints)
    return min((each for each in limits_s if each is not None), default=None)


def withheld(
    constraints: Iterable[Constraint], granted: frozenset[str], facts: Facts
) -> dict[str, Withheld]:
    """The permissions of `granted` that are not to be used just now, each with the first reason."""
    found: dict[str, Withheld] = {}
    for constraint in constraints:
        concerned = constraint.permissions & granted
        if concerned and (why := constraint.broken_by(facts)) is not None:
            for permission in concerned:
                found.setdefault(permission, why)
    return found
