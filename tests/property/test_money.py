"""What a price says is exact, and what it promises holds for every call it could be asked about."""

from decimal import Decimal
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from routing.exchange import STANDARD, Usage
from routing.money import Price, Tier

SERVICE_TIERS = (STANDARD, "flex", "priority")
# Near these a call changes its tier.
SIZES = (0, 100, 200_000)
rates = st.decimals(0, 200, allow_nan=False, allow_infinity=False, places=6)


@st.composite
def tiers(draw: st.DrawFn, service_tier: str, above: int) -> Tier:
    read, write, long = (draw(st.none() | rates) for _ in range(3))
    return Tier(draw(rates), draw(rates), read, write, long, above, service_tier)


@st.composite
def prices(draw: st.DrawFn) -> Price:
    """A price of any shape: dearer or cheaper above a size, with and without service tiers."""
    sizes = st.sets(st.sampled_from(SIZES[1:]))
    others = draw(st.sets(st.sampled_from(SERVICE_TIERS[1:])))
    ladders = {STANDARD: draw(sizes)} | {name: {0, *draw(sizes)} for name in others}
    base = draw(tiers(STANDARD, 0))
    return Price(
        base.input,
        base.output,
        base.cache_read,
        base.cache_write,
        per_call=draw(rates),
        long_cache_write=base.long_cache_write,
        tiers=tuple(draw(tiers(name, above)) for name, at in ladders.items() for above in at),
        is_agreed=draw(st.booleans()),
    )


counts = st.integers(0, 300) | st.integers(0, 2_000_000) | st.sampled_from([199_999, 200_000])


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    plain, read, written = draw(counts), draw(counts), draw(counts)
    long = draw(st.integers(0, written) | st.just(0))
    return Usage(plain + read + written, read, written, draw(counts), 0, long)


@given(prices(), usages(), st.sampled_from((*SERVICE_TIERS, "unheard of")), counts, counts)
@settings(max_examples=200)
def test_no_call_costs_more_than_its_bound(
    price: Price, usage: Usage, service_tier: str, fewer_in: int, fewer_out: int
) -> None:
    """However it is served, whatever was cached, and if it has fewer tokens than it may have."""
    cost = price.cost(usage, service_tier)
    if cost is not None:
        most = (usage.input_tokens + fewer_in, usage.output_tokens + fewer_out)
        assert cost <= price.bound(*most)


@given(prices(), usages(), st.sampled_from(SERVICE_TIERS))
@settings(max_examples=200)
def test_a_cost_is_exact(price: Price, usage: Usage, service_tier: str) -> None:
    """To the last digit of the rates: the ledger adds millions of them."""
    ladder = [
        tier
        for tier in (
            Tier(
                price.input,
                price.output,
                price.cache_read,
                price.cache_write,
                price.long_cache_write,
            ),
            *price.tiers,
        )
        if tier.service_tier == (STANDARD if price.is_agreed else service_tier)
        and (tier.above_input_tokens == 0 or usage.input_tokens > tier.above_input_tokens)
    ]
    cost = price.cost(usage, service_tier)
    if not ladder:
        assert cost is None
        return
    rate = max(ladder, key=lambda tier: tier.above_input_tokens)
    if usage.long_cache_write_tokens and rate.long_cache_write is None:
        assert cost is None
        return
    if usage.input_tokens == 0 and (rate.input or rate.output):
        assert cost is None
        return
    short = usage.cache_write_tokens - usage.long_cache_write_tokens
    plain = usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens
    read = rate.input if rate.cache_read is None else rate.cache_read
    write = rate.input if rate.cache_write is None else rate.cache_write
    long = Decimal(0) if rate.long_cache_write is None else rate.long_cache_write
    assert cost is not None
    assert (
        Fraction(cost)
        == Fraction(price.per_call)
        + (
            plain * Fraction(rate.input)
            + usage.cached_tokens * Fraction(read)
            + short * Fraction(write)
            + usage.long_cache_write_tokens * Fraction(long)
            + usage.output_tokens * Fraction(rate.output)
        )
        / 1_000_000
    )


@given(prices(), counts, counts, counts, counts)
@settings(max_examples=200)
def test_more_tokens_never_have_a_lower_bound(
    price: Price, input_tokens: int, output_tokens: int, more_in: int, more_out: int
) -> None:
    """Or asking for less could break a limit that asking for more keeps."""
    bound = price.bound(input_tokens, output_tokens)
    assert bound <= price.bound(input_tokens + more_in, output_tokens + more_out)
