"""What the ingress knows of the platforms' offers: asked in the background, kept, told on."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest

from deployments.ingress.offers import ASK_EVERY_S, RETRY_S, Offering, Offers
from deployments.platforms.models import ListedModel, Offer
from routing.errors import ErrorKind, PlatformError
from tests.unit.virtual_time import LoopClock, VirtualTimeLoop

KNOWN = Offer((ListedModel("a-model"),), 1.0)
LATER = Offer((ListedModel("b-model"),), 2.0)
FAILED = Offer(unknown_since=1.0, detail="credentials: no such key")
LOST = PlatformError("openai", ErrorKind.CONNECTION, "its replica was lost")


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, object]]:
    return "asyncio", {"loop_factory": VirtualTimeLoop}


class Replica:
    """Answers as told, the last word again and again."""

    def __init__(self, *answers: Offer | Exception | float) -> None:
        self._answers = list(answers)
        self.asked_at: list[float] = []

    async def offer(self) -> Offer:
        self.asked_at.append(asyncio.get_running_loop().time())
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, float):
            await asyncio.sleep(answer)
            return KNOWN
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def pauses(self) -> list[float]:
        return [late - early for early, late in zip(self.asked_at, self.asked_at[1:], strict=False)]


@asynccontextmanager
async def asking(
    platforms: Mapping[str, Offering], told: list[tuple[str, Offer]] | None = None
) -> AsyncIterator[Offers]:
    heard = [] if told is None else told
    offers = Offers(platforms, lambda name, offer: heard.append((name, offer)), LoopClock())
    offers.start()
    try:
        yield offers
    finally:
        await offers.aclose()


async def test_before_anybody_has_said_anything_nothing_is_known() -> None:
    async with asking({"openai": Replica(5.0)}) as offers:
        assert offers.of("openai") == Offer()
        assert offers.of("disabled") == Offer()


async def test_the_offers_are_asked_for_at_the_start_and_every_ten_minutes() -> None:
    replica, told = Replica(KNOWN, LATER), list[tuple[str, Offer]]()
    async with asking({"openai": replica}, told) as offers:
        await asyncio.sleep(1)
        assert offers.of("openai") == KNOWN
        await asyncio.sleep(ASK_EVERY_S)
        assert offers.of("openai") == LATER
    assert replica.pauses == [ASK_EVERY_S]
    assert told == [("openai", KNOWN), ("openai", LATER)]


async def test_a_replica_that_hangs_holds_up_no_other() -> None:
    async with asking({"openai": Replica(10_000.0), "anthropic": Replica(KNOWN)}) as offers:
        await asyncio.sleep(1)
        assert offers.of("anthropic") == KNOWN


async def test_a_replica_that_is_lost_leaves_its_last_word_and_since_when_it_is_old() -> None:
    async with asking({"openai": Replica(KNOWN, LOST)}) as offers:
        await asyncio.sleep(ASK_EVERY_S + 1)
        began = asyncio.get_running_loop().time() - 1
        stale = offers.of("openai")
        await asyncio.sleep(ASK_EVERY_S)
        assert offers.of("openai") == stale
    assert (stale.models, stale.as_of) == (KNOWN.models, KNOWN.as_of)
    assert stale.unknown_since == pytest.approx(began)
    assert stale.detail == "connection: its replica was lost"


@pytest.mark.parametrize("trouble", [LOST, FAILED, KeyError("ours")])
async def test_while_nothing_is_known_it_is_asked_sooner_and_then_ever_later(
    trouble: Offer | Exception,
) -> None:
    """Whether the replica is away or its vendor: an operator looks at a start, not at noon."""
    replica = Replica(trouble)
    async with asking({"openai": replica}) as offers:
        await asyncio.sleep(6 * 3600)
        assert offers.of("openai").detail
    assert replica.pauses[:3] == [RETRY_S, 2 * RETRY_S, 4 * RETRY_S]
    assert max(replica.pauses) == ASK_EVERY_S
    assert len(replica.asked_at) < 50


async def test_what_is_told_may_be_heard_again_after_trouble() -> None:
    async with asking({"openai": Replica(LOST, KNOWN)}) as offers:
        await asyncio.sleep(RETRY_S + 1)
        assert offers.of("openai") == KNOWN
