"""One answer's row: what it cost, and what each alternative would have, reckoned by hand."""

from dataclasses import replace
from decimal import Decimal

import pytest

from routing.decision import Decision
from routing.exchange import Usage
from routing.money import Price
from routing.platform_profile import PlatformProfile
from routing.requirement import Requirements
from routing.savings import Alternative, Given, Saving, pico_of, saving_of
from routing.scorecard import Scorecard, Snapshot
from tests.unit.routing.worlds import NO_LIMITS, NOW, asked, platform, seen

ONE = Price(Decimal(1), Decimal(4), cache_read=Decimal("0.1"))
TWO = Price(Decimal(2), Decimal(8))
TEN = Price(Decimal(10), Decimal(40))
PROFILES = [platform("a", price=TWO), platform("b", price=ONE), platform("c", price=TEN)]
USAGE = Usage(input_tokens=1000, output_tokens=200)
# In millionths of a dollar: 1000 * 1 + 200 * 4 = 1800, and twice and ten times that.
MICRO = 10**6


def given(usage: Usage | None = USAGE, cost_usd: str | None = "0.0018") -> Given:
    """An answer of b, whole unless it has no usage."""
    return Given("b", "b-model", 50, usage, None if cost_usd is None else Decimal(cost_usd))


def row(
    decision: Decision | None = None,
    answer: Given | None = None,
    spent_usd: str | None = "0.0018",
    *,
    failed: bool = False,
    simulated: bool = False,
) -> Saving:
    return saving_of(
        decision or decided(),
        "a/a-model",
        None if spent_usd is None else Decimal(spent_usd),
        None if failed else answer or given(),
        tenant="t",
        answer_id="ans_1",
        at=NOW,
        simulated=simulated,
    )


def decided(
    profiles: list[PlatformProfile] = PROFILES,
    snapshot: Snapshot | None = None,
    requirements: Requirements = NO_LIMITS,
    *,
    fixed: str | None = None,
    model: str | None = None,
) -> Decision:
    return asked(profiles, snapshot or seen(), requirements, platform=fixed, model=model)


def test_each_baseline_is_what_its_target_charges_for_the_same_tokens() -> None:
    """a: 3600, b: 1800, c: 18000 millionths; at random (3600 + 1800 + 18000) / 3."""
    found = row()
    assert found.actual_pico_usd == 1800 * MICRO
    assert found.default_pico_usd == 3600 * MICRO
    assert found.cheapest_pico_usd == 1800 * MICRO
    assert found.random_pico_usd == 7800 * MICRO
    assert found.alternatives == (
        Alternative("a/a-model", 0.5, 3600 * MICRO),
        Alternative("b/b-model", 0.5, 1800 * MICRO),
        Alternative("c/c-model", 0.5, 18_000 * MICRO),
    )
    assert (found.platform, found.model, found.strategy) == ("b", "b-model", "cost_optimized")


def test_a_target_whose_answers_are_longer_is_reckoned_with_a_longer_answer() -> None:
    """a usually says 350 tokens where b says 100: of b's 200 it makes 700, and 1000 * 2 + 700 * 8."""
    board = seen(Scorecard("a", mean_output_tokens=350.0), Scorecard("b", mean_output_tokens=100.0))
    found = row(decided(snapshot=board))
    assert found.default_pico_usd == 7600 * MICRO
    assert found.cheapest_pico_usd == 1800 * MICRO


@pytest.mark.parametrize("seen_of", ["a", "b"])
def test_where_one_of_two_usual_lengths_is_unknown_the_answer_is_taken_as_it_was(
    seen_of: str,
) -> None:
    found = row(decided(snapshot=seen(Scorecard(seen_of, mean_output_tokens=5000.0))))
    assert found.default_pico_usd == 3600 * MICRO


@pytest.mark.parametrize("length", [20, 200, 800])
def test_a_short_answer_saves_nothing_against_a_target_of_the_same_price(length: int) -> None:
    """Both usually say 600 tokens: this one is short or long because of its question."""
    board = seen(*(Scorecard(name, mean_output_tokens=600.0) for name in "abc"))
    same = [replace(profile, price=ONE) for profile in PROFILES]
    usage = Usage(1000, output_tokens=length)
    cost_usd = ONE.cost(usage)
    found = row(decided(same, board), given(usage, str(cost_usd)), str(cost_usd))
    assert found.default_pico_usd == found.random_pico_usd == found.actual_pico_usd


def test_a_usual_length_over_what_the_caller_allowed_is_cut_as_it_would_have_been() -> None:
    """800 tokens were allowed: 1000 * 2 + 800 * 8 = 8400."""
    board = seen(
        Scorecard("a", mean_output_tokens=5000.0), Scorecard("b", mean_output_tokens=100.0)
    )
    found = row(decided(snapshot=board))
    assert found.default_pico_usd == 8400 * MICRO


