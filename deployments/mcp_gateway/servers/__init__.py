"""Our own MCP servers, each a `MCPServer` that can also be run alone."""
