"""Ctrl-C and SIGTERM as a wish: what runs decides where it stops."""

import contextlib
import os
import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import FrameType


class Stop:
    """A condition that can be waited for; a second signal ends a drain."""

    def __init__(self) -> None:
        self.asked = False
        self.was_told_to_all = False
        """Whether a signal asked that others may have had too: a SIGTERM, which Ray's processes obey."""
        self._drains = False
        self._breaks_off = False
        self._read, self._write = os.pipe()

    def wait(self, seconds: float) -> bool:
        """Whether stopping was asked for, within `seconds`."""
        import select  # noqa: PLC0415

        if not self.asked:
            select.select([self._read], [], [], seconds)
        return self.asked

    def listen(self) -> None:
        """Take the signals."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask)

    def __enter__(self) -> Self:
        self.listen()
        return self

    def __exit__(self, *_: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)

    @contextlib.contextmanager
    def impatience(self) -> Iterator[None]:
        """Let the next signal end what is inside, and nothing after it."""
        self._drains = True
        try:
            with contextlib.suppress(KeyboardInterrupt):
                yield
        finally:
            self._drains = False

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """Let a signal that asks end what is inside too; whatever that raises then is nobody's."""
        self._breaks_off = True
        try:
            yield
        except (Exception, KeyboardInterrupt):
            if not self.asked:
                raise
        finally:
            self._breaks_off = False

    def _ask(self, number: int, frame: "FrameType | None") -> None:
        if self._drains:
            self._drains = False
            raise KeyboardInterrupt
        self.asked = True
        self.was_told_to_all |= number == signal.SIGTERM
        os.write(self._write, b"x")
        if self._breaks_off:
            self._breaks_off = False
            raise KeyboardInterrupt
