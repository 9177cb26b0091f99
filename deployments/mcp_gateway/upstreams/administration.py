"""What an administrator may do with the MCP servers of their tenant: see, add, change, remove, let a tool pass."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import httpx2

from actors.database.federation import Federation as Store
from actors.database.federation import Seen
from config.upstreams import AddedServer
from deployments.mcp_gateway.tool import SideEffect
from deployments.mcp_gateway.upstreams.definition import Definition, difference
from deployments.mcp_gateway.upstreams.federation import Federation
from deployments.mcp_gateway.upstreams.offer import offer
from deployments.mcp_gateway.upstreams.pins import State
from deployments.mcp_gateway.upstreams.upstream import Upstream
from deployments.mcp_gateway.upstreams.watch import State as ServerState
from deployments.security.outbound import OutboundRefused, check_url
from deployments.security.principal import Principal
from routing.breaker import BreakerPhase
from routing.clock import Clock
from routing.errors import AccessError, ConflictError, RequestError, Violation
from routing.message import JsonObject

# A diff is read by a person; a definition of the largest size is a thousand lines.
DIFF_LINES_MAX = 400


@dataclass(frozen=True, slots=True)
class ToolView:
    """A tool as an administrator sees it; with `diff` what changed since somebody looked at it."""

    name: str
    state: State
    reason: str
    hash: str | None
    side_effect: SideEffect | None
    needs_approval: bool | None
    permission: str | None
    diff: Sequence[str]


@dataclass(frozen=True, slots=True)
class ServerView:
    """A server as an administrator sees it, as this replica found it.

    `settings` and `version` are those of the tenant's own; the configuration's are the operator's
    business.
    """

    name: str
    is_configured: bool
    version: int | None
    settings: JsonObject | None
    state: ServerState
    problem: str
    breaker: BreakerPhase
    read_at: float | None
    tools: Sequence[ToolView]


class Administration:
    """The federation, for people."""

    def __init__(
        self, federation: Federation, store: Store, permissions: Collection[str], clock: Clock
    ) -> None:
        self._federation = federation
        self._store = store
        self._permissions = permissions
        self._clock = clock

    async def every(self, tenant: str) -> list[ServerView]:
        """All servers of a tenant, by name."""
        stored = {s.name: s for s in await self._store.servers() if s.tenant == tenant}
        views: list[ServerView] = []
        for upstream in sorted(self._federation.of(tenant), key=lambda found: found.name):
            own = stored.get(upstream.name) if upstream.terms.owner == tenant else None
            views.append(
                ServerView(
                    upstream.name,
                    own is None,
                    None if own is None else own.version,
                    None if own is None else own.settings,
                    upstream.watch.state,
                    upstream.watch.problem,
                    upstream.health.phase,
                    upstream.watch.read_at,
                    await self._tools(tenant, upstream),
                )
            )
        return views

    async def one(self, tenant: str, name: str) -> ServerView:
        """One of them; AccessError where the tenant has none of that name."""
        for view in await self.every(tenant):
            if view.name == name:
                return view
        raise _unknown(name)

    async def put(
        self, principal: Principal, name: str, said: AddedServer, expected: int | None
    ) -> ServerView:
        """Add a server, or change one.

        Raises:
            RequestError: its settings cannot be meant.
            ConflictError: the name is the configuration's, or somebody else changed it meanwhile.
        """
        tenant = principal.tenant
        self._must_be_free(tenant, name)
        violations = [*self._violations(tenant, said)]
        if violations:
            raise RequestError("invalid_request", violations[0].message, tuple(violations))
        settings = said.model_dump(mode="json", include=set(AddedServer.model_fields))
        changed = (principal.subject, self._clock.now())
        await self._store.put(tenant, name, settings, changed, expected)
        await self._federation.look()
        return await self.one(tenant, name)

    async def delete(self, principal: Principal, name: str) -> None:
        """Take one away.

        Raises:
            AccessError: the tenant has none of that name.
            ConflictError: it is the configuration's.
        """
        tenant = principal.tenant
        self._must_be_free(tenant, name)
        if not await self._store.delete(tenant, name, (principal.subject, self._clock.now())):
            raise _unknown(name)
        await self._federation.look()

    async def approve(self, principal: Principal, name: str, tool: str, digest: str) -> ToolView:
        """Let a tool pass for the tenant, exactly as it was looked at.

        Raises:
            AccessError: there is no such server or tool.
            ConflictError: the tool has changed since.
        """
        tenant = principal.tenant
        upstream = next((u for u in self._federation.of(tenant) if u.name == name), None)
        definition = None if upstream is None else upstream.watch.listing.tools.get(tool)
        if upstream is None or definition is None:
            raise _unknown(f"{name}/{tool}")
        if definition.hash != digest:
            message = f"{tool} has changed since you looked at it; look again."
            raise ConflictError("definition_changed", message)
        seen = Seen(tool, definition.hash, definition.body)
        await self._store.approve(tenant, name, seen, (principal.subject, self._clock.now()))
        await self._federation.look()
        return next(view for view in await self._tools(tenant, upstream) if view.name == tool)

    async def _tools(self, tenant: str, upstream: Upstream) -> list[ToolView]:
        terms, listing = upstream.terms, upstream.watch.listing
        approved = await self._store.approved(tenant, terms.owner, terms.name)
        views = [
            self._tool(tenant, upstream, definition, approved.get(definition.name))
            for definition in listing.tools.values()
        ]
        views += [
            ToolView(name, "refused", reason, None, None, None, None, ())
            for name, reason in listing.refused.items()
        ]
        return sorted(views, key=lambda view: view.name)

    def _tool(
        self,
        tenant: str,
        upstream: Upstream,
        definition: Definition,
        approved: JsonObject | None,
    ) -> ToolView:
        offered = offer(upstream.terms, definition)
        terms = offered.side_effect, offered.needs_approval, offered.permission
        if upstream.allows(tenant, definition):
            return ToolView(definition.name, "offered", "", definition.hash, *terms, ())
        why = "it is new" if approved is None else "it has changed since it was approved"
        diff = difference(approved, definition.body)[:DIFF_LINES_MAX]
        return ToolView(definition.name, "quarantined", why, definition.hash, *terms, diff)

    def _violations(self, tenant: str, said: AddedServer) -> list[Violation]:
        found: list[Violation] = []
        try:
            check_url(self._federation.policy, httpx2.URL(said.url))
        except (OutboundRefused, httpx2.InvalidURL) as error:
            found.append(Violation("/url", str(error)))
        authority = said.authority
        if authority is not None and not self._federation.authorities.for_tenant(authority, tenant):
            message = f"There is no authority {authority[:64]} for servers of this tenant's own."
            found.append(Violation("/authority", message))
        asked = {"/permission": said.permission}
        asked |= {
            f"/tools/{tool}/permission": rule.permission
            for tool, rule in said.tools.items()
            if rule.permission is not None
        }
        for where, permission in asked.items():
            if permission not in self._permissions:
                found.append(Violation(where, f"There is no permission {permission[:64]}."))
        return found

    def _must_be_free(self, tenant: str, name: str) -> None:
        if self._federation.shares(name, tenant):
            message = f"The server {name} is in the configuration; change it there."
            raise ConflictError("server_configured", message)


def _unknown(name: str) -> AccessError:
    return AccessError("not_found", f"There is no MCP server or tool {name[:100]}.")
