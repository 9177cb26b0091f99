"""The tables of MCP servers that others run: which there are, what they say, and what was approved.

What `tables.py` says of times and tenants holds here too. The tenant "" is the configuration's:
its servers are shared.
"""

from sqlalchemy import JSON, Column, Double, Index, Integer, Table, Text

from actors.database.tables import metadata, tenant_column

# One row for each change; the highest version of a name is what holds, and without settings the
# server was taken away.
mcp_server = Table(
    "mcp_server",
    metadata,
    tenant_column(),
    Column("name", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("settings", JSON(none_as_null=True)),
    Column("changed_by", Text, nullable=False),
    Column("changed_at", Double, nullable=False),
    Column("is_current", Integer, nullable=False),
    Index("mcp_server_current", "tenant", "is_current", "name"),
)

# What a server said last of each of its tools, whichever replica asked it.
mcp_tool_seen = Table(
    "mcp_tool_seen",
    metadata,
    tenant_column(),
    Column("server", Text, primary_key=True),
    Column("tool", Text, primary_key=True),
    Column("hash", Text, nullable=False),
    Column("definition", JSON, nullable=False),
    Column("seen_at", Double, nullable=False),
)

# What somebody looked at and let pass; `tenant` is theirs, which for a shared server is not the
# server's.
mcp_tool_pin = Table(
    "mcp_tool_pin",
    metadata,
    tenant_column(),
    Column("server", Text, primary_key=True),
    Column("tool", Text, primary_key=True),
    Column("hash", Text, nullable=False),
    Column("definition", JSON, nullable=False),
    Column("approved_by", Text, nullable=False),
    Column("approved_at", Double, nullable=False),
)
