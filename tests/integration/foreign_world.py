"""Two tenants of one running product: one with something of every kind, one that tries to reach it."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import httpx2

from actors.database import open_database
from actors.database.accounts import Accounts
from actors.database.conversations import Conversations
from actors.database.federation import Federation
from actors.database.runbooks import RunbookStore
from actors.knowledge import Records
from actors.memory import Runbooks
from deployments.demo import RECORDS, RUNBOOKS
from deployments.memory.command import publish_file
from routing.clock import SystemClock
from tests.integration.test_approvals import REFUND, approval_of, mcp
from tests.integration.test_chat import key_of
from tests.product import Product

if TYPE_CHECKING:
    from routing.message import JsonObject

VICTIM, RIVAL = "victim", "rival"
ROLES = ("admin", "supervisor", "agent", "customer", "service", "region", "provisioner")
CUSTOMER = "user_126"
CANARY = "canary-7f3a91"
"""What stands in every name the victim gave; it may be in no answer to who did not say it first."""
TEXT = "marmalade-52c1e0"
"""What stands in everything the victim wrote; nobody else ever says it."""
# Both have a directory; nobody signs on, so their providers are never asked.
CONFIGURATION = (
    """\
platforms:
  openai: {simulated: true}
  anthropic: {simulated: true}
limits: {addresses: {admin: {per_minute: 1000000}, failures: {per_minute: 1000000}}}
sso_providers:
"""
    + "".join(
        f"""\
  of-{tenant}:
    {{provider: oidc, issuer: "https://{tenant}.example.com", tenant: {tenant}, client_id: a,
      client_secret: b, public_url: "https://{tenant}.example.org"}}
"""
        for tenant in (VICTIM, RIVAL)
    )
    + f"scim: [{{provider: of-{VICTIM}}}, {{provider: of-{RIVAL}}}]\n"
)
_STILL_S, _SETTLED_S = 1.5, 40.0
# Whatever anybody asks: the index of the audit log follows its files, and leased money that lies idle
# goes back.
_FOLLOWS = frozenset({"audit_event", "budget_lease"})


SHARED_KINDS = frozenset({
    "answer", "budget", "conversation", "customer", "decision", "group", "item", "person",
    "response", "scim_group", "scim_user", "subject", "thread",
})  # fmt: skip
"""What both of them have."""
KINDS = tuple(sorted(
    SHARED_KINDS | {"approval", "invoice", "key", "order", "run", "runbook", "server"}
))  # fmt: skip
"""What the victim has."""


@dataclass(frozen=True)
class Victim:
    """The names under which the victim's things are kept, by kind, and what only the victim knows."""

    ids: Mapping[str, str]
    unsaid: frozenset[str]
    """In no question of the walk: a log of what a tenant asked has none of it."""

    def unknown(self) -> Mapping[str, str]:
        """A name of the same form for each, which nobody has."""
        return {kind: turned(name) for kind, name in self.ids.items()}


