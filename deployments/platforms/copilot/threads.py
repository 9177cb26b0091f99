"""The conversations an agent remembers: where each stands, so that the next turn goes on in it.

In one replica: a turn that meets another one, or comes too late, begins a new conversation and
brings a reminder of what was said before.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

# A token of 1 kB and an answer's beginning each: 20 MB when full.
MAX_THREADS = 10_000
# Copilot Studio ends a session after 30 minutes of silence and forgets what was said in it; some
# of them are for our own turn and for clocks that differ.
IDLE_S = 1_680.0
# Enough to tell one answer from another.
HEARD_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Place:
    """Where a conversation stands: how far it was heard, and what opens it, where that matters."""

    conversation_id: str
    watermark: str = ""
    token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Thread:
    """A conversation to go on with; `heard` is how the agent's last answer in it began."""

    place: Place
    heard: str


class Threads:
    """The latest conversations by their keys; `now` is in seconds, and never goes backwards."""

    def __init__(
        self, now: Callable[[], float], max_threads: int = MAX_THREADS, idle_s: float = IDLE_S
    ) -> None:
        self._now = now
        self._max_threads = max_threads
        self._idle_s = idle_s
        self._kept: OrderedDict[str, tuple[float, Thread]] = OrderedDict()

    def take(self, key: str | None) -> Thread | None:
        """The conversation under `key`, which is nobody else's until it is kept again."""
        self._forget()
        found = None if key is None else self._kept.pop(key, None)
        return None if found is None else found[1]

    def keep(self, key: str, thread: Thread) -> None:
        """Go on with it at the next turn."""
        self._kept.pop(key, None)
        self._kept[key] = (self._now() + self._idle_s, thread)
        if len(self._kept) > self._max_threads:
            self._kept.popitem(last=False)

    def _forget(self) -> None:
        """Forget those that were silent for too long; the oldest stand first."""
        now = self._now()
        while self._kept and next(iter(self._kept.values()))[0] <= now:
            self._kept.popitem(last=False)
