"""Which MCP servers of others each tenant has, with every change kept, and which of their tools were approved."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Row, Table, delete, func, insert, select, update

from actors.database.engine import Database
from actors.database.federation_tables import mcp_server, mcp_tool_pin, mcp_tool_seen
from actors.database.upsert import insert_into
from routing.errors import ConflictError, RequestError
from routing.message import JsonObject

SHARED = ""
"""In a tenant's place: what the configuration gives to several or all of them."""

# Each is a connection and a task in every replica, and its tools are read with every question.
SERVERS_MAX = 20
"""Servers an administrator may add for one tenant."""

# The settings before; older ones are of no use to anybody who looks for a mistake of today.
VERSIONS_KEPT = 50

_FIRST_USE = "first use"


@dataclass(frozen=True, slots=True)
class McpServer:
    """A server somebody added for a tenant, as it stands since `version`."""

    tenant: str
    name: str
    version: int
    settings: JsonObject
    changed_by: str
    changed_at: float


@dataclass(frozen=True, slots=True)
class Seen:
    """What a server said last of a tool."""

    tool: str
    hash: str
    definition: JsonObject


@dataclass(frozen=True, slots=True)
class Pin:
    """The one definition of a tool that may be offered to a tenant."""

    tenant: str
    server: str
    tool: str
    hash: str


class Federation:
    """Keeps servers, what was seen of their tools, and what was approved."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def servers(self) -> list[McpServer]:
        """Every tenant's."""
        rows = await self._database.read(lambda connection: connection.execute(_CURRENT).all())
        return [_server_of(row) for row in rows]

    async def pins(self) -> list[Pin]:
        """Every tenant's; without the definitions."""
        rows = await self._database.read(lambda connection: connection.execute(_PINS).all())
        return [Pin(row.tenant, row.server, row.tool, row.hash) for row in rows]

    async def put(
        self,
        tenant: str,
        name: str,
        settings: JsonObject,
        changed: tuple[str, float],
        expected: int | None = None,
    ) -> McpServer:
        """Add a server or change it; `changed` is by whom and when.

        A server at another address is another server: what was approved of the one before is
        forgotten.

        Raises:
            ConflictError: `expected` is not the version that holds (0 where there is none).
            RequestError: the tenant has `SERVERS_MAX` others already.
        """
        by, at = changed

        def work(connection: Connection) -> McpServer:
            held = _held(connection, tenant, name)
            _must_be(held, expected)
            if held is None or held.settings is None:
                count = select(func.count()).select_from(mcp_server).where(
                    mcp_server.c.tenant == tenant,
                    mcp_server.c.is_current == 1,
                    mcp_server.c.settings.is_not(None),
                )  # fmt: skip
                if (connection.execute(count).scalar() or 0) >= SERVERS_MAX:
                    message = f"A tenant has {SERVERS_MAX} MCP servers of others at most."
                    raise RequestError("too_many_servers", message)
            before = None if held is None else held.settings
            if before is None or before.get("url") != settings.get("url"):
                _forget(connection, tenant, name)
            version = _write(connection, tenant, name, held, settings, changed)
            return McpServer(tenant, name, version, settings, by, at)

        return await self._database.write(work)

    async def delete(
        self, tenant: str, name: str, changed: tuple[str, float], expected: int | None = None
    ) -> bool:
        """Take a server away, and with it what was approved of it; False if there is none.

        Raises:
            ConflictError: `expected` is not the version that holds.
        """

        def work(connection: Connection) -> bool:
            held = _held(connection, tenant, name)
            if held is None or held.settings is None:
                return False
            _must_be(held, expected)
            _forget(connection, tenant, name)
            _write(connection, tenant, name, held, None, changed)
            return True

        return await self._database.write(work)

    async def seen(self, owner: str, server: str) -> list[Seen]:
        """What the server said last of its tools."""
        statement = select(mcp_tool_seen).where(_of(mcp_tool_seen, owner, server))
        rows = await self._database.read(lambda connection: connection.execute(statement).all())
        return [Seen(row.tool, row.hash, row.definition) for row in rows]

    async def see(
        self, owner: str, server: str, tools: Iterable[Seen], at: float, *, trust_first: bool
    ) -> None:
        """Keep what the server says now; tools it has no longer are forgotten, approvals are not.

        With `trust_first` what it says the first time is approved as it is. A server that was
        seen before is not at its first time, however its tools changed.
        """
        rows = [
            {
                "tenant": owner, "server": server, "tool": tool.tool, "hash": tool.hash,
                "definition": tool.definition, "seen_at": at,
            }
            for tool in tools
        ]  # fmt: skip

        def work(connection: Connection) -> None:
            kept = select(func.count()).select_from(mcp_tool_seen)
            is_first = not connection.execute(
                kept.where(_of(mcp_tool_seen, owner, server))
            ).scalar()
            pinned = select(func.count()).select_from(mcp_tool_pin)
            pins = connection.execute(pinned.where(_of(mcp_tool_pin, owner, server))).scalar()
            connection.execute(delete(mcp_tool_seen).where(_of(mcp_tool_seen, owner, server)))
            if not rows:
                return
            connection.execute(insert(mcp_tool_seen), rows)
            if trust_first and is_first and not pins:
                connection.execute(insert(mcp_tool_pin), [_first(row) for row in rows])

        await self._database.write(work)

    async def approved(self, tenant: str, owner: str, server: str) -> dict[str, JsonObject]:
        """The definitions a tenant's word, or else the shared one, lets pass, by tool."""
        found: dict[str, JsonObject] = {}
        for whose in (owner, tenant):
            found.update(await self._pinned(whose, server))
        return found

    async def _pinned(self, tenant: str, server: str) -> dict[str, JsonObject]:
        statement = select(mcp_tool_pin).where(_of(mcp_tool_pin, tenant, server))
        rows = await self._database.read(lambda connection: connection.execute(statement).all())
        return {row.tool: row.definition for row in rows}

    async def approve(
        self, tenant: str, server: str, tool: Seen, approved: tuple[str, float]
    ) -> None:
        """Let exactly this definition pass for the tenant; `approved` is by whom and when."""
        row = {
            "tenant": tenant, "server": server, "tool": tool.tool, "hash": tool.hash,
            "definition": tool.definition, "approved_by": approved[0], "approved_at": approved[1],
        }  # fmt: skip

        def work(connection: Connection) -> None:
            statement = insert_into(mcp_tool_pin, connection.dialect.name)
            new = statement.excluded
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["tenant", "server", "tool"],
                    set_={
                        "hash": new.hash,
                        "definition": new.definition,
                        "approved_by": new.approved_by,
                        "approved_at": new.approved_at,
                    },
                ),
                row,
            )

        await self._database.write(work)