def turned(name: str) -> str:
    """The same form, other signs: digits are read backwards in value, the last letters go round."""
    head, tail = name[: len(name) // 2], name[len(name) // 2 :]
    turn = str.maketrans("0123456789abcdef", "987654321067890f"[:16])
    other = tail.translate(turn)
    return head + (other if other != tail else tail[:-1] + "q")


async def settle_in(product: Product) -> Victim:
    """Make one of everything, as the victim's own people would."""
    clock, database = SystemClock(), open_database(product.home / "supportmax.sqlite")
    try:
        await Records(database).load(VICTIM, RECORDS)
        runbooks = Runbooks(RunbookStore(database), Conversations(database), clock)
        [path, *_] = sorted(RUNBOOKS.glob("*.yaml"))
        runbook, _ = await publish_file(runbooks, VICTIM, path)
        server: JsonObject = {"url": "https://mcp.example.com/mcp", "tools": {}}
        await Federation(database).put(VICTIM, CANARY, server, (CANARY, clock.now()))
        made = await Accounts(database).create_key(
            VICTIM, CANARY, frozenset({"agent"}), clock.now()
        )
        listed = await Accounts(database).list_keys(VICTIM)
        key = next(row.key_id for row in listed if row.name == CANARY)
    finally:
        await database.aclose()
    ids = {
        **_named(CANARY), "customer": CUSTOMER, "key": key, "server": CANARY, "runbook": runbook,
        "invoice": "INV-2026-0014", "order": "ORD-1008",
    }  # fmt: skip
    async with product.http(await key_of(product, VICTIM)) as http:
        ids |= await _by_http(http, ids, TEXT)
        await _made(http, "PUT", f"/admin/holds/{CUSTOMER}")
        myself = (await http.get("/auth/user/permissions")).json()["subject"]
    async with product.http(await key_of(product, VICTIM, "provisioner")) as http:
        ids |= await _by_scim(http, ids)
    ids |= await _by_mcp(product, runbook, ids["conversation"])
    assert ids.keys() == set(KINDS)
    return Victim(ids, frozenset({TEXT, made.secret, myself}))


async def settle_in_beside(product: Product) -> Mapping[str, str]:
    """Make what the rival can have too, in names of its own; customers and their records are the victim's."""
    ids = {**_named("rivals-5d20c4"), "customer": "user_of_the_rival"}
    async with product.http(await key_of(product, RIVAL)) as http:
        ids |= await _by_http(http, ids, "rhubarb")
    async with product.http(await key_of(product, RIVAL, "provisioner")) as http:
        ids |= await _by_scim(http, ids)
    assert ids.keys() == SHARED_KINDS
    return ids


def _named(word: str) -> dict[str, str]:
    """The names that whoever makes something gives it."""
    return {
        "budget": f"{word}-budget", "subject": f"okta:{word}", "person": f"{word}@example.org",
        "group": f"{word} group",
    }  # fmt: skip


async def _made(
    http: httpx2.AsyncClient, method: str, path: str, body: object = None
) -> dict[str, object]:
    answer = await http.request(method, path, json=body)
    assert answer.is_success, (path, answer.text)
    found: dict[str, object] = answer.json()
    return found


async def _by_scim(http: httpx2.AsyncClient, ids: Mapping[str, str]) -> dict[str, str]:
    core, person = "urn:ietf:params:scim:schemas:core:2.0", ids["person"]
    somebody = {"schemas": [f"{core}:User"], "userName": person, "externalId": person}
    user = await _made(http, "POST", "/scim/v2/Users", somebody)
    members = [{"value": user["id"]}]
    team = {"schemas": [f"{core}:Group"], "displayName": ids["group"], "members": members}
    made = await _made(http, "POST", "/scim/v2/Groups", team)
    return {"scim_user": str(user["id"]), "scim_group": str(made["id"])}


async def _by_http(http: httpx2.AsyncClient, ids: Mapping[str, str], text: str) -> dict[str, str]:
    async def made(method: str, path: str, body: object = None) -> dict[str, object]:
        return await _made(http, method, path, body)

    said = {"message": f"I was charged twice: {text}", "user_id": ids["customer"]}
    answer = await made("POST", "/v3/chat", said)
    decision = answer["decision"]
    assert isinstance(decision, dict)
    budget = {"scope": "tenant", "usd_per_day": 777}
    await made("PUT", f"/admin/budgets/{ids['budget']}", budget)
    await made("PUT", f"/admin/roles/assignments/{ids['subject']}", {"roles": ["agent"]})
    item = {"role": "user", "content": text}
    thread = await made("POST", "/v1/conversations", {"items": [item], "metadata": {"of": text}})
    listed = await http.get(f"/v1/conversations/{thread['id']}/items")
    run = {"model": "auto", "input": text, "conversation": thread["id"]}
    response = await made("POST", "/v1/responses", run)
    return {
        "decision": str(decision["id"]),
        "answer": str(answer["id"]),
        "conversation": str(answer["conversation_id"]),
        "thread": str(thread["id"]),
        "item": str(listed.json()["data"][0]["id"]),
        "response": str(response["id"]),
    }


async def _by_mcp(product: Product, runbook: str, conversation: str) -> dict[str, str]:
    agent = await key_of(product, VICTIM, "agent")
    refund = {"invoice_id": "INV-2026-0014", "reason": "DUP", "amount_usd": 12.5}
    async with mcp(product, agent, CUSTOMER) as client:
        approval = approval_of(await client.call_tool(REFUND, refund))
    async with mcp(product, agent, CUSTOMER, conversation=conversation) as client:
        begun = await client.call_tool("memory__runbook_start", {"name": runbook})
        assert begun.structured_content is not None, begun
    return {"approval": approval, "run": str(begun.structured_content["run_id"])}


def kept(file: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every row the victim has, by table."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
        tables = [row[0] for row in db.execute("SELECT name FROM sqlite_schema WHERE type='table'")]
        found = {}
        for table in sorted(set(tables) - _FOLLOWS):
            columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
            if "tenant" in columns:
                query = f"SELECT * FROM {table} WHERE tenant = ?"  # noqa: S608  our own tables
                found[table] = sorted(db.execute(query, [VICTIM]).fetchall(), key=repr)
        return found


async def settled(file: Path) -> dict[str, list[tuple[object, ...]]]:
    """The same, once nothing of it changes any more by itself: what is booked is booked in a second."""
    with anyio.fail_after(_SETTLED_S):
        before = kept(file)
        while True:
            await anyio.sleep(_STILL_S)
            after = kept(file)
            if after == before:
                return after
            before = after
