"""Platforms that answer by a script, a board that notes what is reported, and plans to run."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from decimal import Decimal

from typing_extensions import override

from deployments.agent.attempt import Journey, Reporter
from deployments.agent.executor import Executed, Executor, Resumed
from deployments.platforms.base import Platform
from routing.catalog import Catalog
from routing.errors import (
    ErrorKind,
    PlatformError,
)
from routing.estimate import TaskFacts
from routing.exchange import (
    ChatChunk,
    ChatReply,
    ChatRequest,
    FinishReason,
    ReplyDone,
    TextDelta,
    Usage,
)
from routing.message import Message
from routing.money import Price
from routing.outcome import Outcome
from routing.plan import AttemptPlan, PlannedAttempt
from tests.unit.routing.worlds import CHEAP, platform
from tests.unit.virtual_time import LoopClock

Step = str | float | asyncio.Event | ChatReply | Exception
"""Of an answer: more text, a pause in seconds or until an event, the whole reply, or what goes wrong."""


class Scripted(Platform):
    """Answers its n-th call by its n-th script; notes what it was asked and who was cut off."""

    def __init__(self, *scripts: Sequence[Step]) -> None:
        self.scripts = list(scripts)
        self.asked: list[ChatRequest] = []
        self.timeouts: list[float] = []
        self.cut = 0

    @override
    async def complete(self, request: ChatRequest, deadline_s: float) -> ChatReply:
        async with contextlib.aclosing(self.stream(request, deadline_s)) as chunks:
            async for chunk in chunks:
                if isinstance(chunk, ReplyDone):
                    return chunk.reply
        raise AssertionError("a script for `complete` has an end")

    @override
    async def stream(
        self, request: ChatRequest, deadline_s: float
    ) -> AsyncGenerator[ChatChunk, None]:
        self.asked.append(request)
        self.timeouts.append(deadline_s)
        try:
            for step in self.scripts.pop(0):
                match step:
                    case str(text):
                        yield TextDelta(text)
                    case float(pause_s):
                        await asyncio.sleep(pause_s)
                    case asyncio.Event():
                        await step.wait()
                    case ChatReply() as whole:
                        yield ReplyDone(whole)
                    case error:
                        raise error
        except (asyncio.CancelledError, GeneratorExit):
            self.cut += 1
            raise

    @override
    async def aclose(self) -> None:
        pass


class Board(Reporter):
    """Notes what is reported, and grants or refuses probes."""

    def __init__(self, *, grants: bool = True) -> None:
        self.begun: list[str] = []
        self.outcomes: list[Outcome] = []
        self.claims: list[tuple[str, str]] = []
        self.released: list[tuple[str, str]] = []
        self._grants = grants

    @override
    def begin(self, platform: str) -> None:
        self.begun.append(platform)

    @override
    def end(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)

    @override
    async def claim_probe(self, platform: str, key: str) -> bool:
        self.claims.append((platform, key))
        return self._grants

    @override
    def release_probe(self, platform: str, key: str) -> None:
        self.released.append((platform, key))

    @property
    def told(self) -> list[tuple[str, str]]:
        """Each outcome's platform, and how it ended."""
        return [
            (o.platform, "abandoned" if o.abandoned else o.error or "ok") for o in self.outcomes
        ]


def reply(text: str = "hi", output_tokens: int = 100) -> ChatReply:
    usage = Usage(input_tokens=1000, output_tokens=output_tokens)
    return ChatReply(text, FinishReason.STOP, usage, "model-that-answered")


def fails(
    kind: ErrorKind, name: str = "openai", retry_after_s: float | None = None
) -> PlatformError:
    return PlatformError(name, kind, "words of the vendor", retry_after_s)


def journey(
    *planned: PlannedAttempt, deadline_s: float = 30.0, left_usd: Decimal | None = None
) -> Journey:
    attempts = planned or (attempt("openai", 27.0), attempt("anthropic", 3.0))
    return Journey(
        plan=AttemptPlan(deadline_s, attempts),
        request=ChatRequest(model="", messages=(Message("user", "hello"),)),
        tenant="acme",
        answer_id="ans_1",
        began=LoopClock().monotonic(),
        facts=TaskFacts(input_bytes=920, messages=1, max_tokens=800),  # at most 1,000 tokens
        left_usd=left_usd,
    )


def attempt(
    name: str, timeout_s: float, *, is_probe: bool = False, cost_bound_usd: Decimal | None = None
) -> PlannedAttempt:
    return PlannedAttempt(name, f"{name}-model", 800, timeout_s, cost_bound_usd, is_probe)


def executor(board: Board, **platforms: Platform) -> Executor:
    return priced(CHEAP, board, **platforms)


def priced(price: Price, board: Board, **platforms: Platform) -> Executor:
    catalog = Catalog(platform(name, price=price) for name in platforms)
    return Executor(platforms, catalog, board, LoopClock())


async def read(run: Executor, plan: Journey) -> tuple[str, Executed | Exception]:
    """The text that reached the caller, and what it ended in."""
    text = ""
    try:
        async for step in run.stream(plan):
            match step:
                case TextDelta(more):
                    text += more
                case Resumed():
                    pass
                case Executed():
                    return text, step
    except Exception as error:  # noqa: BLE001  it is what the test asks about
        return text, error
    raise AssertionError("a stream ends in Executed or an error")
