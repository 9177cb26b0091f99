"""Prices in USD per million tokens, and what a call costs. An unknown price is None, never 0."""

from dataclasses import dataclass
from decimal import Decimal

from routing.exchange import Usage

_MILLION = Decimal(1_000_000)


@dataclass(frozen=True, slots=True)
class Price:
    """What a model charges, USD per million tokens.

    `cache_read` and `cache_write` default to the input price where the vendor
    names none. `per_call` is what every call costs besides; `is_estimate` marks prices of
    vendors who do not say what a call cost. `source` says where the figures come from, for people who check.
    """

    input: Decimal
    output: Decimal
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    per_call: Decimal = Decimal(0)
    is_estimate: bool = False
    source: str = ""

    def cost(self, usage: Usage) -> Decimal:
        """USD for `usage`."""
        read = self.input if self.cache_read is None else self.cache_read
        write = self.input if self.cache_write is None else self.cache_write
        plain = usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens
        return (
            plain * self.input
            + usage.cached_tokens * read
            + usage.cache_write_tokens * write
            + usage.output_tokens * self.output
        ) / _MILLION + self.per_call

    def bound(self, input_tokens: int, output_tokens: int) -> Decimal:
        """The most a call can cost with at most so many tokens each way, USD.

        Every input token is taken at the dearest input rate: what will be cached is
        not known before the call.
        """
        dearest = max(self.input, self.cache_read or self.input, self.cache_write or self.input)
        return (input_tokens * dearest + output_tokens * self.output) / _MILLION + self.per_call
