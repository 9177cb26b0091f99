"""What the first start leaves in the data directory: tables, the demo company, an administrator's key."""

from actors.database.accounts import Accounts
from actors.database.engine import open_database
from actors.knowledge import Records
from deployments.boot import Boot
from deployments.demo import RECORDS, TENANT
from deployments.flags import write_secret
from routing.clock import Clock


async def prepare(boot: Boot, clock: Clock) -> None:
    """Bring the data directory up to date; a second call changes nothing.

    The key's secret is in `boot.admin_key` (mode 0600) and nowhere else: the database
    holds its hash. Deleting the file makes a new key at the next start.
    """
    database = open_database(boot.database)
    try:
        await database.migrate()
        await Records(database).load(TENANT, RECORDS)
        if not boot.admin_key.exists():
            made = await Accounts(database).create_key(
                TENANT, "made at the first start", frozenset({"admin"}), clock.now()
            )
            write_secret(boot.admin_key, made.secret)
    finally:
        await database.aclose()
