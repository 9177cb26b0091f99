-- MCP servers that others run: which there are, what their tools say, and what was approved of it.

CREATE TABLE mcp_server (
  tenant TEXT NOT NULL,
  name TEXT NOT NULL,
  version INTEGER NOT NULL,
  settings JSON,
  changed_by TEXT NOT NULL,
  changed_at DOUBLE PRECISION NOT NULL,
  is_current INTEGER NOT NULL,
  PRIMARY KEY (tenant, name, version)
);

CREATE INDEX mcp_server_current ON mcp_server (tenant, is_current, name);

CREATE TABLE mcp_tool_seen (
  tenant TEXT NOT NULL,
  server TEXT NOT NULL,
  tool TEXT NOT NULL,
  hash TEXT NOT NULL,
  definition JSON NOT NULL,
  seen_at DOUBLE PRECISION NOT NULL,
  PRIMARY KEY (tenant, server, tool)
);

CREATE TABLE mcp_tool_pin (
  tenant TEXT NOT NULL,
  server TEXT NOT NULL,
  tool TEXT NOT NULL,
  hash TEXT NOT NULL,
  definition JSON NOT NULL,
  approved_by TEXT NOT NULL,
  approved_at DOUBLE PRECISION NOT NULL,
  PRIMARY KEY (tenant, server, tool)
);
