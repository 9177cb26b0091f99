"""POST /v3/chat and the platforms' own chat routes: from a body to an Ask, from an Answer to bytes."""

import contextlib
import hashlib
import logging
import re
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from decimal import Decimal

from starlette.responses import Response

from actors.database.errors import DatabaseBusy, DatabaseUnavailable
from actors.database.idempotency import Done as Repeated
from actors.database.idempotency import Fresh, Idempotency, Mismatch, Running
from deployments.agent.exchange import AgentEvent, Ask, Decided, Delta, Done, Grounded, citation
from deployments.agent.executor import Resumed
from deployments.agent.hands import Calling, Made
from deployments.agent.keeper import owner_of
from deployments.agent.road import Limits
from deployments.agent.support import SupportAgent
from deployments.ingress import events, problem
from deployments.ingress.answers import checked_event
from deployments.ingress.routes import Call, reply
from deployments.ingress.schema import AnswerBody, ChatBody, RouteBody
from deployments.security.principal import Principal
from deployments.security.reach import may_ask_about
from routing.clock import Clock
from routing.errors import AccessError, ConflictError, RequestError, Violation
from routing.policy import Strategy
from routing.requirement import Requirements

_log = logging.getLogger(__name__)
_KEY = re.compile(r"[\x21-\x7e]{1,128}")


class Chat:
    """The chat routes."""

    def __init__(self, agent: SupportAgent, idempotency: Idempotency, clock: Clock) -> None:
        self._agent = agent
        self._idempotency = idempotency
        self._clock = clock

    async def auto(self, call: Call) -> Response:
        """POST /v3/chat: the road chooses, unless the body names a platform."""
        body: ChatBody = call.body
        return await self._chat(
            call, to_ask(body, None if body.platform == "auto" else body.platform)
        )

    async def openai(self, call: Call) -> Response:
        """POST /v3/openai/chat."""
        return await self._fixed(call, "openai")

    async def anthropic(self, call: Call) -> Response:
        """POST /v3/anthropic/chat."""
        return await self._fixed(call, "anthropic")

    async def azure(self, call: Call) -> Response:
        """POST /v3/azure/chat."""
        return await self._fixed(call, "azure_openai")

    async def vertex(self, call: Call) -> Response:
        """POST /v3/google/vertex."""
        return await self._fixed(call, "google_vertex")

    async def copilot(self, call: Call) -> Response:
        """POST /v3/microsoft/copilot."""
        return await self._fixed(call, "copilot_studio")

    async def route(self, call: Call) -> Response:
        """POST /v3/platforms/route: an explicit platform, or its decision alone."""
        body: RouteBody = call.body
        ask = to_ask(body, body.platform)
        if not body.dry_run:
            return await self._chat(call, ask)
        _may_be_about(call.principal, ask)
        decision = await self._agent.decide(call.principal, ask)
        return reply({"decision": decision.to_json()})

    async def _fixed(self, call: Call, platform: str) -> Response:
        body: ChatBody = call.body
        if body.platform not in {"auto", platform}:
            message = f"This route is {platform}'s; leave the field out."
            raise RequestError("invalid_request", message, (Violation("/platform", message),))
        return await self._chat(call, to_ask(body, platform))

    async def _chat(self, call: Call, ask: Ask) -> Response:
        _may_be_about(call.principal, ask)
        key = call.request.headers.get("idempotency-key")
        if ask.limits.stream:
            if key is not None:
                raise _bad_key("A stream cannot be repeated; leave Idempotency-Key out.")
            steps = self._agent.stream(call.principal, ask)
            # What is refused before anyone is asked is refused with its own status.
            first = await anext(steps)
            return events.response(self._frames(first, steps))
        if key is None:
            return reply((await self._agent.answer(call.principal, ask)).to_json())
        return await self._once(call, ask, key)

    async def _once(self, call: Call, ask: Ask, key: str) -> Response:
        """The answer under an idempotency key: made once, repeated for a day."""
        if not _KEY.fullmatch(key):
            raise _bad_key("Idempotency-Key must be 1 to 128 visible ASCII characters.")
        tenant = call.principal.tenant
        # Of this caller alone, whatever keys its colleagues think of; and hashed, as it names them.
        kept = _hashed(call.principal.subject, key)
        body = hashlib.sha256(call.request.url.path.encode() + b"\0" + await call.request.body())
        digest = body.hexdigest()
        about = owner_of(call.principal, ask)
        begun = await self._idempotency.begin(tenant, kept, digest, self._clock.now(), about)
        match begun:
            case Repeated(status, answer):
                return reply(answer, status)
            case Running():
                raise ConflictError(
                    "request_in_progress", "The request with this key is under way."
                )
            case Mismatch():
                raise RequestError("idempotency_mismatch", "This key was used with another body.")
            case Fresh(lease, since):
                once = replace(ask, once=f"once:{_hashed(tenant, kept, digest, repr(since))[:32]}")
                try:
                    made = (await self._agent.answer(call.principal, once)).to_json()
                except BaseException:
                    with contextlib.suppress(DatabaseBusy, DatabaseUnavailable):
                        await self._idempotency.abandon(tenant, kept, lease)
                    raise
                try:
                    await self._idempotency.finish(tenant, kept, lease, 200, made)
                except (DatabaseBusy, DatabaseUnavailable):
                    # The answer is paid for: give it; a repeat waits until the lease ends.
                    _log.exception("the answer under an idempotency key was not kept")
                return reply(made)

    async def _frames(
        self, first: AgentEvent, rest: AsyncGenerator[AgentEvent, None]
    ) -> AsyncGenerator[bytes, None]:
        """The answer as events; whatever goes wrong is the last of them."""
        try:
            async with contextlib.aclosing(rest) as steps:
                yield _frame(first)
                async for step in steps:
                    yield _frame(step)
        except Exception as error:  # noqa: BLE001
            yield events.frame("error", problem.document(error))


