"""Random bytes of the system, drawn from a reserve: a request needs a dozen small pieces of them.

Each piece would otherwise be a system call that lets go of the interpreter, and in a process whose
threads work on a database the event loop then waits for it to come back: 60 us for a name of 16
bytes in place of 1 (November 2026). The bytes are the same ones, and none is given out twice. What
lives long (keys, peppers, tokens) is drawn from the system itself.
"""

import os
import threading

RESERVE_BYTES = 4096
"""One call of the system fills it: 40 answers' names and nonces, and little enough to lie about."""


class Reserve:
    """Random bytes in store; for all threads of one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bytes, self._at = b"", 0

    def take(self, count: int) -> bytes:
        """`count` bytes that nobody else is given, `RESERVE_BYTES` at most."""
        if count > RESERVE_BYTES:
            raise ValueError(f"{count} random bytes are more than the reserve holds")
        with self._lock:
            at = self._at
            if at + count > len(self._bytes):
                self._bytes, at = os.urandom(RESERVE_BYTES), 0
            self._at = at + count
            return self._bytes[at : at + count]

    def forget(self) -> None:
        """Give out nothing of what is in store: a copy of this process would give out the same."""
        self._lock = (
            threading.Lock()
        )  # the one that was copied may be held by a thread that was not
        self._bytes, self._at = b"", 0


_reserve = Reserve()
os.register_at_fork(after_in_child=_reserve.forget)


def random_bytes(count: int) -> bytes:
    """`count` bytes as good as the system's own."""
    return _reserve.take(count)


def random_name() -> str:
    """A name that nobody guesses and nothing else has: 32 digits, 128 random bits."""
    return _reserve.take(16).hex()
