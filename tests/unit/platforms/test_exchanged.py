"""When a process's token is exchanged: ahead of need, once for all who wait, and not in a storm."""

import asyncio
import logging

import pytest

from deployments.platforms.exchanged import (
    AHEAD_S,
    EXCHANGE_S,
    PAUSE_S,
    RENEW_S,
    ExchangedToken,
    Grant,
    Subject,
)
from routing.errors import ErrorKind, PlatformError
from tests.unit.virtual_time import VirtualTimeLoop

HOUR_S = 3_600.0


class VendorError(Exception):
    """What a vendor's SDK raises."""


class Vendor:
    """Exchanges for `n`-th tokens that live so long, after so long, unless it is down."""

    def __init__(self, lives_s: float = HOUR_S) -> None:
        self.lives_s = lives_s
        self.takes_s = 0.0
        self.down = False
        self.asked_at: list[float] = []
        self.token = ExchangedToken(
            "openai", Subject(lambda: "subject"), self.exchange, VendorError
        )

    async def exchange(self) -> Grant:
        self.asked_at.append(now())
        if self.takes_s:
            await asyncio.sleep(self.takes_s)
        if self.down:
            raise VendorError("we are down")
        return Grant(f"token-{len(self.asked_at)}", self.lives_s)

    async def refused(self) -> str:
        """What is said in place of a token."""
        with pytest.raises(PlatformError) as caught:
            await self.token.get()
        assert caught.value.kind is ErrorKind.CREDENTIALS
        return caught.value.detail


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, object]]:
    return "asyncio", {"loop_factory": VirtualTimeLoop}


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_all_who_need_a_first_token_wait_for_one_exchange() -> None:
    vendor = Vendor()
    vendor.takes_s = 1.0
    assert set(await asyncio.gather(*(vendor.token.get() for _ in range(50)))) == {"token-1"}
    assert len(vendor.asked_at) == 1


async def test_a_caller_who_leaves_does_not_take_the_exchange_along() -> None:
    vendor = Vendor()
    vendor.takes_s = 1.0
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await vendor.token.get()
    assert await vendor.token.get() == "token-1"
    assert len(vendor.asked_at) == 1


async def test_a_renewal_begins_five_minutes_before_the_end_and_delays_nobody() -> None:
    vendor = Vendor()
    await vendor.token.get()
    await asyncio.sleep(HOUR_S - AHEAD_S - 1)
    assert await vendor.token.get() == "token-1"
    await asyncio.sleep(1)
    vendor.takes_s = 5.0
    began = now()
    assert [await vendor.token.get() for _ in range(3)] == ["token-1"] * 3
    assert now() == began
    await asyncio.sleep(6)
    assert await vendor.token.get() == "token-2"
    assert len(vendor.asked_at) == 2


async def test_a_renewal_that_fails_costs_no_answer_while_the_token_holds(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Asked for again after a pause, and said in the log; at its end the failure is the answer."""
    caplog.set_level(logging.WARNING)
    vendor = Vendor()
    await vendor.token.get()
    vendor.down = True
    began = now()
    while now() < began + HOUR_S - 75:
        await asyncio.sleep(10)
        assert await vendor.token.get() == "token-1"
    assert "openai gives no new token, the present one still holds" in caplog.text
    assert "token-1" not in caplog.text
    await asyncio.sleep(61)
    assert "we are down" in await vendor.refused()
    vendor.down = False
    await asyncio.sleep(PAUSE_S)
    assert (await vendor.token.get()).startswith("token-")


async def test_a_token_is_given_only_while_it_outlives_the_head_it_is_written_into() -> None:
    """A head is sent for a minute: in its last minute a token is no use."""
    vendor = Vendor(lives_s=200.0)
    await vendor.token.get()
    vendor.down = True
    await asyncio.sleep(139)
    assert await vendor.token.get() == "token-1"
    await asyncio.sleep(1 + PAUSE_S)
    assert "we are down" in await vendor.refused()


async def test_a_failed_exchange_is_not_tried_again_at_once() -> None:
    vendor = Vendor()
    vendor.down = True
    for _ in range(100):
        assert "we are down" in await vendor.refused()
    assert len(vendor.asked_at) == 1
    await asyncio.sleep(PAUSE_S)
    vendor.down = False
    assert await vendor.token.get() == "token-2"


async def test_an_exchange_that_hangs_is_waited_for_so_long_and_there_is_only_one() -> None:
    vendor = Vendor()
    vendor.takes_s = HOUR_S
    began = now()
    assert await vendor.refused() == f"the token exchange took longer than {EXCHANGE_S:g} s"
    assert now() - began == pytest.approx(EXCHANGE_S)
    await vendor.refused()
    assert len(vendor.asked_at) == 1
    await vendor.token.aclose()


async def test_a_refused_token_is_exchanged_anew_at_most_once_a_minute() -> None:
    vendor = Vendor()
    await vendor.token.get()
    for _ in range(5):
        vendor.token.forget()
        assert await vendor.token.get() == "token-2"
    await asyncio.sleep(RENEW_S)
    vendor.token.forget()
    assert await vendor.token.get() == "token-3"


async def test_what_is_no_fault_of_the_vendor_stays_a_bug() -> None:
    async def broken() -> Grant:
        raise AttributeError("ours")

    token = ExchangedToken("openai", Subject(str), broken, VendorError)
    with pytest.raises(AttributeError, match="ours"):
        await token.get()


async def test_an_error_repeats_no_piece_of_a_token() -> None:
    """SDKs cut what vendors say, so half a token may be all that is left of it."""
    jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzaG9wIn0.c2lnbmF0dXJl"
    subject = Subject(lambda: jwt)

    async def refusing() -> Grant:
        subject()
        raise VendorError(f"cannot read\n'{jwt[7:40]}...' nor assertion={jwt}; see the docs")

    token = ExchangedToken("openai", subject, refusing, VendorError)
    with pytest.raises(PlatformError) as caught:
        await token.get()
    said = "VendorError: cannot read <credential> nor <credential> see the docs"
    assert caught.value.detail == said
