"""What the vendors' own routes share: the road is the same, only the dialect differs.

Messages go down the road as they are: no knowledge is added and no conversation kept. What
SupportMax adds to a vendor's API is in headers alone, so that its clients work unchanged.
"""

import asyncio
import contextlib
import logging
import math
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import TypeVar

from starlette.responses import Response

from deployments.agent.road import Arrival, Departure, Limits, Road, safety_id
from deployments.ingress import events
from deployments.ingress.anthropic_messages import Messages
from deployments.ingress.dialect import Dialect, Stamp, Writer
from deployments.ingress.openai_chat import ChatCompletions
from deployments.ingress.openai_responses import Responses
from deployments.ingress.routes import Call, reply
from deployments.ingress.vendor_errors import fault_of, invalid
from routing.clock import Clock
from routing.errors import ErrorKind, PlatformError, RequestError, Violation
from routing.exchange import FinishReason, TextDelta
from routing.platform_profile import PlatformProfile
from routing.policy import Strategy
from routing.requirement import Requirements

_log = logging.getLogger(__name__)
_Body = TypeVar("_Body")

REQUEST_HEADERS: Mapping[str, str] = {
    "x-supportmax-max-cost": "USD for the whole answer; one that could cost more is refused.",
    "x-supportmax-max-latency-ms": "Milliseconds until the answer's end.",
    "x-supportmax-fallback": "Platforms to fail over to, in order, separated by commas.",
}
"""What a caller may add to a vendor's request."""

STRATEGIES: Mapping[str, Strategy | None] = {
    "auto": None,
    "auto:cost": Strategy.COST_OPTIMIZED,
    "auto:latency": Strategy.LATENCY,
    "auto:capability": Strategy.CAPABILITY,
    "auto:balanced": Strategy.BALANCED,
}
"""The models that are no model: the road chooses; None is the configuration's own strategy."""

# Until the first words a failure still has its HTTP status, by which vendors' clients know
# what to raise and whether to try again. After this long a sign of life matters more.
FIRST_WORDS_S = events.HEARTBEAT_S
# As in the body of /v3/chat.
_NUMBER_MAX = 32
_USD_MIN, _USD_MAX = Decimal("1e-9"), Decimal(1_000_000)
_LATENCY_MAX_MS = 600_000


class Compatible:
    """The routes of OpenAI's and Anthropic's clients."""

    def __init__(
        self, road: Road, profiles: Mapping[str, PlatformProfile], max_tokens: int, clock: Clock
    ) -> None:
        self._road = road
        self._profiles = profiles
        self._max_tokens = max_tokens
        self._clock = clock

    async def chat_completions(self, call: Call) -> Response:
        """POST /v1/chat/completions."""
        return await self._answer(call, ChatCompletions())

    async def responses(self, call: Call) -> Response:
        """POST /v1/responses."""
        return await self._answer(call, Responses())

    async def messages(self, call: Call) -> Response:
        """POST /v1/messages."""
        return await self._answer(call, Messages())

    async def models(self, call: Call) -> Response:
        """GET /v1/models: in one object what either vendor's client looks for."""
        owners = dict.fromkeys(STRATEGIES, "supportmax")
        owners |= {name: name for name in self._profiles}
        for profile in self._profiles.values():
            owners.setdefault(profile.model, profile.name)
        names = list(owners)
        return reply(
            {
                "object": "list",
                "data": [_model(name, owner) for name, owner in owners.items()],
                "has_more": False,
                "first_id": names[0],
                "last_id": names[-1],
            }
        )

    async def _answer(self, call: Call, dialect: Dialect[_Body]) -> Response:
        began = self._clock.monotonic()
        body: _Body = call.body
        wanted = dialect.read(body, self._max_tokens)
        tenant = call.principal.tenant
        limits = _limits(wanted.model, call.request.headers, self._profiles)
        departure = self._road.depart(
            tenant,
            replace(wanted.request, safety_id=safety_id(tenant, wanted.end_user)),
            replace(limits, stream=wanted.stream),
            began,
        )
        if wanted.stream:
            return await self._stream(body, dialect, departure, wanted.model)
        arrival = _sound(await self._road.complete(departure))
        executed = arrival.executed
        stamp = self._stamp(departure, executed.reply.model)
        response = reply(dialect.whole(body, stamp, executed.reply))
        response.headers.update(_headers(departure, executed.platform, arrival.simulated))
        response.headers.update(_cost(arrival))
        return response

    async def _stream(
        self, body: _Body, dialect: Dialect[_Body], departure: Departure, asked_for: str
    ) -> Response:
        steps = self._road.stream(departure)
        first = asyncio.ensure_future(anext(steps))
        try:
            await asyncio.wait((first,), timeout=FIRST_WORDS_S)
            known = _sounded(first.result()) if first.done() else None
        except BaseException:
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
            await steps.aclose()
            raise
        platform = _answering(departure, known)
        profile = None if platform is None else self._profiles[platform]
        stamp = self._stamp(departure, asked_for if profile is None else profile.model)
        response = events.response(_frames(dialect.writer(body, stamp), first, steps))
        simulated = None if profile is None else profile.simulated
        response.headers.update(_headers(departure, platform, simulated))
        if isinstance(known, Arrival):
            response.headers.update(_cost(known))
        return response

    def _stamp(self, departure: Departure, model: str) -> Stamp:
        answer_id = departure.journey.answer_id.removeprefix("ans_")
        return Stamp(answer_id, model, int(self._clock.now()))


