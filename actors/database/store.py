"""What a lane needs to know of the database behind it: how work begins, and whose fault an error is."""

from enum import Enum, auto
from typing import Protocol

from sqlalchemy import Connection, Engine


class Trouble(Enum):
    """What an error means for the work that met it."""

    WORK = auto()
    """The work's own mistake; its neighbours' may be done."""
    CONFLICT = auto()
    """Another writer was at the same rows. Nothing was written, and nothing stands against trying again."""
    TAKEN = auto()
    """A key that is there already: by a writer of this moment, or by the work's own mistake."""
    LOST = auto()
    """The connection is gone, and with it what was not committed."""
    STORE = auto()
    """The database's fault, whoever asks."""


class Store(Protocol):
    """One kind of database, reached in one way."""

    @property
    def engine(self) -> Engine:
        """Opens connections."""
        ...

    def begin(self, connection: Connection, *, alone: bool) -> str | None:
        """Begin a transaction, with `alone` one that no other writer is beside.

        The result is what `committed` is asked with; None where a commit is never in doubt.
        """
        ...

    def trouble(self, error: Exception) -> Trouble:
        """Whose fault the error is."""
        ...

    def committed(self, mark: str) -> bool | None:
        """Whether a transaction was committed whose connection was lost meanwhile; None: nobody knows."""
        ...
