"""What part of every limit a replica has: lent by the coordinator's book, kept and lost by its own clock."""

import pytest

from actors.coordinator.shares import ShareBook
from actors.shares import GONE_S, HELD_S, LEASE_S, ShareClaim, ShareGrant
from config.limits import REPLICAS_MAX, LimitSettings
from deployments.security.errors import RateLimited
from deployments.security.leased_limits import LeasedLimits
from deployments.security.rate_limits import RateLimits
from deployments.security.shares import CHANGES_MAX, OVER_MAX, Shares
from routing.clock import ManualClock
from routing.gcra import Rate
from tests.limit_world import demand, part

LEAST = 1 / REPLICAS_MAX


class World:
    """A book, and replicas that ask it when they are told to."""

    def __init__(self, *, is_first: bool = True) -> None:
        self.clock = ManualClock()
        self.book = ShareBook(lambda: is_first)

    def replica(self, name: str) -> Shares:
        return Shares(self.clock, "ingress", name, LEAST)

    def talk(self, *all_of_them: Shares) -> None:
        for shares in all_of_them:
            claim = shares.ask({})
            shares.hear(claim.seq, self.book.claim(claim, self.clock.monotonic()))

    def restart(self) -> None:
        self.book = ShareBook(lambda: False)


def all_taken(limits: LeasedLimits, rate: Rate, tenant: str = "acme") -> int:
    count = 0
    while limits.take((demand(rate, tenant=tenant),)) is not None:
        count += 1
    return count


def test_one_alone_has_all_and_a_newcomer_nothing_until_the_other_has_said_that_it_gave_up_half() -> (
    None
):
    world = World()
    one, two = world.replica("one"), world.replica("two")
    world.talk(one)
    assert one.share == 1.0
    world.talk(two)
    assert two.share == 0.0
    world.talk(one)
    assert (one.share, two.share) == (0.5, 0.0)
    world.talk(two)
    assert two.share == 0.0
    world.talk(one, two)
    assert (one.share, two.share) == (0.5, 0.5)


def test_who_ends_leaves_its_part_to_the_others_at_once() -> None:
    world = World()
    one, two = world.replica("one"), world.replica("two")
    world.talk(one, two, one, one, two)
    world.book.claim(two.last(), world.clock.monotonic())
    world.talk(one)
    assert (one.share, two.share) == (1.0, 0.0)


def test_of_who_falls_silent_a_quarter_is_kept_for_a_minute() -> None:
    """By its own clock it fell back to that before the coordinator reckons so."""
    world = World()
    one, two = world.replica("one"), world.replica("two")
    world.talk(one, two, one, one, two)
    for _ in range(int(LEASE_S)):
        world.clock.advance(1.0)
        world.talk(one)
    assert (one.share, two.share) == (1.0 - LEAST, LEAST)
    assert two.has_lapsed
    for _ in range(int(GONE_S - LEASE_S)):
        world.clock.advance(1.0)
        world.talk(one)
    assert one.share == 1.0


def test_more_silent_ones_than_there_can_be_do_not_take_everything() -> None:
    """Where replicas die one after the other, the living one has what four would leave it."""
    world = World()
    for number in range(8):
        world.talk(world.replica(f"dead{number}"))
        world.clock.advance(LEASE_S / 2)
    alive = world.replica("alive")
    world.clock.advance(LEASE_S)
    world.talk(alive)
    assert alive.share == pytest.approx(LEAST)


def test_a_book_that_begins_anew_renews_what_is_held_and_lends_no_more_until_all_else_has_run_out() -> (
    None
):
    world = World()
    one, two = world.replica("one"), world.replica("two")
    world.talk(one, two, one, one, two)
    world.restart()
    world.talk(one)
    assert one.share == 0.5
    world.clock.advance(LEASE_S)
    world.talk(one)
    assert one.share == 1.0


def test_a_first_book_to_which_something_is_claimed_is_not_the_first() -> None:
    """Somebody killed the coordinator for good, and it was made anew."""
    world = World()
    one, two = world.replica("one"), world.replica("two")
    world.talk(one, two, one, one, two)
    world.book = ShareBook(lambda: True)
    world.talk(one)
    assert one.share == 0.5


def test_an_answer_that_comes_after_the_next_claim_or_the_lease_is_not_heeded() -> None:
    world = World()
    shares = world.replica("one")
    first = shares.ask({})
    second = shares.ask({})
    shares.hear(first.seq, ShareGrant(1.0))
    assert shares.share == 0.0
    world.clock.advance(HELD_S)
    shares.hear(second.seq, ShareGrant(1.0))
    assert shares.share == 0.0


