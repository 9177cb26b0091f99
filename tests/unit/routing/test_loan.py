"""What a region says of its lease, and what it makes of the answer, one step at a time."""

from dataclasses import replace

import pytest

from routing.budget import Beyond, Book, Claim, Key, Lease, Scope, Standing
from routing.budget_home import BudgetHomes
from routing.loan import (
    AFRESH_S,
    CHECK_S,
    IDLE_S,
    SHARE,
    STOP_EARLY_S,
    TELL_S,
    Lent,
    Loan,
    Refusal,
)

NOW = 1_000_000.0
LEASE_S = 3_600.0
KEY = Key("acme", "t", Scope.TENANT, "acme", 11)
LOAN = Loan("eu-1", used_at=NOW)


def told(loan: Loan, spent: int = 0, lent_here: int = 0) -> tuple[Loan, Claim]:
    """The next claim, with so much of it spent here and so much more in processes' hands."""
    book = Book(loan.limit, 0, {"p-1": Lease(granted=spent + lent_here, spent=spent)})
    return loan.tell(KEY, book, NOW, KEY.day)


def answered(loan: Loan, granted: int, free: int = 0, sent_at: float = NOW) -> Loan:
    standing = Standing(KEY, loan.lease, loan.seq, granted, free)
    return loan.hear(Lent(standing, loan.seq), sent_at, LEASE_S, NOW)


def test_more_is_asked_for_than_is_needed_and_the_same_again_if_the_answer_is_lost() -> None:
    """Amounts are of the whole day, so that asking twice is asking once."""
    first, claim = told(LOAN.used(100, NOW))
    again, same = told(first)
    assert (claim.want, claim.seq) == (200, 1)
    assert (same.want, same.seq) == (200, 2)
    assert again.used(50, NOW).next_at == again.next_at, "one is under way"


def test_a_lease_runs_out_here_before_it_does_at_home() -> None:
    """It is counted from when the claim was sent, and a minute is kept for clocks that are set."""
    sent, _ = told(LOAN.used(100, NOW))
    heard = answered(sent, 200, sent_at=NOW - 30)
    assert heard.lends(NOW - 30 + LEASE_S - STOP_EARLY_S - 1)
    assert not heard.lends(NOW - 30 + LEASE_S - STOP_EARLY_S)


def test_an_older_answer_never_takes_back_what_a_newer_one_gave() -> None:
    first, _ = told(LOAN.used(100, NOW))
    second, _ = told(first.used(100, NOW))
    newer = answered(second, 400, free=7)
    older = newer.hear(Lent(Standing(KEY, "eu-1", 1, 200, 900), 1), NOW + 9, LEASE_S, NOW + 9)
    assert older == newer


def test_a_refused_claim_prolongs_nothing() -> None:
    sent, _ = told(LOAN.used(100, NOW))
    none = Standing(KEY, "eu-1", 1, 0, 0)
    heard = sent.hear(Lent(none, 0, Refusal.UNKNOWN_BUDGET), NOW, LEASE_S, NOW)
    assert not heard.lends(NOW)
    assert heard.next_at is None


def test_an_answer_on_another_lease_is_not_heard() -> None:
    sent, _ = told(LOAN.used(100, NOW))
    other = Standing(KEY, "eu-2", 1, 500, 0)
    assert sent.hear(Lent(other, 1), NOW, LEASE_S, NOW) == sent


@pytest.mark.parametrize(
    "lent",
    [
        Lent(Standing(KEY, "eu-1", 1, 200, 0, is_closed=True), 1),
        Lent(Standing(KEY, "eu-1", 1, 200, 0), 9),
    ],
)
def test_a_home_with_another_past_ends_the_lease(lent: Lent) -> None:
    """It forgot what was spent, or heard what this journal never said."""
    sent, _ = told(LOAN.used(100, NOW))
    closed = sent.hear(lent, NOW, LEASE_S, NOW)
    assert closed.is_closed
    assert not closed.lends(NOW)
    assert closed.beyond(NOW, is_silent=False) is Beyond.SPENT
    assert closed.used(100, NOW).next_at is None


def test_a_tenth_of_what_is_left_is_held_and_the_rest_goes_home() -> None:
    heard = answered(told(LOAN.used(500, NOW))[0], 1_000, free=1_000)
    loan, claim = told(heard)
    assert claim.returned == 1_000 - 2_000 // SHARE
    assert loan.limit == 2_000 // SHARE


def test_what_processes_hold_is_not_returned() -> None:
    heard = answered(told(LOAN.used(500, NOW))[0], 1_000)
    idle = replace(heard, used_at=NOW - IDLE_S)
    _, claim = told(idle, spent=100, lent_here=600)
    assert (claim.spent, claim.returned) == (100, 300)


def test_a_reserve_stays_while_nobody_uses_it_and_goes_when_its_day_is_over() -> None:
    held = replace(LOAN, granted=100, home_free=900, is_reserve=True, used_at=NOW - 9 * IDLE_S)
    assert told(held)[1].returned == 0
    over, claim = held.tell(KEY, Book(100), NOW, KEY.day + 1)
    assert claim.returned == 100
    assert not over.is_reserve


def test_what_is_told_next_and_when() -> None:
    """Need at once, news in a second, and a lease at rest once a minute."""
    heard = answered(told(LOAN.used(100, NOW))[0], 200)
    assert heard.next_at == NOW + CHECK_S
    assert heard.used(0, NOW).next_at == NOW + TELL_S
    assert heard.used(1, NOW).next_at == NOW
    even, _ = told(replace(heard, used_at=NOW - IDLE_S))
    assert answered(even, 200).next_at is None


def test_a_home_that_gave_less_than_was_wanted_has_no_more_for_a_moment() -> None:
    heard = answered(told(LOAN.used(100, NOW))[0], 50)
    assert heard.beyond(NOW, is_silent=False) is Beyond.SPENT
    assert heard.beyond(NOW, is_silent=True) is Beyond.SILENT
    assert heard.beyond(NOW + AFRESH_S, is_silent=False) is Beyond.ASKED


HOMES = BudgetHomes("eu", "ap", {"acme": "us", "mine": "eu", "stays": "us", "rests": "eu"},
                    frozenset({"acme", "mine"}))  # fmt: skip


def test_each_tenant_has_one_home_for_its_budgets() -> None:
    """One that is not named, the same for all; where nothing is configured it is here."""
    assert [HOMES.away(t) for t in ("acme", "stays", "mine", "anybody")] == ["us", "us", None, "ap"]
    assert BudgetHomes().away("anybody") is None
    assert HOMES.lenders == ("ap", "us")
    assert HOMES.guests("us") == ("acme",)


def test_a_home_lends_only_of_tenants_whom_others_may_serve() -> None:
    assert HOMES.may_lend("mine")
    assert not HOMES.may_lend("rests")
    assert not HOMES.may_lend("acme"), "it is at home in another region"
    assert replace(HOMES, here="ap").may_lend("anybody")
