"""Two looks at the store at once: the older one does not undo the newer."""

import asyncio
import random
from pathlib import Path

from typing_extensions import override

from actors.database.engine import open_database
from actors.database.federation import Federation as Store
from actors.database.federation import McpServer
from config.gateway import McpSettings
from deployments.mcp_gateway.upstreams.federation import Federation
from routing.clock import SystemClock

AWAY = {"url": "https://127.0.0.1/mcp"}  # refused before anybody is asked


class Held(Store):
    """A store whose first reader hears the answer late."""

    def __init__(self, store: Store) -> None:
        super().__init__(store._database)
        self.read = asyncio.Event()
        self.told = asyncio.Event()

    @override
    async def servers(self) -> list[McpServer]:
        found = await super().servers()
        if not self.read.is_set():
            self.read.set()
            await self.told.wait()
        return found


async def test_a_server_that_was_taken_away_is_not_brought_back_by_an_older_look(
    tmp_path: Path,
) -> None:
    database = open_database(tmp_path / "x.db")
    await database.migrate()
    store = Held(Store(database))
    federation = Federation(McpSettings(), store, SystemClock(), random.Random(7))  # noqa: S311
    try:
        await store.put("acme", "crm", AWAY, ("key:1", 1.0))
        older = asyncio.create_task(federation.look())
        await store.read.wait()
        await store.delete("acme", "crm", ("key:1", 2.0))
        newer = asyncio.create_task(federation.look())
        # Without an order among them the newer one ends here, and the older one has the last word.
        await asyncio.wait({newer}, timeout=0.5)
        store.told.set()
        await asyncio.gather(older, newer)
        assert federation.of("acme") == []
    finally:
        await federation.aclose()
        await database.aclose()
