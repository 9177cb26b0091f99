"""A registry that refuses itself when it is imported."""

from deployments.mcp_gateway.business.declaration import BusinessTool, ToolRegistry
from tests.unit.tools.company import Found, Where

registry = ToolRegistry((BusinessTool("find", "F", "F", Where, Found, "read", "mcp:tools"),))
