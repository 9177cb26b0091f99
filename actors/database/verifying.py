"""Looks at what is kept: which texts are in clear, and which nobody can read. Nothing is changed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

from actors.database.engine import Database
from actors.database.sealed_pages import (
    INDEXED,
    PAGE,
    AnyRow,
    Key,
    is_in_clear,
    key_of,
    opened,
    page_after,
)
from actors.sealing.envelope import Place
from actors.sealing.errors import SealBroken
from actors.sealing.keys import TenantKeys
from actors.sealing.ring import KeyRing


@dataclass(frozen=True, slots=True)
class Counted:
    """What a column holds. `unreadable` were moved, changed, or sealed under a key that is gone."""

    place: str
    seen: int = 0
    in_clear: int = 0
    unreadable: int = 0


class Verifying:
    """Reads one column after the other, and opens everything."""

    def __init__(self, database: Database, keys: KeyRing) -> None:
        self._database = database
        self._keys = keys

    async def count(self, place: Place) -> Counted:
        """What the column holds.

        Raises:
            KeysUnavailable, DatabaseBusy, DatabaseUnavailable: the rest could not be read.
        """
        counted = Counted(place.name)
        after: Key | None = None
        while True:
            rows = await self._database.read(partial(page_after, place=place, after=after))
            ask = self._keys.to_seek if place in INDEXED else self._keys.to_open
            keys = {tenant: await ask(tenant) for tenant in sorted({row.tenant for row in rows})}
            for row in rows:
                counted = _with(counted, place, keys, row)
            if len(rows) < PAGE:
                return counted
            after = key_of(place, rows[-1])


def _with(counted: Counted, place: Place, keys: Mapping[str, TenantKeys], row: AnyRow) -> Counted:
    counted = replace(counted, seen=counted.seen + 1)
    if is_in_clear(place, row):
        return replace(counted, in_clear=counted.in_clear + 1)
    try:
        opened(place, keys[row.tenant], row)
    except SealBroken:
        return replace(counted, unreadable=counted.unreadable + 1)
    return counted
