"""Prices in USD per million tokens, and what a call costs. An unknown price is None, never 0."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from routing.exchange import STANDARD, Usage
from routing.message import Json, JsonObject

_MILLION = Decimal(1_000_000)
_ROUNDING = 1 + 1e-9
"""Far more than what a sum of four products of binary fractions can be off by (2^-50)."""
_HASH_BYTES = 16  # nobody finds a second table of the same name, and a certificate stays short


@dataclass(frozen=True, slots=True)
class Tier:
    """Rates of requests with more than `above_input_tokens` at one service tier.

    They hold for the whole request, not only for what lies above: so do all our vendors.
    `cache_read` and `cache_write` default to the input rate where the vendor names none; what
    is written for the longer of two times has no price without `long_cache_write`.
    """

    input: Decimal
    output: Decimal
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    long_cache_write: Decimal | None = None
    above_input_tokens: int = 0
    service_tier: str = STANDARD

    @property
    def dearest_input(self) -> Decimal:
        """What an input token costs at most, whatever becomes of it."""
        kinds = (self.cache_read, self.cache_write, self.long_cache_write)
        return max((self.input, *(rate for rate in kinds if rate is not None)))

    def cost(self, usage: Usage) -> Decimal | None:
        """USD for the tokens of one call; None where their count cannot be true, or has no rate."""
        long = usage.long_cache_write_tokens
        short = usage.cache_write_tokens - long
        plain = usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens
        counts = (plain, short, long, usage.cached_tokens, usage.output_tokens)
        if min(counts) < 0 or (long and self.long_cache_write is None):
            return None
        if not usage.input_tokens and (self.input or self.output):
            return None  # no call is without input: nobody counted
        return (
            plain * self.input
            + usage.cached_tokens * (self.input if self.cache_read is None else self.cache_read)
            + short * (self.input if self.cache_write is None else self.cache_write)
            + long * (self.long_cache_write or 0)
            + usage.output_tokens * self.output
        ) / _MILLION

    def to_json(self) -> JsonObject:
        """Its figures as exact text; two ways to write one figure give the same text."""
        return {
            "service_tier": self.service_tier,
            "above_input_tokens": self.above_input_tokens,
            "input": _text(self.input),
            "cache_read": _text(self.input if self.cache_read is None else self.cache_read),
            "cache_write": _text(self.input if self.cache_write is None else self.cache_write),
            "long_cache_write": _text(self.long_cache_write),
            "output": _text(self.output),
        }


@dataclass(frozen=True, slots=True)
class Price:
    """What a model charges: the rates of small requests at the standard tier, and `tiers` besides.

    Every other service tier begins with a tier for small requests too.
    `per_call` is what every call costs besides; `is_estimate` marks prices of vendors who do
    not say what a call cost; `is_agreed` a price that holds at every service tier, because
    somebody negotiated it. `source` says where the figures come from, for people who check.
    """

    input: Decimal
    output: Decimal
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    per_call: Decimal = Decimal(0)
    is_estimate: bool = False
    source: str = ""
    long_cache_write: Decimal | None = None
    tiers: tuple[Tier, ...] = ()
    is_agreed: bool = False

    _ladders: dict[str, tuple[Tier, ...]] = field(init=False, repr=False, compare=False)
    """The tiers of each service tier, smallest requests first."""

    _ceilings: tuple[Tier, ...] = field(init=False, repr=False, compare=False)
    """The dearest rates of all tiers up to a size, smallest first."""

    _quick_rates: tuple[tuple[int, float, float], ...] = field(
        init=False, repr=False, compare=False
    )
    _quick_ceilings: tuple[tuple[int, float, float], ...] = field(
        init=False, repr=False, compare=False
    )
    _quick_call: float = field(init=False, repr=False, compare=False)
    """The same in binary fractions, largest requests first: five times quicker, for comparing.

    The last one holds for whatever is no larger.
    """

    def __post_init__(self) -> None:
        # Worked out once: every decision asks for them several times.
        base = Tier(
            self.input, self.output, self.cache_read, self.cache_write, self.long_cache_write
        )
        tiers = sorted((base, *self.tiers), key=lambda tier: tier.above_input_tokens)
        ladders: dict[str, tuple[Tier, ...]] = {}
        for tier in tiers:
            ladders[tier.service_tier] = (*ladders.get(tier.service_tier, ()), tier)
        object.__setattr__(self, "_ladders", ladders)
        object.__setattr__(self, "_ceilings", _ceilings(tiers))
        object.__setattr__(self, "_quick_rates", _quick(ladders[STANDARD]))
        object.__setattr__(self, "_quick_ceilings", _quick(self._ceilings))
        object.__setattr__(self, "_quick_call", float(self.per_call))

    def standard(self, input_tokens: int) -> Tier:
        """The rates of a request of so many input tokens at the standard tier."""
        return _step(self._ladders[STANDARD], input_tokens)

    def cost(self, usage: Usage, service_tier: str = STANDARD) -> Decimal | None:
        """USD for one call, served at `service_tier`.

        None where that is not known: the tier has no price here (the standard one may be
        cheaper), or the usage is not whole.
        """
        ladder = self._ladders.get(STANDARD if self.is_agreed else service_tier)
        if ladder is None:
            return None
        tokens_usd = _step(ladder, usage.input_tokens).cost(usage)
        return None if tokens_usd is None else tokens_usd + self.per_call

    def expected(self, input_tokens: int, output_tokens: int) -> float:
        """About what a call costs, USD; nothing is taken to be cached. For ranking, not for bills."""
        for above, input_rate, output_rate in self._quick_rates:  # noqa: B007  used below
            if input_tokens > above:
                break
        tokens_usd = (input_tokens * input_rate + output_tokens * output_rate) * 1e-6
        return tokens_usd + self._quick_call

    def surely_within(self, input_tokens: int, output_tokens: int, limit_usd: float) -> bool:
        """Whether `bound` is below the limit by so much that its last digits do not matter.

        False says nothing: then `bound` has to be asked.
        """
        for above, input_rate, output_rate in self._quick_ceilings:  # noqa: B007  used below
            if input_tokens > above:
                break
        most_usd = (input_tokens * input_rate + output_tokens * output_rate) * 1e-6
        return (most_usd + self._quick_call) * _ROUNDING <= limit_usd

    def dearest(self, input_tokens: int) -> Tier:
        """The rates that no call with at most so many input tokens can exceed.

        What will be cached, and at which service tier the vendor serves a request that names
        none, is not known before the call.
        """
        return _step(self._ceilings, input_tokens)

    def bound(self, input_tokens: int, output_tokens: int) -> Decimal:
        """The most a call can cost with at most so many tokens each way, USD."""
        rates = self.dearest(input_tokens)
        tokens_usd = (input_tokens * rates.input + output_tokens * rates.output) / _MILLION
        return tokens_usd + self.per_call

    def to_json(self) -> JsonObject:
        """Everything that decides what a call costs; where it was read is not part of that."""
        tiers: list[Json] = [tier.to_json() for tier in self._every()]
        return {
            "tiers": tiers,
            "per_call": _text(self.per_call),
            "is_estimate": self.is_estimate,
            "is_agreed": self.is_agreed,
        }

    def _every(self) -> Iterator[Tier]:
        for name in sorted(self._ladders):
            yield from self._ladders[name]


def price_table_hash(prices: Mapping[str, Price | None]) -> str:
    """A short name of these very figures: the same in every process, whatever their source."""
    table = {name: None if price is None else price.to_json() for name, price in prices.items()}
    text = json.dumps(table, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=_HASH_BYTES).hexdigest()


def _quick(ladder: Sequence[Tier]) -> tuple[tuple[int, float, float], ...]:
    return tuple(
        (tier.above_input_tokens, float(tier.input), float(tier.output))
        for tier in reversed(ladder)
    )


def _step(ladder: Sequence[Tier], input_tokens: int) -> Tier:
    found = ladder[0]
    for tier in ladder[1:]:
        if input_tokens > tier.above_input_tokens:
            found = tier
    return found


def _ceilings(tiers: Sequence[Tier]) -> tuple[Tier, ...]:
    dearest_input = dearest_output = Decimal(0)
    ceilings: dict[int, Tier] = {}
    for tier in tiers:
        dearest_input = max(dearest_input, tier.dearest_input)
        dearest_output = max(dearest_output, tier.output)
        above = tier.above_input_tokens
        ceilings[above] = Tier(dearest_input, dearest_output, above_input_tokens=above)
    return tuple(ceilings.values())


def _text(figure: Decimal | None) -> str | None:
    return None if figure is None else f"{figure.normalize():f}"
