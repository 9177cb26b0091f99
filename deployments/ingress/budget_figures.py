"""A budget today as it is shown: what is spent, set aside, left, and leased to which region."""

from collections.abc import Mapping
from dataclasses import dataclass

from actors.database.budget_loans import HeldLoan
from routing.budget import DAY_S, Book, Budget, Scope, day_at, to_usd
from routing.clock import rfc3339
from routing.message import Json, JsonObject

# Those with the least left: who asks about more of them asks for a budget of their own.
SUBJECTS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Shown:
    """One subject's: in pico-dollars, but for `leases`, which are as they are shown."""

    spent: int = 0
    reserved: int = 0
    left: int = 0
    leases: tuple[JsonObject, ...] = ()

    def to_json(self) -> dict[str, Json]:
        """In USD."""
        return {
            "spent_usd": _usd(self.spent),
            "reserved_usd": _usd(self.reserved),
            "left_usd": _usd(self.left),
            "leases": list(self.leases),
        }


def lent_of(book: Book, now: float) -> Shown:
    """A book of this region's own."""
    spent = book.spent_at(now)
    leases = tuple(
        _lease(
            lease.region, lease.granted - lease.returned, lease.spent, lease.runs_out_at or now, now
        )
        for lease in book.leases.values()
        if lease.region and lease.committed
    )
    return Shown(spent, max(book.committed - spent, 0), book.free, leases)


def held_of(held: HeldLoan, here: str, now: float) -> Shown:
    """What this region, called `here`, holds of a book that is at home in another."""
    book, loan = held.book, held.loan
    spent = book.spent_at(now)
    lease = _lease(here, loan.limit, book.spent, loan.runs_out_at, now)
    left = book.free if loan.lends(now) else 0
    return Shown(spent, max(book.committed - spent, 0), left, (lease,) if loan.limit else ())


def row(
    budget: Budget, tenant: str, of: Mapping[str, Shown], unseen: Shown, now: float
) -> JsonObject:
    """A budget with what is shown of each of its subjects; of one not among them, `unseen`."""
    subject = tenant if budget.scope is Scope.TENANT else budget.subject
    told: dict[str, Json] = {
        "id": budget.id,
        "scope": budget.scope.value,
        "subject": subject,
        "usd_per_day": _usd(budget.limit_pico),
        "configured": budget.is_configured,
        "resets_at": rfc3339(float((day_at(now) + 1) * DAY_S)),
    }
    if subject is not None:
        return told | of.get(subject, unseen).to_json()
    least = sorted(of.items(), key=lambda item: (item[1].left, item[0]))
    return told | {
        "spent_usd": _usd(sum(one.spent for one in of.values())),
        "reserved_usd": _usd(sum(one.reserved for one in of.values())),
        # Everybody has one of his own.
        "left_usd": None,
        "subjects": [{"subject": name, **one.to_json()} for name, one in least[:SUBJECTS_SHOWN]],
    }


def _lease(region: str, leased: int, spent: int, runs_out_at: float, now: float) -> JsonObject:
    return {
        "region": region,
        "leased_usd": _usd(leased),
        "spent_usd": _usd(spent),
        "runs_out_at": rfc3339(runs_out_at),
        "has_run_out": now >= runs_out_at,
    }


def _usd(pico: int) -> float:
    return float(to_usd(pico))
