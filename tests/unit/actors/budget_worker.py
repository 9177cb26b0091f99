"""A process that spends: `python -m tests.unit.actors.budget_worker DATABASE CHARGES REQUESTS NAME AHEAD`.

It is a replica without HTTP: a road over platforms that charge what an answer can cost at most
into the file CHARGES before they give it, and a coordinator of its own over the same database.
Its clock is AHEAD seconds before the machine's time, so that no day ends while it spends.
"""

import asyncio
import os
import random
import sys
from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING, Any, cast

from typing_extensions import override

from actors.coordinator.budgets import BudgetOwner
from actors.database import Database, open_database
from actors.database.budget_books import BudgetBooks
from actors.database.budgets import BudgetDefinitions
from actors.database.errors import DatabaseBusy, DatabaseUnavailable
from deployments.agent import budgets
from deployments.agent.budgets import Purse
from deployments.agent.executor import Executor
from deployments.agent.lenders import Lender
from deployments.agent.road import Limits, Road, RoadOptions
from deployments.agent.witness import Witness
from deployments.platforms.base import Platform
from routing.budget import Claim, Payer, Standing
from routing.catalog import Catalog
from routing.clock import Clock, SystemClock
from routing.errors import (
    BudgetExceeded,
    BudgetUnavailable,
    ErrorKind,
    PlatformError,
    SupportMaxError,
)
from routing.estimate import TaskFacts
from routing.exchange import ChatChunk, ChatReply, ChatRequest, FinishReason, ReplyDone, Usage
from routing.message import Message
from routing.policies import POLICIES
from routing.policies.balanced import Weights
from routing.policy import Strategy
from routing.scorecard import Snapshot
from tests.unit.agent.worlds import Board
from tests.unit.routing.worlds import CHEAP, platform

if TYPE_CHECKING:
    from actors.database.decisions import Decisions
    from actors.database.worlds import Worlds

# A support question: 500 bytes, 200 tokens of an answer.
REQUEST = ChatRequest(model="", messages=(Message("user", "why? " * 100),), max_tokens=200)
USERS = 20
# What it can be counted as at most, and how an answer can be lost that was paid for.
INPUT_TOKENS = TaskFacts(500, len(REQUEST.messages) + 1, REQUEST.max_tokens).input_tokens_bound
LOST = (ErrorKind.TIMEOUT, ErrorKind.CONNECTION, ErrorKind.STREAM_TRUNCATED, ErrorKind.BAD_REPLY)


class Ahead(SystemClock):
    """The machine's clock, so many seconds before its time."""

    def __init__(self, by_s: float) -> None:
        self.by_s = by_s

    @override
    def now(self) -> float:
        return super().now() + self.by_s


class Owner(Lender):
    """A coordinator that is away now and then: before it has lent, or after."""

    def __init__(self, database: Database, clock: Clock, chance: random.Random) -> None:
        self._owner = BudgetOwner(BudgetBooks(database))
        self._clock = clock
        self._chance = chance
        self.is_steady = False

    @override
    async def lease(self, claims: Sequence[Claim]) -> list[Standing]:
        fate = 1.0 if self.is_steady else self._chance.random()
        if fate < 0.1:
            raise BudgetUnavailable("lost on the way there")
        try:
            standings = await self._owner.lease(claims, self._clock.now())
        except (DatabaseBusy, DatabaseUnavailable) as error:
            raise BudgetUnavailable("no store") from error
        if fate < 0.2:
            raise BudgetUnavailable("lost on the way back")
        return standings


class Vendor(Platform):
    """Charges first, and answers then or is lost; or refuses, and charges the input or nothing."""

    def __init__(self, charges: int, chance: random.Random) -> None:
        self._charges = charges
        self._chance = chance

    @override
    async def complete(self, request: ChatRequest, deadline_s: float) -> ChatReply:
        await asyncio.sleep(self._chance.random() / 20)
        fate = self._chance.random()
        if fate < 0.1:
            raise PlatformError("openai", ErrorKind.OVERLOADED, "no", status=529)
        if fate < 0.15:
            self._charge(request, Usage(INPUT_TOKENS))
            raise PlatformError("openai", ErrorKind.CONTENT_FILTERED, "no", status=400)
        usage = Usage(INPUT_TOKENS, output_tokens=request.max_tokens)
        self._charge(request, usage)
        await asyncio.sleep(self._chance.random() / 20)
        if fate < 0.35:
            raise PlatformError("openai", self._chance.choice(LOST), "the answer was lost")
        return ChatReply("an answer", FinishReason.LENGTH, usage, "m")

    def _charge(self, request: ChatRequest, usage: Usage) -> None:
        assert request.safety_id is not None
        os.write(self._charges, f"{request.safety_id} {CHEAP.cost(usage)}\n".encode())

    @override
    async def stream(
        self, request: ChatRequest, deadline_s: float
    ) -> AsyncGenerator[ChatChunk, None]:
        yield ReplyDone(await self.complete(request, deadline_s))

    @override
    async def aclose(self) -> None:
        pass


class Seen(Board):
    """A scoreboard without scores."""

    snapshot = Snapshot(1, "local", 0.0, {})


class Nothing:
    """A store that keeps nothing."""

    async def put(self, *_: object) -> None:
        pass


async def spend(database: Database, charges: int, requests: int, name: str, clock: Clock) -> None:
    """Ask so many questions at once; say how each ended."""
    chance = random.Random(name)  # noqa: S311
    board, nothing = Seen(), cast("Any", Nothing())
    catalog = Catalog((platform("openai"), platform("anthropic")))
    owner = Owner(database, clock, chance)
    purse = Purse(BudgetDefinitions(database), owner, name, clock)
    await purse.start(())
    vendors = {n: Vendor(charges, chance) for n in catalog.platforms}
    road = Road(
        catalog,
        board,
        Executor(vendors, catalog, board, clock),
        Witness(catalog, cast("Decisions", nothing), cast("Worlds", nothing), Weights(), clock),
        RoadOptions(Strategy.COST_OPTIMIZED, POLICIES, (), 3, 30.0, 60.0),
        clock,
        chance,
        purse,
    )

    async def one(number: int) -> None:
        user = f"user{number % USERS}"
        request = ChatRequest(**{**_fields(REQUEST), "safety_id": user})
        payer = Payer("acme", None, user)
        outcome = "answered"
        try:
            departure = await road.depart(payer, request, Limits(), clock.monotonic())
            await road.complete(departure)
        except (BudgetExceeded, BudgetUnavailable, SupportMaxError) as error:
            outcome = error.code
        os.write(1, f"{outcome}\n".encode())

    await asyncio.gather(*map(one, range(requests)))
    owner.is_steady = True
    await purse.aclose()


def _fields(request: ChatRequest) -> dict[str, Any]:
    return {name: getattr(request, name) for name in request.__dataclass_fields__}


async def main(address: str, charges: str, requests: str, name: str, ahead_s: str) -> None:
    """As the first lines say."""
    # A thousand requests at once on a busy machine are not to be taken for a coordinator's absence.
    budgets.REFILL_S = 30.0
    database = open_database(address)
    file = os.open(charges, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(1, b"ready\n")
    sys.stdin.readline()  # all begin at once: the first alone would take every lease with him
    await spend(database, file, int(requests), name, Ahead(float(ahead_s)))
    await database.aclose()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
