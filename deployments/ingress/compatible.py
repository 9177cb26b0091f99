"""What the vendors' own routes share: the road is the same, only the dialect differs.

Messages go down the road as they are: no knowledge is added, and nothing is kept but what a
caller's own conversation is to hold. What SupportMax adds to a vendor's API is in headers and
in models' names alone, so that its clients work unchanged.
"""

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, TypeVar

from starlette.responses import Response

from deployments.agent.budgets import payer_of
from deployments.agent.pseudonym import Pseudonyms
from deployments.agent.road import Arrival, Departure, Road, Step
from deployments.ingress import events
from deployments.ingress.anthropic_messages import Messages
from deployments.ingress.assistants import Assistants
from deployments.ingress.conversation_run import ConversationRun, ConversationRuns
from deployments.ingress.dialect import Dialect, Stamp
from deployments.ingress.openai_chat import ChatCompletions
from deployments.ingress.openai_responses import Responses
from deployments.ingress.routes import Call, reply
from deployments.ingress.vendor_errors import invalid
from deployments.ingress.vendor_limits import STRATEGIES, limits_of
from deployments.ingress.vendor_stream import frames, sound, sounded
from deployments.privacy.sealer import Sealer, sealed
from deployments.security.reach import customer_of
from routing.catalog import Catalog, Catalogs
from routing.clock import Clock
from routing.errors import RequestError
from routing.exchange import ChatRequest
from routing.message import images_of

if TYPE_CHECKING:
    from deployments.ingress.openai_responses_schema import ResponsesBody


class _Asking(Protocol):
    @property
    def model(self) -> str: ...


_Body = TypeVar("_Body", bound=_Asking)

# Until the first words a failure still has its HTTP status, by which vendors' clients know
# what to raise and whether to try again. After this long a sign of life matters more.
FIRST_WORDS_S = events.HEARTBEAT_S


