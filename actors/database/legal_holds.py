"""Legal holds: people of whom nothing is erased or ended by age until somebody says otherwise."""

from dataclasses import dataclass, field
from functools import cache

from sqlalchemy import Connection, delete, select

from actors.database.engine import Database
from actors.database.erasing import is_being_erased
from actors.database.upsert import Insert, insert_into
from actors.database.user_data_tables import legal_hold
from routing.errors import ConflictError


@dataclass(frozen=True, slots=True)
class LegalHold:
    """Who may not be erased, since when, and by whose word."""

    user_id: str = field(repr=False)
    placed_by: str
    placed_at: float


class LegalHolds:
    """Keeps holds, each of one tenant."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def place(self, tenant: str, hold: LegalHold) -> LegalHold:
        """Place it; one that stands already stays as it is. The one that stands.

        Raises:
            ConflictError: `being_erased`: it is too late.
        """
        row = {
            "tenant": tenant,
            "user_id": hold.user_id,
            "placed_by": hold.placed_by,
            "placed_at": hold.placed_at,
        }

        def work(connection: Connection) -> LegalHold:
            if is_being_erased(connection, tenant, hold.user_id):
                message = "This person was erased just now, or is being erased."
                raise ConflictError("being_erased", message)
            connection.execute(_placing(connection.dialect.name), row).close()
            found = _found(connection, tenant, hold.user_id)
            return hold if found is None else found

        return await self._database.write(work)

    async def get(self, tenant: str, user_id: str) -> LegalHold | None:
        """The person's hold, or None."""
        return await self._database.read(lambda connection: _found(connection, tenant, user_id))

    async def lift(self, tenant: str, user_id: str) -> bool:
        """End it; False if there was none."""
        mine = (legal_hold.c.tenant == tenant) & (legal_hold.c.user_id == user_id)
        ended = delete(legal_hold).where(mine)
        return await self._database.write(lambda connection: connection.execute(ended).rowcount > 0)


def _found(connection: Connection, tenant: str, user_id: str) -> LegalHold | None:
    c = legal_hold.c
    row = connection.execute(
        select(legal_hold).where(c.tenant == tenant, c.user_id == user_id)
    ).first()
    return None if row is None else LegalHold(row.user_id, row.placed_by, row.placed_at)


@cache
def _placing(dialect: str) -> Insert:
    return insert_into(legal_hold, dialect).on_conflict_do_nothing()
