"""A customer's memory, removed wherever it is, with counts for a proof."""

from collections.abc import Mapping
from dataclasses import dataclass

from actors.database.memory_erasure import MemoryErasure
from actors.window_store import StoreUnavailable, WindowStore, customer_of


@dataclass(frozen=True, slots=True)
class Erased:
    """How much was removed, by kind; `windows` None: the store was away and may hold some yet.

    A store in this process knows nothing of other processes'.

    What is left there is never shown, because the database does not know it any more; it ends
    within an hour, or when this is done again.
    """

    rows: Mapping[str, int]
    windows: int | None

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left."""
        return self.windows is not None


class Erasure:
    """Erases what memory keeps of one customer."""

    def __init__(self, truth: MemoryErasure, store: WindowStore) -> None:
        self._truth = truth
        self._store = store

    async def erase(self, tenant: str, user_id: str) -> Erased:
        """Remove it; a second call finds nothing.

        The truth goes first: from then on nothing is shown, and nothing is put back into the store,
        because the right to do so is among what is removed there.

        Raises:
            DatabaseBusy: Nothing was removed.
            DatabaseUnavailable: The same.
        """
        rows = await self._truth.erase(tenant, user_id)
        try:
            windows: int | None = await self._store.forget(customer_of(tenant, user_id))
        except StoreUnavailable:
            windows = None
        return Erased(rows, windows)