def test_who_answered_is_not_estimated_so_a_router_that_stays_with_the_default_saves_nothing() -> (
    None
):
    """A mean length far from this answer's must not turn into a saving."""
    board = seen(Scorecard("a", mean_output_tokens=800.0))
    answer = replace(given(cost_usd="0.0036"), platform="a", model="a-model")
    found = row(decided(snapshot=board), answer, "0.0036")
    assert found.default_pico_usd == found.actual_pico_usd == 3600 * MICRO


def test_failed_attempts_count_against_us_and_against_no_baseline() -> None:
    found = row(spent_usd="0.0058")
    assert found.actual_pico_usd == 5800 * MICRO
    assert found.cheapest_pico_usd == 1800 * MICRO


def test_what_was_cached_is_taken_to_be_cached_elsewhere_too() -> None:
    """b caches at a tenth: answered by a, b would have cost 500 * 0.1 + 500 * 1 + 200 * 4."""
    answer = Given("a", "a-model", 50, Usage(1000, 500, 0, 200), Decimal("0.0036"))
    assert row(answer=answer).cheapest_pico_usd == 1350 * MICRO


@pytest.mark.parametrize("usage", [None, Usage()])
def test_what_nobody_counted_is_estimated_from_the_request_and_the_text(
    usage: Usage | None,
) -> None:
    """512 tokens of input were expected, the text has 50: 512 * 2 + 50 * 8 = 1424."""
    found = row(answer=given(usage, cost_usd=None))
    assert found.default_pico_usd == 1424 * MICRO


def test_an_answer_in_parts_is_estimated_for_the_one_who_ended_it_too() -> None:
    """b spoke last; it alone would have cost 512 * 1 + 50 * 4 = 712."""
    assert row(answer=given(None)).cheapest_pico_usd == 712 * MICRO


def test_an_unknown_price_is_no_price_of_nothing() -> None:
    profiles = [platform("a", price=None), platform("b", price=ONE)]
    found = row(decided(profiles))
    assert (found.default_target, found.default_pico_usd) == ("a/a-model", None)
    assert found.alternatives[0].pico_usd is None
    assert found.random_pico_usd == found.cheapest_pico_usd == 1800 * MICRO
    assert row(spent_usd=None).actual_pico_usd is None


def test_with_no_price_at_all_nothing_is_known() -> None:
    profiles = [platform("a", price=None), platform("b", price=None)]
    found = row(decided(profiles), given(cost_usd=None), None)
    assert found.cheapest_pico_usd is None
    assert found.random_pico_usd is None


def test_a_target_the_caller_could_not_have_had_is_no_alternative() -> None:
    """a is not in the region asked for, so there is no default to compare with."""
    profiles = [
        platform("a", price=TWO),
        platform("b", price=TEN, regions=frozenset({"eu"})),
        platform("c", price=TEN, regions=frozenset({"eu"})),
    ]
    wanted = Requirements(regions=frozenset({"eu"}))
    found = row(decided(profiles, requirements=wanted), given(cost_usd="0.018"), "0.018")
    assert (found.default_target, found.default_pico_usd) == (None, None)
    assert found.cheapest_pico_usd == found.random_pico_usd == 18_000 * MICRO


def test_a_target_that_only_rests_is_still_what_could_have_been_used() -> None:
    """Its outage is no saving of ours: what the default would cost is known all the same."""
    board = seen(Scorecard("a", cooling_until=NOW + 30))
    assert row(decided(snapshot=board)).default_pico_usd == 3600 * MICRO


def test_a_simulated_platform_is_no_alternative_to_a_real_one() -> None:
    profiles = [replace(PROFILES[0], simulated=True), PROFILES[1]]
    assert row(decided(profiles)).default_target is None


@pytest.mark.parametrize(("platform", "model"), [("b", None), (None, "b-model")])
def test_what_a_caller_fixed_is_compared_with_nothing(
    platform: str | None, model: str | None
) -> None:
    found = row(decided(fixed=platform, model=model))
    assert not found.routed
    assert found.actual_pico_usd == 1800 * MICRO
    assert found.alternatives == ()
    assert found.default_pico_usd is found.cheapest_pico_usd is found.random_pico_usd is None


def test_money_without_an_answer_is_held_against_nothing_spent() -> None:
    found = row(failed=True, spent_usd="0.004")
    assert not found.answered
    assert found.actual_pico_usd == 4000 * MICRO
    assert found.default_pico_usd == found.cheapest_pico_usd == found.random_pico_usd == 0
    assert found.alternatives == ()


def test_the_default_is_never_the_dearest_for_being_the_dearest() -> None:
    """Adding a dearer model changes nothing but the mix."""
    without, with_it = row(decided(PROFILES[:2])), row()
    assert without.default_pico_usd == with_it.default_pico_usd
    assert without.cheapest_pico_usd == with_it.cheapest_pico_usd


def test_a_price_finer_than_a_pico_dollar_is_rounded_as_the_ledger_rounds() -> None:
    assert pico_of(Decimal("0.0000000000025")) == 2
    assert pico_of(Decimal("0.0000000000035")) == 4
