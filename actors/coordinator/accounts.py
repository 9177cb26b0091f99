"""The breakers of keys and money: one for each platform and credential, since each heals by itself.

A platform's models share its account. A credential is known here by a fingerprint alone.
"""

from collections.abc import Mapping

from actors.coordinator.book import breaker_from_json, breaker_to_json
from routing import breaker as breakers
from routing.breaker import Ailment, Breaker, BreakerPhase
from routing.message import Json
from routing.outcome import Outcome

CREDENTIALS_MAX = 4
"""Of one platform that are remembered: while one is rolled out the old and the new, and one to go back to."""


class Accounts:
    """What is wrong with each platform's account. Time is an argument."""

    __slots__ = ("_breakers", "_used")

    def __init__(self) -> None:
        self._used: Mapping[str, str] = {}
        self._breakers: dict[str, dict[str, Breaker]] = {}

    def use(self, credentials: Mapping[str, str]) -> None:
        """The fingerprints of the credentials in use, by platform."""
        self._used = credentials

    def of(self, platform: str) -> Breaker:
        """The breaker of the credential in use; a closed one if it was never tried."""
        known = self._breakers.get(platform, {})
        return known.get(self._used.get(platform, ""), Breaker())

    def put(self, platform: str, breaker: Breaker) -> None:
        """What it is now."""
        known = self._breakers.setdefault(platform, {})
        fingerprint = self._used.get(platform, "")
        # The one in use is the last, so that the oldest is forgotten.
        known.pop(fingerprint, None)
        known[fingerprint] = breaker
        if len(known) > CREDENTIALS_MAX:
            del known[next(iter(known))]

    def fold(self, outcome: Outcome, now: float) -> None:
        """Learn from an attempt that ended."""
        account = breakers.fold(self.of(outcome.platform), Ailment.ACCOUNT, outcome, now)
        self.put(outcome.platform, account)

    def ailing(self) -> set[str]:
        """The platforms whose account is not well."""
        return {n for n in self._breakers if self.of(n).phase is not BreakerPhase.CLOSED}

    def to_json(self) -> list[Json]:
        """These breakers for a checkpoint, the oldest credential of a platform first."""
        return [
            [platform, fingerprint, breaker_to_json(breaker)]
            for platform, known in self._breakers.items()
            for fingerprint, breaker in known.items()
        ]

    @classmethod
    def from_json(cls, plain: Json) -> "Accounts":
        """The breakers that `to_json` described; raises ValueError if they are none."""
        accounts = cls()
        match plain:
            case list(rows):
                for row in rows:
                    accounts._add(row)
                return accounts
            case _:
                raise ValueError(f"not a list of accounts: {plain!r}")

    def _add(self, row: Json) -> None:
        match row:
            case [str(platform), str(fingerprint), breaker]:
                known = self._breakers.setdefault(platform, {})
                known[fingerprint] = breaker_from_json(breaker)
            case _:
                raise ValueError(f"not the breaker of an account: {row!r}")
