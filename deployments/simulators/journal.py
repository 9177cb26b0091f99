"""The journal: the requests the simulators received, and what became of each.

It is how a test sees what was sent, and that a cancel reached the server.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

MAX_ENTRIES = 200
MAX_BODY = 256 * 1024  # bytes kept of a body; 200 of these fit in a small container

_CREDENTIALS = frozenset(
    {"authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie", "proxy-authorization"}
)


@dataclass(slots=True)
class Entry:
    """One request; ended with neither `completed` nor `cancelled`, it was broken on purpose."""

    platform: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: object
    behaviour: str | None = None
    status: int | None = None
    completed: bool = False
    cancelled: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def as_json(self) -> dict[str, object]:
        """Return what a test may read."""
        return {
            "platform": self.platform,
            "method": self.method,
            "path": self.path,
            "headers": self.headers,
            "body": self.body,
            "behaviour": self.behaviour,
            "status": self.status,
            "completed": self.completed,
            "cancelled": self.cancelled,
            "ended": self.ended.is_set(),
        }


class Journal:
    """The last `MAX_ENTRIES` requests, oldest first."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=MAX_ENTRIES)

    def add(self, entry: Entry, size: int) -> Entry:
        """Note a request without its credential, and without its body if `size` is too much."""
        headers = {k: v for k, v in entry.headers.items() if k not in _CREDENTIALS}
        body = entry.body if size <= MAX_BODY else {"_left_out": f"{size} bytes"}
        noted = replace(entry, headers=headers, body=body)
        self._entries.append(noted)
        return noted

    def clear(self) -> None:
        """Forget the requests so far."""
        self._entries.clear()

    async def settled(self) -> None:
        """Wait until every request noted so far has ended, one way or another."""
        for entry in tuple(self._entries):
            await entry.ended.wait()

    def as_json(self) -> list[dict[str, object]]:
        """Return the entries as JSON objects."""
        return [entry.as_json() for entry in self._entries]