class Compatible:
    """The routes of OpenAI's and Anthropic's clients.

    A body may have `max_text_bytes` besides the images in it.
    """

    def __init__(
        self,
        road: Road,
        catalogs: Catalogs,
        max_tokens: int,
        clock: Clock,
        max_text_bytes: int,
        assistants: Assistants,
        runs: ConversationRuns,
        pseudonyms: Pseudonyms,
        sealer: Sealer | None = None,
    ) -> None:
        """Without a `sealer` platforms are told personal data as it is."""
        self._sealer = sealer
        self._pseudonyms = pseudonyms
        self._road = road
        self._catalogs = catalogs
        self._max_tokens = max_tokens
        self._clock = clock
        self._max_text_bytes = max_text_bytes
        self._assistants = assistants
        self._runs = runs

    @property
    def _catalog(self) -> Catalog:
        return self._catalogs.at(self._clock.now())

    async def chat_completions(self, call: Call) -> Response:
        """POST /v1/chat/completions."""
        return await self._answer(call, ChatCompletions())

    async def responses(self, call: Call) -> Response:
        """POST /v1/responses."""
        body: ResponsesBody = call.body
        if body.conversation is None:
            return await self._answer(call, Responses())
        assistant = self._assistants.find(body.model)
        model = body.model if assistant is None else assistant.model
        run = await self._runs.begin(
            call.principal,
            body.conversation.id,
            body.input,
            self._road.deadline_s(limits_of(model, call.request.headers, self._catalog)),
            "local" if assistant is None else assistant.state,
        )
        try:
            return await self._answer(call, Responses(run.earlier, run.id), run)
        except BaseException:
            await run.release()
            raise

    async def messages(self, call: Call) -> Response:
        """POST /v1/messages."""
        return await self._answer(call, Messages())

    async def models(self, call: Call) -> Response:
        """GET /v1/models: in one object what either vendor's client looks for."""
        owners = dict.fromkeys(STRATEGIES, "supportmax")
        catalog = self._catalog
        owners |= {name: name for name in catalog.platforms}
        for profile in catalog.profiles:
            owners.setdefault(profile.model, profile.name)
        owners |= dict.fromkeys(self._assistants.models(), "supportmax")
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

    async def _answer(
        self, call: Call, dialect: Dialect[_Body], run: ConversationRun | None = None
    ) -> Response:
        began = self._clock.monotonic()
        body: _Body = call.body
        assistant = self._assistants.find(body.model)
        if assistant is None:
            wanted = dialect.read(body, self._max_tokens)
        else:
            max_tokens = assistant.max_tokens or self._max_tokens
            wanted = assistant.instruct(dialect.read(body, max_tokens, assistant.tools))
        self._check_size(len(await call.request.body()), wanted.request)
        tenant = call.principal.tenant
        limits = limits_of(wanted.model, call.request.headers, self._catalog)
        safety_id = await self._pseudonyms.safety_id(tenant, wanted.end_user)
        request = replace(wanted.request, safety_id=safety_id)
        if run is not None and run.vendor_conversation is not None:
            if limits.fallback_platforms:
                raise invalid("header:x-supportmax-fallback", "one platform keeps the conversation")
            limits = replace(limits, fallback_platforms=())
            request = replace(request, vendor_conversation=run.vendor_conversation)
        payer = payer_of(call.principal, wanted.end_user, None if run is None else run.id)
        seal = None
        if self._sealer is not None:
            # Nobody here says which customer it is about, nor, mostly, in which conversation: a
            # value is then the same token in all that one caller sends.
            customer = customer_of(call.principal, wanted.end_user)
            within = f"{call.principal.subject}\0{customer or ''}" if run is None else run.id
            seal = await self._sealer.seal(tenant, within, customer)
            request = await sealed(seal, request)
        departure = await self._road.depart(
            payer, request, replace(limits, stream=wanted.stream), began
        )
        departure = replace(departure, seal=seal)
        try:
            if wanted.stream:
                response = await self._stream(body, dialect, departure, wanted.model, run)
            else:
                response = await self._whole(body, dialect, departure, run)
        except BaseException:
            departure.settle()  # the stream may not have begun
            raise
        if assistant is not None:
            response.headers["x-supportmax-assistant"] = assistant.name
        return response

    async def _whole(
        self,
        body: _Body,
        dialect: Dialect[_Body],
        departure: Departure,
        run: ConversationRun | None,
    ) -> Response:
        arrival = sound(await self._road.complete(departure))
        executed = arrival.executed
        stamp = self._stamp(departure, executed.reply.model)
        if run is not None:
            await run.keep(stamp, executed.reply, executed.platform)
        self._road.handed_over(departure)
        response = reply(dialect.whole(body, stamp, executed.reply))
        response.headers.update(_headers(departure, executed.platform, arrival.simulated))
        response.headers.update(_cost(arrival))
        return response

    async def _stream(
        self,
        body: _Body,
        dialect: Dialect[_Body],
        departure: Departure,
        asked_for: str,
        run: ConversationRun | None,
    ) -> Response:
        steps = self._road.stream(departure)
        first = asyncio.ensure_future(anext(steps))
        try:
            await asyncio.wait((first,), timeout=FIRST_WORDS_S)
            known = sounded(first.result()) if first.done() else None
        except BaseException:
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
            await steps.aclose()
            raise
        target = _answering(departure, known)
        profile = None
        if target is not None:
            profile = self._catalogs.profile(target, self._clock.now())
        stamp = self._stamp(departure, asked_for if profile is None else profile.model)
        writer = dialect.writer(body, stamp)
        response = events.response(frames(writer, first, steps, stamp, run))
        simulated = None if profile is None else profile.simulated
        response.headers.update(
            _headers(departure, None if profile is None else profile.name, simulated)
        )
        if isinstance(known, Arrival):
            response.headers.update(_cost(known))
        return response

    def _check_size(self, body_bytes: int, request: ChatRequest) -> None:
        # These routes take larger bodies for images alone. A text of that length is a mistake, and
        # a model with room for it would be paid for reading it.
        images = sum(len(image.data) for image in images_of(request.messages))
        if body_bytes - images > self._max_text_bytes:
            detail = f"At most {self._max_text_bytes} bytes are taken besides images."
            raise RequestError("body_too_large", detail)

    def _stamp(self, departure: Departure, model: str) -> Stamp:
        answer_id = departure.journey.answer_id.removeprefix("ans_")
        return Stamp(answer_id, model, int(self._clock.now()))


def _answering(departure: Departure, known: Step | None) -> str | None:
    """Who is answering, as far as that is certain at a stream's first words."""
    if isinstance(known, Arrival):
        return known.executed.target
    if known is None or departure.journey.failures or departure.journey.hedged:
        return None
    return departure.decision.plan.primary.target


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
