"""Ctrl-C, once and again."""

import os
import signal
from collections.abc import Iterator

import pytest

from deployments.stop import Stop


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_a_wish_that_can_be_waited_for(number: signal.Signals) -> None:
    """It interrupts nothing: what runs decides where it stops."""
    with Stop() as stop:
        assert not stop.wait(0)
        os.kill(os.getpid(), number)
        assert stop.wait(60)
        # Ray's processes ignore what a terminal sends to all of them, and obey the other.
        assert stop.was_told_to_all is (number == signal.SIGTERM)


def test_what_is_broken_off_at_once_ends_with_the_wish_and_no_other_way() -> None:
    """A second signal breaks off nothing more; without one what is raised inside is told."""
    passed = []
    with Stop() as stop:
        with pytest.raises(OSError, match="no port"), stop.at_once():
            raise OSError("no port is free")
        with stop.at_once():
            os.kill(os.getpid(), signal.SIGINT)
            passed.append("it went on")
        os.kill(os.getpid(), signal.SIGINT)
        passed.append("the stop went on")
        assert stop.asked
    with Stop() as stop, stop.at_once():
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            raise OSError("a part of it is gone") from None
    assert passed == ["the stop went on"]


def test_a_second_one_ends_the_drain_and_a_third_nothing() -> None:
    """Who does not want to wait for answers under way need not; the rest of the stop is whole."""
    passed = []
    with Stop() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        with stop.impatience():
            os.kill(os.getpid(), signal.SIGINT)
            passed.append("the drain went on")
        os.kill(os.getpid(), signal.SIGINT)
        passed.append("the stop went on")
    assert passed == ["the stop went on"]
