"""Under which names people are known here, so that whoever has a pseudonym can find whose it is."""

from collections.abc import AsyncIterator, Sequence
from functools import partial

from sqlalchemy import Column, Connection, Select, select

from actors.database.administration_tables import role_assignment
from actors.database.directory_tables import directory_end, directory_user
from actors.database.engine import Database
from actors.database.identity_tables import session
from actors.database.people_map import NAMINGS
from actors.database.tables import api_key, conversation, customer, thread

_PEOPLE: tuple[Column[str], ...] = (
    directory_user.c.subject,
    session.c.subject,
    role_assignment.c.subject,
    api_key.c.created_by,
    directory_end.c.subject,
    *(naming.table.c[naming.column] for naming in NAMINGS),
    customer.c.user_id,
    conversation.c.user_id,
    thread.c.user_id,
)
# Names read at once, 100 bytes each: a table may have a million rows.
PAGE = 10_000


async def names_kept(database: Database, tenant: str) -> AsyncIterator[str]:
    """Every name of a person that the tenant's rows have, those who work here first; some come twice."""
    for column in _PEOPLE:
        last = ""
        while True:
            page = (
                select(column)
                .distinct()
                .where(column.table.c.tenant == tenant, column > last)
                .order_by(column)
                .limit(PAGE)
            )
            names = await database.read(partial(_texts, page))
            for name in names:
                yield name
            if len(names) < PAGE:
                break
            last = names[-1]


def _texts(page: Select[str], connection: Connection) -> Sequence[str]:
    return connection.execute(page).scalars().all()
