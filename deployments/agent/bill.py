"""What one attempt cost: about, for whoever looks, and at most, for limits that must hold."""

from dataclasses import dataclass
from decimal import Decimal

from routing.errors import ErrorKind, PlatformError
from routing.exchange import ChatReply, Usage
from routing.money import Price

# Refused at the door: nothing was read, so nothing can be charged.
_NEVER_BILLED = frozenset(
    {
        ErrorKind.RATE_LIMITED,
        ErrorKind.QUOTA_EXHAUSTED,
        ErrorKind.OVERLOADED,
        ErrorKind.CREDENTIALS,
        ErrorKind.PERMISSION,
        ErrorKind.MODEL_GONE,
        ErrorKind.INVALID_REQUEST,
        ErrorKind.SATURATED,
    }
)

# Read and then refused: Microsoft says of Azure OpenAI that a 400 for its content filter or its
# input limit may be charged; the other vendors do not say that it may not. Without a status it
# came inside a stream, where reasoning may have been made before it.
_INPUT_MAY_BE_BILLED = frozenset({ErrorKind.CONTENT_FILTERED, ErrorKind.CONTEXT_TOO_LONG})


@dataclass(frozen=True, slots=True)
class CostBound:
    """The most a call can cost, USD, and the most its input alone can; None where no price is known."""

    usd: Decimal | None = None
    input_usd: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Bill:
    """USD; None where the price is unknown.

    `about_usd` is the likeliest figure, and `is_estimate` says that the vendor told none.
    `at_most_usd` is what may have been charged. `is_over_bound` marks a bill over what its
    call could cost at most, as far as we knew.
    """

    about_usd: Decimal | None
    at_most_usd: Decimal | None
    is_estimate: bool = False
    is_over_bound: bool = False


def was_read(reply: ChatReply | None, failure: PlatformError | None, *, has_spoken: bool) -> bool:
    """Whether the platform has worked on the call, as far as is known; an abandoned one it has."""
    if reply is not None or failure is None or has_spoken:
        return True
    return failure.kind not in {*_NEVER_BILLED, *_INPUT_MAY_BE_BILLED, ErrorKind.CONNECTION}


def bill_of(
    price: Price | None,
    bound: CostBound,
    reply: ChatReply | None,
    failure: PlatformError | None,
    produced: Usage,
    *,
    has_spoken: bool,
) -> Bill:
    """The bill of a call that ended so.

    Without a reply no usage was told: `produced` is then about what was counted, and
    `has_spoken` says that text had come. An abandoned call has neither reply nor failure.
    """
    if reply is None and failure is not None and not has_spoken:
        if failure.kind in _NEVER_BILLED:
            return Bill(Decimal(0), Decimal(0))
        if failure.kind in _INPUT_MAY_BE_BILLED:
            at_most_usd = bound.usd if failure.status is None else bound.input_usd
            return Bill(Decimal(0), at_most_usd, is_estimate=True)
        if failure.kind is ErrorKind.CONNECTION:
            # Mostly nobody was there; but it may have been the way back that was lost.
            return Bill(Decimal(0), bound.usd, is_estimate=True)
    if price is None:
        return Bill(None, None)
    if reply is None:
        return Bill(price.cost(produced), bound.usd, is_estimate=True)
    usd = price.cost(reply.usage, reply.service_tier)
    is_over = usd is not None and bound.usd is not None and usd > bound.usd
    return Bill(usd, bound.usd if usd is None else usd, price.is_estimate, is_over)