async def _frames(
    writer: Writer,
    first: "asyncio.Future[TextDelta | Arrival]",
    steps: AsyncGenerator[TextDelta | Arrival, None],
) -> AsyncGenerator[bytes, None]:
    """The answer as events; whatever goes wrong is the last of them."""
    try:
        async with contextlib.aclosing(steps):
            try:
                yield writer.begin()
                step = await first
            finally:
                first.cancel()
                await asyncio.gather(first, return_exceptions=True)
            yield _frame(writer, step)
            async for step in steps:
                yield _frame(writer, step)
    except Exception as error:  # noqa: BLE001
        if fault_of(error).status == 500:
            _log.error("unexpected error in a stream", exc_info=error)
        yield writer.fail(error)


def _frame(writer: Writer, step: TextDelta | Arrival) -> bytes:
    match step:
        case TextDelta(text):
            return writer.text(text)
        case Arrival():
            return writer.end(_sound(step).executed.reply)


def _sounded(step: TextDelta | Arrival) -> TextDelta | Arrival:
    return _sound(step) if isinstance(step, Arrival) else step


def _sound(arrival: Arrival) -> Arrival:
    """An arrival vendors have a word for: none has one for an answer that ended in an error."""
    executed = arrival.executed
    if executed.reply.finish_reason is FinishReason.ERROR:
        detail = "it gave up in the middle of its answer"
        raise PlatformError(executed.platform, ErrorKind.BAD_REPLY, detail)
    return arrival


def _answering(departure: Departure, known: TextDelta | Arrival | None) -> str | None:
    """Who is answering, as far as that is certain at a stream's first words."""
    if isinstance(known, Arrival):
        return known.executed.platform
    if known is None or departure.journey.failures:
        return None
    return departure.decision.plan.primary.platform


def _limits(
    model: str, headers: Mapping[str, str], profiles: Mapping[str, PlatformProfile]
) -> Limits:
    """Whom the model's name and the headers allow.

    Raises:
        RequestError: there is no such model, or a header cannot be read.
    """
    max_cost = headers.get("x-supportmax-max-cost")
    max_latency = headers.get("x-supportmax-max-latency-ms")
    limits = Limits(
        fallback_platforms=_fallbacks(headers.get("x-supportmax-fallback"), profiles),
        requirements=Requirements(
            max_cost_usd=None if max_cost is None else _usd(max_cost),
            max_latency_ms=None if max_latency is None else _milliseconds(max_latency),
        ),
    )
    if model in STRATEGIES:
        return replace(limits, strategy=STRATEGIES[model])
    for profile in profiles.values():
        if model in {profile.name, profile.model}:
            return replace(limits, platform=profile.name)
    there = ", ".join([*STRATEGIES, *profiles, *(p.model for p in profiles.values())])
    message = f"This model does not exist here; there are: {there}"
    raise RequestError("model_not_found", message, (Violation("/model", message),))


def _fallbacks(
    given: str | None, profiles: Mapping[str, PlatformProfile]
) -> tuple[str, ...] | None:
    if given is None:
        return None
    names = tuple(name.strip() for name in given.split(",") if name.strip())
    if not all(name in profiles for name in names):
        raise invalid("header:x-supportmax-fallback", f"there are: {', '.join(profiles)}")
    return names


def _usd(given: str) -> Decimal:
    try:
        limit = Decimal(given) if len(given) <= _NUMBER_MAX else Decimal(0)
    except InvalidOperation:
        limit = Decimal(0)
    # Bounded both ways, before anything is reckoned: the digits of 1e-99999999 fill a memory.
    if not (limit.is_finite() and _USD_MIN <= limit <= _USD_MAX):
        raise invalid("header:x-supportmax-max-cost", f"not in {_USD_MIN}..{_USD_MAX} USD")
    return limit


def _milliseconds(given: str) -> float:
    try:
        limit = float(given) if len(given) <= _NUMBER_MAX else math.nan
    except ValueError:
        limit = math.nan
    if not 0 < limit <= _LATENCY_MAX_MS:
        raise invalid("header:x-supportmax-max-latency-ms", f"not in 0..{_LATENCY_MAX_MS}")
    return limit


def _headers(departure: Departure, platform: str | None, simulated: bool | None) -> dict[str, str]:
    answer_id = departure.journey.answer_id
    # Each vendor's client shows one of the two as the request's id.
    known = {"x-request-id": answer_id, "request-id": answer_id}
    known["x-supportmax-decision"] = departure.decision.id
    if platform is not None:
        known["x-supportmax-platform"] = platform
    if simulated is not None:
        known["x-supportmax-simulated"] = str(simulated).lower()
    return known


def _cost(arrival: Arrival) -> dict[str, str]:
    if arrival.cost_usd is None:
        return {}
    return {"x-supportmax-cost-usd": f"{arrival.cost_usd.normalize():f}"}


def _model(name: str, owner: str) -> dict[str, object]:
    """A model; nobody here knows when it was released, so its date is the epoch."""
    return {
        "id": name,
        "object": "model",
        "created": 0,
        "owned_by": owner,
        "type": "model",
        "display_name": name,
        "created_at": "1970-01-01T00:00:00Z",
        "lifecycle": "active",
    }
