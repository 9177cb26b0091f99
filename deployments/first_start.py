"""What the first start leaves in the data directory: tables, the demo company, an administrator's key."""

from actors.database.accounts import Accounts
from actors.database.engine import open_database
from actors.database.knowledge import KnowledgeStore
from actors.knowledge import Records
from actors.knowledge.ingest import Reading, ingest
from deployments.boot import Boot
from deployments.demo import ARTICLES, RECORDS, RULES, TENANT
from deployments.flags import write_secret
from deployments.knowledge.files import find
from deployments.knowledge.rules import read_rules
from deployments.mcp_gateway.state_keys import make_keys
from routing.clock import Clock
from routing.errors import ConfigError


async def prepare(boot: Boot, clock: Clock) -> None:
    """Bring the data directory up to date; a second call changes nothing.

    The key's secret is in `boot.admin_key` (mode 0600) and nowhere else: the database
    holds its hash. Deleting the file makes a new key at the next start.
    """
    database = open_database(boot.database)
    try:
        await database.migrate()
        await Records(database).load(TENANT, RECORDS)
        await ingest_demo(KnowledgeStore(database), clock)
        make_keys(boot.mcp_keys)
        if not boot.admin_key.exists():
            made = await Accounts(database).create_key(
                TENANT, "made at the first start", frozenset({"admin"}), clock.now()
            )
            write_secret(boot.admin_key, made.secret)
    finally:
        await database.aclose()


async def ingest_demo(store: KnowledgeStore, clock: Clock) -> None:
    """Keep the demo company's articles as they are in the package, the first time or after an update."""
    reading = Reading(audience=None, rules=read_rules(RULES))
    found = find(ARTICLES)
    # By a name of its own: where the package is installed may change.
    report = await ingest(store, TENANT, "demo", "demo", found.files, reading, clock)
    for error in (*report.refused, *report.unread):
        raise error
    for name, missing in report.dangling:
        raise ConfigError(str(ARTICLES), None, name, f"related: no article has the id {missing}")