def test_the_same_claim_twice_is_answered_alike_and_an_older_one_changes_nothing() -> None:
    world = World()
    shares = world.replica("one")
    older, newer = shares.ask({}), shares.ask({})
    now = world.clock.monotonic()
    assert world.book.claim(newer, now) == world.book.claim(newer, now)
    assert world.book.claim(older, now) == world.book.claim(newer, now)
    other = ShareClaim("ingress", "two", 1, 0, 0.0, LEAST)
    assert world.book.claim(other, now).share == 0.0


def test_replicas_of_another_kind_have_limits_of_their_own() -> None:
    world = World()
    ingress, gateway = world.replica("one"), Shares(world.clock, "mcp-gateway", "two", LEAST)
    world.talk(ingress, gateway)
    assert (ingress.share, gateway.share) == (1.0, 1.0)


def test_a_part_that_grows_makes_no_room_at_once_also_for_who_was_not_seen_before() -> None:
    """What was given up may have been used up by whoever had it."""
    world = World()
    one, two = world.replica("one"), world.replica("two")
    world.talk(one, two, one, one, two)
    first = LeasedLimits(None, "one", one, world.clock)
    rate = Rate(1.0, 40.0)
    assert all_taken(first, rate) == 20
    world.book.claim(two.last(), world.clock.monotonic())
    world.talk(one)
    assert one.share == 1.0
    assert all_taken(first, rate) == 0
    assert all_taken(first, rate, "zeta") == 20
    world.clock.advance(5.0)
    world.talk(one)
    assert all_taken(first, rate, "late") == 25


def test_a_newcomer_has_nothing_of_a_limit_but_what_comes_back_and_of_a_day_its_part() -> None:
    world = World()
    one, two = world.replica("one"), world.replica("two")
    world.talk(one, two, one, one, two)
    limits = LeasedLimits(None, "two", two, world.clock)
    assert all_taken(limits, Rate(1.0, 40.0)) == 0
    assert all_taken(limits, Rate(0.0, 40.0), "daily") == 20
    world.clock.advance(4.0)
    assert all_taken(limits, Rate(1.0, 40.0)) == 2


@pytest.mark.parametrize(("replicas", "each"), [(1, 4), (2, 2), (3, 1), (4, 1), (5, 0), (8, 0)])
def test_no_part_makes_a_whole_request_out_of_less(replicas: int, each: int) -> None:
    """The least limit there can be is one for each of four; among eight, for a moment, there is none."""
    clock = ManualClock()
    limits = LeasedLimits(None, "r", part(clock, 1 / replicas), clock)
    assert all_taken(limits, Rate(0.01, 4.0)) == each
    settings = LimitSettings.model_validate({"in_flight": 4})
    rates = RateLimits(settings, limits, part(clock, 1 / replicas))
    for _ in range(each):
        rates.begin("acme")
    with pytest.raises(RateLimited):
        rates.begin("acme")


def test_for_requests_beyond_a_part_that_shrank_the_others_leave_room() -> None:
    """Also when the coordinator began anew and has not been told of them again."""
    world = World()
    one, two = world.replica("one"), world.replica("two")
    settings = LimitSettings.model_validate({"in_flight": 10})
    first, second = (
        RateLimits(settings, LeasedLimits(None, "r", shares, world.clock), shares)
        for shares in (one, two)
    )
    world.talk(one)
    for _ in range(9):
        first.begin("acme")
    world.talk(two, one)
    claim = one.ask(first.over())
    assert (claim.held, claim.over) == (0.5, {"acme": 4})
    one.hear(claim.seq, world.book.claim(claim, world.clock.monotonic()))
    world.talk(two)
    world.restart()
    world.talk(two)
    second.begin("acme")
    with pytest.raises(RateLimited):
        second.begin("acme")
    second.begin("zeta")


def test_a_part_is_not_given_up_while_more_tenants_are_beyond_it_than_can_be_told() -> None:
    world = World()
    one, two = world.replica("one"), world.replica("two")
    world.talk(one, two, one)
    assert one.share == 0.5
    many = dict.fromkeys(map(str, range(OVER_MAX + 1)), 1)
    assert one.ask(many).held == 1.0
    assert one.ask(dict.fromkeys(map(str, range(OVER_MAX)), 1)).held == 0.5


def test_who_was_asked_about_before_more_changes_than_are_kept_begins_with_nothing() -> None:
    world = World()
    shares = world.replica("one")
    world.talk(shares)
    limits = LeasedLimits(None, "one", shares, world.clock)
    rate = Rate(1.0, 40.0)
    limits.take((demand(rate),))
    for number in range(CHANGES_MAX + 2):
        shares.hear(shares.ask({}).seq, ShareGrant(0.5 if number % 2 else 1.0))
    assert all_taken(limits, rate) == 0
    world.clock.advance(2.0)
    assert all_taken(limits, rate) == 1
