"""All upstreams of one replica: those of the configuration, and those administrators add while it runs."""

import asyncio
import logging
import random
from collections.abc import Iterable, Sequence
from functools import partial

from pydantic import ValidationError

from actors.database.federation import Federation as Store
from actors.database.federation import McpServer, Seen
from config.gateway import McpSettings
from config.upstreams import AddedServer
from deployments.mcp_gateway.upstreams.made import (
    Authorities,
    Made,
    from_administrator,
    from_configuration,
    policy_of,
)
from deployments.mcp_gateway.upstreams.pins import Pins
from deployments.mcp_gateway.upstreams.upstream import Upstream
from deployments.mcp_gateway.upstreams.watch import Watch
from routing.clock import Clock

_log = logging.getLogger(__name__)

# A change is known in every replica within so long; to look takes 1 ms of a processor.
LOOK_S = 2.0


class Federation:
    """The upstreams of every tenant, kept as the configuration and the store say."""

    def __init__(
        self, settings: McpSettings, store: Store, clock: Clock, chance: random.Random
    ) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._chance = chance
        self.policy = policy_of(settings.outbound)
        self.authorities = Authorities(settings, clock)
        self._pins = Pins()
        # What is read first is taken over first: otherwise an older look undoes a newer one.
        self._taking_over = asyncio.Lock()
        self._configured: dict[str, Upstream] = {}
        # By tenant and name; None where a server cannot be made as it is written.
        self._added: dict[str, dict[str, tuple[int, Upstream | None]]] = {}
        self._looking: asyncio.Task[None] | None = None
        self._closing = set[asyncio.Task[None]]()

    async def start(self) -> None:
        """Reach out to all of them; none is waited for."""
        for name, said in self._settings.upstreams.items():
            made = from_configuration(name, said, self.authorities, self.policy)
            if made is None:
                _log.warning("the MCP server %s is off: its authority is not configured", name)
                continue
            self._configured[name] = self._begin(made)
        await self.look()
        self._looking = asyncio.create_task(self._look_on())

    def of(self, tenant: str) -> Sequence[Upstream]:
        """A tenant's: the shared ones, and its own under names that those leave free."""
        shared = [found for name, found in self._configured.items() if self.shares(name, tenant)]
        names = {upstream.name for upstream in shared}
        own = [
            upstream
            for name, (_, upstream) in self._added.get(tenant, {}).items()
            if upstream is not None and name not in names
        ]
        return [*shared, *own]

    def shares(self, name: str, tenant: str) -> bool:
        """Whether the configuration gives the tenant a server of that name."""
        said = self._settings.upstreams.get(name)
        return said is not None and (not said.tenants or tenant in said.tenants)

    async def look(self) -> None:
        """Take over what the store says now."""
        async with self._taking_over:
            servers, pins = await self._store.servers(), await self._store.pins()
            self._take_over(servers, Pins.of(pins))

    def _take_over(self, servers: Sequence[McpServer], pins: Pins) -> None:
        self._pins = pins
        held = {(server.tenant, server.name): server for server in servers}
        for tenant, added in self._added.items():
            for name, (version, upstream) in list(added.items()):
                server = held.get((tenant, name))
                if server is None or server.version != version:
                    del added[name]
                    self._let_go(upstream)
        for (tenant, name), server in held.items():
            added = self._added.setdefault(tenant, {})
            if name not in added:
                made = self._made(server)
                added[name] = server.version, None if made is None else self._begin(made)

    async def aclose(self) -> None:
        """Let all of them go."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        for upstream in self._every():
            self._let_go(upstream)
        await asyncio.gather(*self._closing, return_exceptions=True)
        await self.authorities.aclose()

    def _every(self) -> Iterable[Upstream]:
        added = (upstream for own in self._added.values() for _, upstream in own.values())
        return [*self._configured.values(), *(found for found in added if found is not None)]

    async def _look_on(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self.look()
            except Exception:  # noqa: BLE001  what is known goes on working
                _log.exception("the MCP servers of the store could not be read")

    def _made(self, server: McpServer) -> Made | None:
        try:
            said = AddedServer.model_validate(server.settings)
        except ValidationError:
            _log.warning(
                "the MCP server %s of %s is of another version", server.name, server.tenant
            )
            return None
        where = (said.url, said.authority)
        return from_administrator(
            server.name, server.tenant, said, where, self.authorities, self.policy
        )

    def _begin(self, made: Made) -> Upstream:
        terms = made.terms
        watch = Watch(
            terms.name,
            made.link,
            partial(self._store.seen, terms.owner, terms.name),
            partial(self._keep, terms.owner, terms.name, terms.trust_on_first_use),
            self._clock,
            self._chance,
        )
        upstream = Upstream(terms, made.link, watch, lambda: self._pins, self._clock)
        upstream.start()
        return upstream

    async def _keep(self, owner: str, name: str, trusting: bool, tools: list[Seen]) -> None:
        await self._store.see(owner, name, tools, self._clock.now(), trust_first=trusting)
        async with self._taking_over:
            self._pins = Pins.of(await self._store.pins())

    def _let_go(self, upstream: Upstream | None) -> None:
        if upstream is None:
            return
        task = asyncio.create_task(upstream.aclose())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
