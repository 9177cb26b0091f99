"""Where the ends of conversations are kept at hand: what it promises, and a stand-in in this process.

It is a cache and never the truth. Whoever reads compares the mark of the last item with what the
database says and takes nothing else, so what is lost, late or left over here costs time alone.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote

from routing.clock import Clock
from routing.errors import SupportMaxError

# An hour: a customer who comes back later begins anew, and reading from the database costs little.
TTL_S = 3_600.0
# In a process: erasing reaches one process, and the others' windows, which nobody is shown, end soon.
IN_PROCESS_TTL_S = 300.0
# Reading what is to be filled in takes milliseconds; who needs this long is gone.
LEASE_S = 5.0


class StoreUnavailable(SupportMaxError):
    """The store cannot be asked just now; the database can."""

    code = "store_unavailable"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Key:
    """One list of one owner; all of an owner's keys are in one slot of a cluster."""

    owner: str
    name: str

    @property
    def text(self) -> str:
        """The key as it is kept: the tenant first, tenant and customer between braces."""
        return f"{prefix_of(self.owner)}{quote(self.name, safe='')}"

    @property
    def lease(self) -> str:
        """Where it is noted who may fill the list."""
        return f"{self.text}:lease"


def owner_of(tenant: str, user_id: str | None, conversation_id: str) -> str:
    """Whose a conversation is; without a customer it is its own owner.

    Parts are quoted, so no name can contain a colon, a brace or a wildcard, and no two differ in
    their parts and agree in the whole.
    """
    if user_id is None:
        return f"{quote(tenant, safe='')}::{quote(conversation_id, safe='')}"
    return customer_of(tenant, user_id)


def customer_of(tenant: str, user_id: str) -> str:
    """The owner of everything that is one customer's."""
    return f"{quote(tenant, safe='')}:{quote(user_id, safe='')}"


def prefix_of(owner: str) -> str:
    """What all keys of an owner begin with, and no other's."""
    return f"sm:{{{owner}}}:"


class WindowStore(Protocol):
    """Lists of items that each begin with a mark. Every method may raise StoreUnavailable."""

    async def start(self) -> None:
        """Get ready, if that can be done now. It raises nothing."""
        ...

    async def read(self, key: Key) -> list[bytes]:
        """The list, empty where there is none."""
        ...

    async def extend(self, key: Key, after: bytes, items: Sequence[bytes], keep: int) -> bool:
        """Add to a list whose last item begins with `after`, and keep the last `keep` items.

        Any other list is removed, and so is the right to fill it: whoever is about to has read
        what is no longer so. Nothing is begun here.
        """
        ...

    async def lease(self, key: Key, token: str) -> None:
        """Take the right to fill the list, before reading what it is filled with."""
        ...

    async def fill(self, key: Key, token: str, items: Sequence[bytes]) -> bool:
        """Replace the list, if the right is still this token's."""
        ...

    async def forget(self, owner: str) -> int:
        """Remove every key of the owner, rights included; how many lists there were."""
        ...

    async def aclose(self) -> None:
        """Give back what it holds."""
        ...


class InProcessWindows:
    """The stand-in: this process's own, bounded in number and time."""

    def __init__(self, clock: Clock, windows_max: int = 1_000) -> None:
        self._clock = clock
        self._max = windows_max
        # In the order in which they expire, because all live equally long.
        self._lists: OrderedDict[str, tuple[float, list[bytes]]] = OrderedDict()
        self._leases: OrderedDict[str, tuple[float, str]] = OrderedDict()

    async def start(self) -> None:
        """It is ready."""

    async def read(self, key: Key) -> list[bytes]:
        """The list."""
        self._expire()
        return list(self._lists.get(key.text, (0.0, []))[1])

    async def extend(self, key: Key, after: bytes, items: Sequence[bytes], keep: int) -> bool:
        """Add to it."""
        self._expire()
        held = self._lists.get(key.text, (0.0, list[bytes]()))[1]
        if not held or not held[-1].startswith(after):
            self._lists.pop(key.text, None)
            self._leases.pop(key.lease, None)
            return False
        self._put(key, [*held, *items][-keep:])
        return True

    async def lease(self, key: Key, token: str) -> None:
        """Take the right to fill it."""
        self._expire()
        self._leases.pop(key.lease, None)
        self._leases[key.lease] = (self._clock.monotonic() + LEASE_S, token)
        if len(self._leases) > self._max:
            self._leases.popitem(last=False)

    async def fill(self, key: Key, token: str, items: Sequence[bytes]) -> bool:
        """Replace it."""
        self._expire()
        if self._leases.get(key.lease, (0.0, ""))[1] != token:
            return False
        del self._leases[key.lease]
        self._put(key, list(items))
        return True

    async def forget(self, owner: str) -> int:
        """Remove all of the owner."""
        prefix, there = prefix_of(owner), len(self._lists)
        for held in (self._lists, self._leases):
            for name in [name for name in held if name.startswith(prefix)]:
                del held[name]
        return there - len(self._lists)

    async def aclose(self) -> None:
        """Forget everything."""
        self._lists.clear()
        self._leases.clear()

    def _put(self, key: Key, items: list[bytes]) -> None:
        self._lists.pop(key.text, None)
        self._lists[key.text] = (self._clock.monotonic() + IN_PROCESS_TTL_S, items)
        if len(self._lists) > self._max:
            self._lists.popitem(last=False)

    def _expire(self) -> None:
        now = self._clock.monotonic()
        while self._lists and next(iter(self._lists.values()))[0] <= now:
            self._lists.popitem(last=False)
        while self._leases and next(iter(self._leases.values()))[0] <= now:
            self._leases.popitem(last=False)
