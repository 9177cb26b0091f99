"""This region as a holder of other regions' budgets: what it has, and what it has to tell whom.

The homes are asked by whoever carries letters (an ingress replica's courier); nothing here knows
of a network. All that must not be lost is in the database; which homes are silent is not.
"""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from actors.database.budget_loans import BudgetLoans
from actors.database.budgets_abroad import BudgetsAbroad
from routing.budget import Beyond, Budget, Claim, Key, Standing
from routing.clock import Clock
from routing.loan import Lent

LETTER_WAIT_S = 5.0
"""A courier with nothing to carry goes even so: as often as figures are asked for, and then it
hears which budgets there are."""

LOOK_EVERY_S = 1.0
"""Within a second of when something is due: nothing wakes a courier for a time that comes."""


@dataclass(frozen=True, slots=True)
class Letter:
    """What a home is to be told. `digest` says which of its budgets are known here."""

    claims: Sequence[Claim]
    digest: str
    sent_at: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What it said; `budgets` is None where they are those whose digest was sent."""

    lent: Sequence[Lent]
    lease_s: float
    digest: str
    budgets: Sequence[Budget] | None


class Borrower:
    """Lends what other regions lent to this one."""

    def __init__(self, loans: BudgetLoans, abroad: BudgetsAbroad, clock: Clock) -> None:
        self._loans = loans
        self._abroad = abroad
        self._clock = clock
        self._silent: set[str] = set()
        self._due: dict[str, asyncio.Event] = {}

    async def borrow(self, home: str, claims: Sequence[Claim]) -> list[Standing]:
        """Lend to processes here; where there is not enough, the home is asked in the background.

        Raises:
            DatabaseBusy: nothing was lent; ask again.
            DatabaseUnavailable: the same.
        """
        standings = await self._loans.borrow(
            home, claims, self._clock.now(), is_silent=home in self._silent
        )
        if any(standing.beyond is Beyond.ASKED for standing in standings):
            self._wake(home).set()
        return standings

    async def hold(self, home: str, reserves: Mapping[Key, int]) -> None:
        """Keep a share of these limits at hand from now on."""
        await self._loans.hold(home, reserves, self._clock.now())
        self._wake(home).set()

    async def letter(self, home: str, today: int) -> Letter:
        """What the home has to be told, as soon as there is something, or after `LETTER_WAIT_S`.

        A home that never told its budgets is asked at once.
        """
        until = self._clock.monotonic() + LETTER_WAIT_S
        due = self._wake(home)
        while True:
            due.clear()
            sent_at = self._clock.now()
            claims = await self._loans.letter(home, sent_at, today)
            digest = await self._abroad.digest(home)
            if claims or not digest or self._clock.monotonic() >= until:
                return Letter(claims, digest, sent_at)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await due.wait()

    async def hear(self, home: str, sent_at: float, answer: Answer) -> None:
        """The home answered a letter of `sent_at`."""
        self._silent.discard(home)
        if answer.budgets is not None:
            await self._abroad.hear(home, answer.budgets, answer.digest)
        await self._loans.hear(home, answer.lent, sent_at, answer.lease_s, self._clock.now())

    def unheard(self, home: str) -> None:
        """The home did not answer, or not so that it could be used."""
        self._silent.add(home)

    async def sweep(self, today: int) -> None:
        """Drop the loans of days long gone."""
        await self._loans.prune(today)

    def _wake(self, home: str) -> asyncio.Event:
        return self._due.setdefault(home, asyncio.Event())