def _frame(step: AgentEvent) -> bytes:
    name, data = told(step)
    if isinstance(step, Done):
        checked_event("a stream", AnswerBody, data)
    return events.frame(name, data)


def told(step: AgentEvent) -> tuple[str, Mapping[str, object]]:
    """An event of the agent as callers are told it: its name and its data."""
    match step:
        case Decided(decision):
            return "decision", decision.to_json()
        case Grounded(context):
            citations = [citation(passage) for passage in context.passages]
            return "context", {"citations": citations, "degraded": list(context.degraded)}
        case Delta(text):
            return "delta", {"text": text}
        case Resumed(origin, to):
            return "resumed", {"from": origin, "to": to}
        case Calling() | Made():
            return "tool", step.to_json()
        case Done(answer):
            return "done", answer.to_json()


def to_ask(body: ChatBody, platform: str | None) -> Ask:
    """What the body asks, in the agent's words."""
    wanted, fallbacks = body.requirements, body.fallback_platforms
    limits = Limits(
        platform=platform,
        fallback_platforms=None if fallbacks is None else tuple(fallbacks),
        strategy=None if body.strategy is None else Strategy(body.strategy),
        requirements=Requirements(
            # Through its shortest text: 0.1 dollars are ten cents, not the nearest binary fraction.
            max_cost_usd=None if wanted.max_cost is None else Decimal(str(wanted.max_cost)),
            max_latency_ms=wanted.max_latency_ms,
            capabilities=frozenset(wanted.capabilities),
            regions=frozenset(wanted.regions),
            min_quality=wanted.min_quality,
        ),
        stream=body.stream,
    )
    return Ask(
        message=body.message,
        user_id=body.user_id,
        conversation_id=body.conversation_id,
        sources=None if body.sources is None else tuple(body.sources),
        max_tokens=body.max_tokens,
        limits=limits,
        tools=body.tools if isinstance(body.tools, str) else tuple(dict.fromkeys(body.tools)),
    )


def _may_be_about(principal: Principal, ask: Ask) -> None:
    """Raise AccessError where the message is about somebody whom the caller may not ask about."""
    if ask.user_id is not None and not may_ask_about(principal, ask.user_id):
        raise AccessError("not_found", "There is no such customer.")


def _hashed(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _bad_key(message: str) -> RequestError:
    return RequestError("invalid_request", message, (Violation("header:Idempotency-Key", message),))
