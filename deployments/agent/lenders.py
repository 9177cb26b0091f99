"""Whom a process asks about budgets: which there are, and who lends of them, here and elsewhere."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from routing.budget import Budget, Claim, Standing
from routing.budget_home import BudgetHomes


class Definitions(Protocol):
    """Where it is written which budgets there are."""

    async def all(self) -> list[Budget]:
        """Every tenant's."""
        ...

    async def declare(self, configured: Iterable[Budget]) -> None:
        """Let the configuration's be these."""
        ...


class Lender(Protocol):
    """Who owns the budgets: the coordinator's client, seen from here."""

    async def lease(self, claims: Sequence[Claim]) -> list[Standing]:
        """What each claim comes to; raises BudgetUnavailable."""
        ...


class Borrower(Protocol):
    """Who holds leases of other regions' budgets: the coordinator's client, seen from here."""

    async def borrow(self, home: str, claims: Sequence[Claim]) -> list[Standing]:
        """What each claim comes to; raises BudgetUnavailable."""
        ...


class Known(Protocol):
    """Where it is written which budgets other regions' tenants have."""

    async def all(self) -> Mapping[str, list[Budget]]:
        """By the region they are at home in; one that never told is missing."""
        ...


@dataclass(frozen=True, slots=True)
class Away:
    """Budgets that are at home in other regions."""

    homes: BudgetHomes
    known: Known
    borrower: Borrower
