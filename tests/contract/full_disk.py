"""A program: ways in, keys and tools over an audit log whose disk is full for a while, and then is not.

Run in a mount namespace of its own (`unshare --mount`), with a folder as its argument. What happened is
printed as JSON.
"""

import asyncio
import errno
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
from starlette.responses import Response

from actors.audit import AuditUnavailable
from actors.audit.log import AuditLog
from actors.database import Accounts, open_database
from config.settings import Settings
from deployments.boot import Boot
from deployments.ingress import api, routes
from deployments.ingress.auth_entry import AuthEntry
from deployments.ingress.routes import Call, Operation
from deployments.mcp_gateway.gateway import Gateway
from deployments.security.pepper import make_pepper, read_pepper
from deployments.security.principal import Principal
from deployments.security.trail import Trail
from routing.clock import SystemClock
from tests.audit_world import AuditWorld
from tests.unit.gateway.tool_world import Shop, caller, tool

SIZE_KIB = 128
WAIT_S = 20.0


class Disk:
    """The file system the log is on: small, and filled by us."""

    def __init__(self, at: Path) -> None:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_KIB}k,mode=700", "tmpfs", str(at)]
        subprocess.run(mount, check=True)
        self._ballast = at / "ballast"

    def fill(self) -> None:
        """Take what is left, to the last byte."""
        with self._ballast.open("wb", buffering=0) as file:
            for size in (4096, 1):
                try:
                    while True:
                        file.write(b"\0" * size)
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise

    def free(self) -> None:
        """Somebody made room."""
        self._ballast.unlink()


async def said(call: Call) -> Response:
    return routes.reply({"said": True})


ROWS = [
    Operation("GET", "/v3/read", "Read", "platforms:read", "read", "access", said, None),
    Operation("POST", "/v3/chat", "Chat", "chat:create", "chat", "action", said, None),
    Operation("PUT", "/admin/change", "Change", "budgets:configure", "admin", "action", said, None),
]


class World:
    """What is asked, and what came of it."""

    def __init__(self, http: httpx2.AsyncClient, trail: Trail, log: AuditLog) -> None:
        self.http = http
        self.log = log
        self._trail = trail
        self.shop = Shop(tool("refund", side_effect="money"), tool("look"))
        self._gateway = Gateway([self.shop], SystemClock(), trail=trail)

    async def everything(self) -> dict[str, object]:
        """One of each; the codes of what was refused."""
        who = caller("mcp:tools", "customers:change", "customers:any")
        found: dict[str, object] = {}
        for name, method, path, body in (
            ("read", "GET", "/v3/read", None),
            ("chat", "POST", "/v3/chat", None),
            ("change", "PUT", "/admin/change", None),
            ("key", "POST", "/admin/keys", {"name": "new", "roles": ["agent"]}),
        ):
            answer = await self.http.request(method, path, json=body)
            found[name] = 200 if answer.status_code == 200 else answer.json()["code"]
        try:
            await self._trail.signed_on(Principal("acme", "okta:somebody"), "okta")
            found["login"] = 200
        except AuditUnavailable as error:
            found["login"] = error.code
        for name in ("look", "refund"):
            await self._gateway.call(who, f"shop__{name}", {})
        found["tools"] = [name for name, _ in self.shop.calls]
        self.shop.calls.clear()
        keys = (await self.http.get("/admin/keys")).json()["keys"]
        found["keys"] = len(keys)
        return found


@asynccontextmanager
async def world(folder: Path, audit: AuditWorld) -> AsyncIterator[World]:
    boot, clock = Boot(home=folder, profile="development"), SystemClock()
    make_pepper(boot.key_pepper)
    database = open_database(folder / "site.db")
    await database.migrate()
    made = await Accounts(database, read_pepper(boot.key_pepper)).create_key(
        "acme", "the test's", frozenset({"admin"}), clock.now()
    )
    log = audit.log(10_000)
    trail = Trail(log, audit.keys, clock)
    entry = AuthEntry(boot, Settings(), database, clock, trail)
    app = api.application(
        [*entry.operations(), *ROWS], entry.authentication, entry.permissions, 1 << 20, trail
    )
    try:
        async with httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app),
            base_url="http://supportmax",
            headers={"x-api-key": made.secret},
        ) as http:
            yield World(http, trail, log)
    finally:
        await entry.aclose()
        await log.aclose()
        await database.aclose()


async def main(folder: Path) -> None:
    """Before, meanwhile, after; and what is on record in the end."""
    audit = AuditWorld(folder)
    disk = Disk(audit.root)
    told: dict[str, object] = {}
    async with world(folder, audit) as asked:
        told["before"] = await asked.everything()
        disk.fill()
        told["meanwhile"] = [await asked.everything() for _ in range(2)]
        told["failing"] = asked.log.is_failing
        disk.free()
        # By itself: a note is tried again every second, without anybody's commit.
        async with asyncio.timeout(WAIT_S):
            while asked.log.is_failing:  # noqa: ASYNC110  a thread's word
                await asyncio.sleep(0.05)
        told["after"] = await asked.everything()
    told["actions"] = [(row["action"], row["outcome"]) for row in audit.records()]
    told["faults"] = audit.faults()
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
