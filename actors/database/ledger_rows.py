"""Outcomes as rows of the ledger, and back: money in whole pico-dollars, exact in any database."""

from decimal import ROUND_HALF_EVEN, Decimal

from sqlalchemy import RowMapping

from routing.errors import ErrorKind
from routing.exchange import Usage
from routing.outcome import Outcome
from routing.size import Size

# Prices have at most six decimals per million tokens: a token costs whole pico-dollars.
_PICO = Decimal("1e-12")
_PICO_PER_USD = 10**12


def usd(pico: int) -> Decimal:
    """So many pico-dollars in USD."""
    return Decimal(pico).scaleb(-12)


def pico_usd(cost_usd: Decimal | None) -> int | None:
    """USD in pico-dollars; what is unknown stays unknown."""
    if cost_usd is None:
        return None
    # A finer price than that is rounded here, once, so that every sum agrees afterwards.
    return int(cost_usd.quantize(_PICO, ROUND_HALF_EVEN) * _PICO_PER_USD)


def row_of(outcome: Outcome) -> dict[str, object]:
    """The row of an outcome, by the table's columns."""
    return {
        "tenant": outcome.tenant,
        "answer_id": outcome.answer_id,
        "attempt": outcome.attempt,
        "platform": outcome.platform,
        "model": outcome.model,
        "at": outcome.at,
        "latency_ms": outcome.latency_ms,
        "first_byte_ms": outcome.first_byte_ms,
        "input_tokens": outcome.usage.input_tokens,
        "cached_tokens": outcome.usage.cached_tokens,
        "cache_write_tokens": outcome.usage.cache_write_tokens,
        "output_tokens": outcome.usage.output_tokens,
        "reasoning_tokens": outcome.usage.reasoning_tokens,
        "cost_pico_usd": pico_usd(outcome.cost_usd),
        "error": None if outcome.error is None else outcome.error.value,
        "retry_after_s": outcome.retry_after_s,
        "abandoned": outcome.abandoned,
        "simulated": outcome.simulated,
        "target": outcome.target,
        "size": int(outcome.size),
        "cost_is_estimate": outcome.cost_is_estimate,
        "long_cache_write_tokens": outcome.usage.long_cache_write_tokens,
    }


def outcome_of(row: RowMapping) -> Outcome:
    """The outcome that `row_of` wrote down."""
    return Outcome(
        tenant=row["tenant"],
        answer_id=row["answer_id"],
        attempt=row["attempt"],
        platform=row["platform"],
        target=row["target"],
        model=row["model"],
        at=row["at"],
        latency_ms=row["latency_ms"],
        first_byte_ms=row["first_byte_ms"],
        usage=Usage(
            row["input_tokens"],
            row["cached_tokens"],
            row["cache_write_tokens"],
            row["output_tokens"],
            row["reasoning_tokens"],
            row["long_cache_write_tokens"],
        ),
        cost_usd=None if row["cost_pico_usd"] is None else usd(row["cost_pico_usd"]),
        error=None if row["error"] is None else ErrorKind(row["error"]),
        retry_after_s=row["retry_after_s"],
        abandoned=row["abandoned"],
        simulated=row["simulated"],
        size=Size(row["size"]),
        cost_is_estimate=row["cost_is_estimate"],
    )
