"""Names of people in prose: which places of a text a language model takes for them.

The model is in a process of its own (`names_reader`), which is started again where it dies. Where it
does not answer, nothing is known of a text, and that is an error: a text that nobody looked through
does not leave.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import TypeAlias, TypeVar

from config.extras import install
from config.privacy import NamesSettings
from deployments.privacy.pieces import is_prose, pieces, trimmed
from routing.clock import Clock, SystemClock
from routing.errors import ConfigError, SupportMaxError

T = TypeVar("T")
_Place: TypeAlias = tuple[int, int]

START_S = 120.0
"""What Presidio's import and a large pipeline take on a busy machine, several times over."""
PIECE_S = 10.0
"""A piece of a text; it takes 50 ms. Whoever takes longer hangs, and is ended."""
WORK_S = 30.0
"""All texts of one request, those before it in the line among them; 600 pieces. What was found by then
is remembered, so that the next attempt goes on there."""
AGAIN_S = 5.0
"""After a reader died: what makes it die is not to load a pipeline with every text."""
THREADS = 8
"""Requests whose texts are read by turns, a piece of each: a long one keeps nobody waiting."""
WAITING_MAX = 64
"""Requests that are read or wait for it: what one reader does in 3 s, at five new messages in each."""
SEEN_MAX = 8_192
"""Pieces that are remembered, some 200 bytes each: the turns of conversations come again with every
message. Only places are kept, and a hash of the text."""
_LINE_MAX = 1 << 20
_READER = Path(__file__).with_name("names_reader.py")
# Our own keys are in the environment, and of no use to who reads texts.
_ENVIRONMENT = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "PYTHONPATH", "VIRTUAL_ENV")


class NamesUnavailable(SupportMaxError):
    """Texts cannot be looked through for names just now: nothing of them leaves."""

    code = "names_unavailable"

    def __init__(self, detail: str, retry_after_s: float = AGAIN_S) -> None:
        super().__init__(detail, retry_after_s)
        self.detail = detail
        self.retry_after_s = retry_after_s


class Names:
    """Finds names by the pipelines of one process that is ours. `python` is what runs it."""

    def __init__(
        self, pipelines: Sequence[str], clock: Clock, python: str = sys.executable
    ) -> None:
        self._command = (python, "-P", str(_READER))
        self._pipelines = tuple(pipelines)
        self._clock = clock
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._ours: socket.socket | None = None
        self._held_until = float("-inf")
        self._seen: OrderedDict[bytes, Sequence[_Place]] = OrderedDict()
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="names")
        self._room = threading.BoundedSemaphore(WAITING_MAX)
        self._until = threading.local()

    def start(self) -> None:
        """Have the pipelines at hand; it waits for them.

        Raises:
            ConfigError: they cannot be loaded, with the reason.
        """
        try:
            with self._lock:
                self._ready()
        except NamesUnavailable as error:
            message = (
                f"{error.detail}; a pipeline is a folder or a package that you installed, and the "
                f"extra comes by this, {install('names')}"
            )
            raise ConfigError("configuration", None, "privacy.names", message) from error

    async def aside(self, work: Callable[[], T]) -> T:
        """Do `work`, which looks for names, in a thread.

        Raises:
            NamesUnavailable: too many texts wait already, or these take too long.
        """
        if not self._room.acquire(blocking=False):
            raise NamesUnavailable("Too many texts wait to be looked through for names.")
        until = self._clock.monotonic() + WORK_S

        def bounded() -> T:
            self._until.moment = until
            try:
                return work()
            finally:
                self._until.moment = float("inf")

        done = self._pool.submit(bounded)
        done.add_done_callback(lambda _: self._room.release())
        return await asyncio.wrap_future(done)

    def find(self, text: str) -> list[_Place]:
        """Where names stand, in order and without an overlap; it waits, so it belongs into a thread.

        Raises:
            NamesUnavailable: nobody can tell just now.
        """
        if not is_prose(text):
            return []
        return [
            place
            for begin, piece in pieces(text)
            for start, end in self._of(piece)
            for place in trimmed(text, begin + start, begin + end)
        ]

    def close(self) -> None:
        """End the process; without it, it ends with ours."""
        with self._lock:
            self._end()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _of(self, piece: str) -> Sequence[_Place]:
        key = blake2b(piece.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        known = self._seen.get(key)
        if known is not None:
            return known
        left_s = getattr(self._until, "moment", float("inf")) - self._clock.monotonic()
        if left_s <= 0 or not self._lock.acquire(timeout=min(left_s, WORK_S)):
            raise NamesUnavailable("Looking through the texts for names takes too long.")
        try:
            known = self._asked(piece)
        finally:
            self._lock.release()
        self._seen[key] = known
        if len(self._seen) > SEEN_MAX:
            self._seen.popitem(last=False)
        return known

    def _asked(self, piece: str) -> Sequence[_Place]:
        ours = self._ready()
        ours.settimeout(PIECE_S)
        try:
            ours.sendall(json.dumps(piece).encode() + b"\n")
            answer = json.loads(_line(ours))
            if "failed" not in answer:
                return [(int(start), int(end)) for start, end in answer["people"]]
            why = str(answer["failed"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            why = type(error).__name__
        # What it answers next may be of this text.
        self._fail()
        raise NamesUnavailable(f"The reader of names failed: {why}.")

    def _ready(self) -> socket.socket:
        if self._ours is not None:
            return self._ours
        if self._clock.monotonic() < self._held_until:
            raise NamesUnavailable("The reader of names failed a moment ago.")
        ours, theirs = socket.socketpair()
        number = theirs.fileno()
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        with theirs:
            self._ours = ours
            # One text takes one processor, and what libraries print of it goes nowhere.
            self._process = subprocess.Popen(  # noqa: S603
                (*self._command, str(number), *self._pipelines),
                pass_fds=(number,),
                env=environment | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        ours.settimeout(START_S)
        try:
            answer = json.loads(_line(ours))
            if "ready" in answer:
                return ours
            why = str(answer.get("failed"))
        except (OSError, ValueError) as error:
            why = type(error).__name__
        self._fail()
        raise NamesUnavailable(f"The reader of names does not start: {why}")

    def _fail(self) -> None:
        self._held_until = self._clock.monotonic() + AGAIN_S
        self._end()

    def _end(self) -> None:
        if self._ours is not None:
            self._ours.close()
        if self._process is not None:
            with suppress(OSError):
                self._process.kill()
            self._process.wait()
        self._ours = self._process = None


def _line(ours: socket.socket) -> bytes:
    """One line; raises OSError where the other end is gone or says too much."""
    said = bytearray()
    while not said.endswith(b"\n"):
        part = ours.recv(65_536)
        if not part or len(said) > _LINE_MAX:
            raise ConnectionError("the reader ended")
        said += part
    return bytes(said)


@lru_cache(1)
def names_of(settings: NamesSettings) -> Names:
    """The one of this process: a pipeline takes memory once, whoever looks for names here."""
    return Names(settings.pipelines, SystemClock())