_CURRENT = (
    select(mcp_server)
    .where(mcp_server.c.is_current == 1, mcp_server.c.settings.is_not(None))
    .order_by(mcp_server.c.tenant, mcp_server.c.name)
)
_PINS = select(
    mcp_tool_pin.c.tenant, mcp_tool_pin.c.server, mcp_tool_pin.c.tool, mcp_tool_pin.c.hash
)


def _held(connection: Connection, tenant: str, name: str) -> "Row[*tuple[object, ...]] | None":
    held = select(mcp_server).where(
        mcp_server.c.tenant == tenant, mcp_server.c.name == name, mcp_server.c.is_current == 1
    )
    return connection.execute(held).first()


def _must_be(held: "Row[*tuple[object, ...]] | None", expected: int | None) -> None:
    version = 0 if held is None or held.settings is None else held.version
    if expected is not None and expected != version:
        message = f"It stands at version {version} and not {expected}; look at it again."
        raise ConflictError("version_conflict", message)


def _write(
    connection: Connection,
    tenant: str,
    name: str,
    held: "Row[*tuple[object, ...]] | None",
    settings: JsonObject | None,
    changed: tuple[str, float],
) -> int:
    version: int = 1 if held is None else held.version + 1
    its = mcp_server.c.tenant == tenant, mcp_server.c.name == name
    connection.execute(update(mcp_server).where(*its).values(is_current=0))
    connection.execute(
        delete(mcp_server).where(*its, mcp_server.c.version <= version - VERSIONS_KEPT)
    )
    connection.execute(
        insert(mcp_server).values(
            tenant=tenant, name=name, version=version, settings=settings,
            changed_by=changed[0], changed_at=changed[1], is_current=1,
        )
    )  # fmt: skip
    return version


def _forget(connection: Connection, tenant: str, name: str) -> None:
    for table in (mcp_tool_seen, mcp_tool_pin):
        connection.execute(delete(table).where(_of(table, tenant, name)))


def _of(table: Table, tenant: str, server: str) -> ColumnElement[bool]:
    return (table.c.tenant == tenant) & (table.c.server == server)


def _first(row: dict[str, object]) -> dict[str, object]:
    kept = {key: value for key, value in row.items() if key != "seen_at"}
    return {**kept, "approved_by": _FIRST_USE, "approved_at": row["seen_at"]}


def _server_of(row: "Row[*tuple[object, ...]]") -> McpServer:
    return McpServer(
        row.tenant, row.name, row.version, row.settings, row.changed_by, row.changed_at
    )
