"""What a replica knows of its platform's models: asked in the background, kept, asked again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from deployments.platforms.model_watch import (
    ASK_EVERY_S,
    GIVE_UP_S,
    RETRY_MAX_S,
    RETRY_S,
    ModelWatch,
)
from deployments.platforms.models import ListedModel, Offer
from routing.errors import ErrorKind, PlatformError
from tests.unit.virtual_time import LoopClock

ONE, OTHER = ListedModel("a-model"), ListedModel("b-model")
REFUSED = PlatformError("openai", ErrorKind.CREDENTIALS, "no such key", None, 401)


class Vendor:
    """Answers its list as told, the last word again and again; notes when it was asked."""

    def __init__(self, *answers: tuple[ListedModel, ...] | Exception | float) -> None:
        self._answers = list(answers)
        self.asked_at: list[float] = []

    async def models(self) -> tuple[ListedModel, ...]:
        self.asked_at.append(asyncio.get_running_loop().time())
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, float):
            await asyncio.sleep(answer)
            return (ONE,)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def pauses(self) -> list[float]:
        return [late - early for early, late in zip(self.asked_at, self.asked_at[1:], strict=False)]


@asynccontextmanager
async def watching(vendor: Vendor) -> AsyncIterator[ModelWatch]:
    watch = ModelWatch("openai", vendor.models, LoopClock())
    watch.start()
    try:
        yield watch
    finally:
        await watch.aclose()


async def test_who_asks_first_waits_for_the_first_list_and_who_asks_later_does_not() -> None:
    vendor = Vendor(5.0)
    async with watching(vendor) as watch:
        offer = await watch.offer()
        now = asyncio.get_running_loop().time()
        assert offer == Offer((ONE,), now)
        assert await watch.offer() == offer
        assert asyncio.get_running_loop().time() == now
    assert len(vendor.asked_at) == 1


async def test_the_list_is_asked_for_again_every_six_hours_and_kept_in_order() -> None:
    vendor = Vendor((ONE,), (OTHER, ONE))
    async with watching(vendor) as watch:
        assert (await watch.offer()).models == (ONE,)
        await asyncio.sleep(ASK_EVERY_S + 1)
        assert (await watch.offer()).models == (ONE, OTHER)
    assert vendor.pauses == [ASK_EVERY_S]


async def test_a_failure_keeps_the_last_list_and_says_since_when_it_is_unknown() -> None:
    """The first failure's moment stays, however often it fails after that."""
    vendor = Vendor((ONE,), REFUSED)
    async with watching(vendor) as watch:
        known = await watch.offer()
        await asyncio.sleep(ASK_EVERY_S + 1)
        failed = await watch.offer()
        await asyncio.sleep(10 * RETRY_S)
        assert await watch.offer() == failed
    assert (failed.models, failed.as_of) == (known.models, known.as_of)
    assert failed.unknown_since == vendor.asked_at[1]
    assert failed.detail == "credentials: no such key"


async def test_a_vendor_that_comes_back_is_known_again() -> None:
    vendor = Vendor(REFUSED, (ONE,))
    async with watching(vendor) as watch:
        assert (await watch.offer()).models is None
        await asyncio.sleep(RETRY_S + 1)
        offer = await watch.offer()
    assert (offer.models, offer.unknown_since, offer.detail) == ((ONE,), None, "")


async def test_failures_are_asked_about_ever_later_but_at_least_every_hour() -> None:
    """30 s, one minute, two, …: a wrong key is not tried 120 times an hour."""
    vendor = Vendor(REFUSED)
    async with watching(vendor):
        await asyncio.sleep(24 * 3600)
    assert vendor.pauses[:3] == [RETRY_S, 2 * RETRY_S, 4 * RETRY_S]
    assert max(vendor.pauses) == vendor.pauses[-1] == RETRY_MAX_S
    assert len(vendor.asked_at) < 40


async def test_the_patience_starts_anew_after_a_list_has_come() -> None:
    vendor = Vendor(REFUSED, REFUSED, (ONE,), REFUSED)
    async with watching(vendor):
        await asyncio.sleep(ASK_EVERY_S + 5 * RETRY_S)
    assert vendor.pauses[:4] == [RETRY_S, 2 * RETRY_S, ASK_EVERY_S, RETRY_S]


@pytest.mark.parametrize("broken", [KeyError("ours"), ValueError("ours")])
async def test_a_bug_of_ours_is_a_failure_like_another_and_names_no_class(
    broken: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async with watching(Vendor(broken)) as watch:
        assert (await watch.offer()).detail == "bad_reply: our adapter failed"
    assert type(broken).__name__ in caplog.text


async def test_an_adapter_that_never_answers_is_given_up() -> None:
    """A credential that hangs would else hold up everybody who asks what is offered."""
    vendor = Vendor(10 * GIVE_UP_S, (ONE,))
    async with watching(vendor) as watch:
        assert (await watch.offer()).detail.startswith("timeout: ")
    assert asyncio.get_running_loop().time() - vendor.asked_at[0] == pytest.approx(GIVE_UP_S)


async def test_a_watch_that_is_closed_asks_no_more() -> None:
    vendor = Vendor((ONE,))
    async with watching(vendor) as watch:
        await watch.offer()
    await asyncio.sleep(2 * ASK_EVERY_S)
    assert len(vendor.asked_at) == 1
