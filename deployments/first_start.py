"""What the first start leaves in the data directory: tables, the demo company, an administrator's key."""

from actors.database.accounts import Accounts
from actors.database.conversations import Conversations
from actors.database.engine import open_database
from actors.database.knowledge import KnowledgeStore
from actors.database.runbooks import RunbookStore
from actors.knowledge import Records
from actors.knowledge.ingest import Reading, ingest
from actors.memory import Runbooks
from actors.subjects import API_KEY
from deployments.auditing import on_record
from deployments.boot import Boot
from deployments.database import address_of
from deployments.demo import ARTICLES, RECORDS, RULES, RUNBOOKS, TENANT
from deployments.flags import write_secret
from deployments.key_management.opening import make_own_keys
from deployments.knowledge.files import find
from deployments.knowledge.rules import read_rules
from deployments.mcp_gateway.state_keys import make_keys
from deployments.memory.command import publish_file
from deployments.security.pepper import make_pepper, read_pepper
from routing.clock import Clock
from routing.errors import ConfigError


async def prepare(boot: Boot, clock: Clock) -> bool:
    """Bring the data directory up to date; a second call changes nothing.

    The result is whether the key in `boot.admin_key` still opens: it may have been revoked. The key's secret is in `boot.admin_key` (mode 0600) and nowhere else: the database
    holds its hash. Deleting the file makes a new key at the next start.
    """
    database = open_database(address_of(boot))
    try:
        await database.migrate()
        await Records(database).load(TENANT, RECORDS)
        await ingest_demo(KnowledgeStore(database), clock)
        runbooks = Runbooks(RunbookStore(database), Conversations(database), clock)
        for path in sorted(RUNBOOKS.glob("*.yaml")):
            await publish_file(runbooks, TENANT, path)
        make_keys(boot.mcp_keys)
        make_pepper(boot.key_pepper)
        make_own_keys(boot)
        if not boot.admin_key.exists():
            given = ["gives:admin"]
            async with on_record(boot, TENANT, "keys create", clock, intent=given) as recorded:
                made = await Accounts(database, read_pepper(boot.key_pepper)).create_key(
                    TENANT, "made at the first start", frozenset({"admin"}), clock.now()
                )
                write_secret(boot.admin_key, made.secret)
                recorded.words.append(f"{API_KEY}{made.key.key_id}")
        accounts = Accounts(database, read_pepper(boot.key_pepper))
        secret = boot.admin_key.read_text(encoding="utf-8").strip()
        return await accounts.verify(secret, clock.now()) is not None
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
