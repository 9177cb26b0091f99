"""What a repository is given to keep texts sealed, and what it is given where nothing is."""

from collections.abc import Sequence
from typing import Any, Protocol

from actors.database.errors import KeysUnavailable
from actors.sealing.envelope import Place, RowId, is_sealed


class Keys(Protocol):
    """A tenant's keys, at hand: nothing here waits, so it may run inside a transaction."""

    def seal(self, place: Place, row: RowId, text: str) -> str:
        """The text as it is kept in that place."""
        ...

    def open(self, place: Place, row: RowId, stored: str) -> str:
        """The text that is kept in that place."""
        ...

    def seal_json(self, place: Place, row: RowId, value: object) -> Any:
        """The same of anything JSON can say."""
        ...

    def open_json(self, place: Place, row: RowId, stored: Any) -> Any:
        """The same of what `seal_json` made."""
        ...

    def index_of(self, place: Place, text: str) -> str:
        """What a text of that place is sought by; the keys are had by `to_seek`."""
        ...

    def indexes_of(self, place: Place, text: str) -> Sequence[str]:
        """All that may stand there in its place, of rows from before it was sealed too."""
        ...


class Sealing(Protocol):
    """Where a tenant's keys are had. Every method may raise KeysUnavailable."""

    async def to_seal(self, tenant: str) -> Keys:
        """Keys that seal and open."""
        ...

    async def to_open(self, tenant: str) -> Keys:
        """Keys that open; a tenant for whom nothing was ever sealed gets none."""
        ...

    async def to_seek(self, tenant: str) -> Keys:
        """Keys that seal, open and say what a text is sought by."""
        ...

    async def to_find(self, tenant: str) -> Keys:
        """The same where nothing is to be written: a tenant for whom nothing was ever sealed gets none."""
        ...


class Deriving(Protocol):
    """Keys derived from a tenant's own secret."""

    async def ready(self, tenant: str) -> None:
        """Have the tenant's secret at hand; raises KeysUnavailable where it cannot be had."""
        ...

    def derive(self, tenant: str, purpose: str) -> bytes:
        """32 bytes for one purpose, the same in every process; `ready` comes first.

        Raises:
            KeysUnavailable: `ready` was not awaited, or too long ago.
        """
        ...


class Unsealed:
    """Keeps texts as they are: for stores without a key, as tests have them.

    What was sealed is not shown as it lies there.
    """

    async def to_seal(self, tenant: str) -> "Unsealed":
        """Itself."""
        return self

    async def to_open(self, tenant: str) -> "Unsealed":
        """Itself."""
        return self

    async def to_seek(self, tenant: str) -> "Unsealed":
        """Itself."""
        return self

    async def to_find(self, tenant: str) -> "Unsealed":
        """Itself."""
        return self

    def seal(self, place: Place, row: RowId, text: str) -> str:
        """The text."""
        return text

    def open(self, place: Place, row: RowId, stored: str) -> str:
        """The text; raises KeysUnavailable where it is sealed."""
        if is_sealed(stored):
            raise KeysUnavailable(f"{place.name} is sealed, and this process has no keys")
        return stored

    def seal_json(self, place: Place, row: RowId, value: object) -> Any:
        """The value."""
        return value

    def open_json(self, place: Place, row: RowId, stored: Any) -> Any:
        """The value; raises KeysUnavailable where it is sealed."""
        if is_sealed(stored):
            raise KeysUnavailable(f"{place.name} is sealed, and this process has no keys")
        return stored

    def index_of(self, place: Place, text: str) -> str:
        """The text."""
        return text

    def indexes_of(self, place: Place, text: str) -> Sequence[str]:
        """The text alone."""
        return (text,)
