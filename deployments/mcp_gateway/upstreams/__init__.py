"""MCP servers that others run, behind the gateway: nothing they say is believed, and none takes another down."""
