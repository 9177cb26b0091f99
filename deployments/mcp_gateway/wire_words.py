"""Our tools and outcomes in the protocol's words: pure."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from mcp_types import CallToolResult, ToolAnnotations
from mcp_types import Tool as WireTool

from deployments.mcp_gateway.tool import Tool, ToolOutcome
from routing.message import Json


def wire_tool(tool: Tool) -> WireTool:
    """A tool as clients see it; the hints are our own, whatever a federated server said."""
    reads = tool.side_effect == "read"
    return WireTool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=cast("dict[str, Any]", _without_headers(tool.input_schema)),
        output_schema=None if tool.output_schema is None else dict(tool.output_schema),
        annotations=ToolAnnotations(
            read_only_hint=reads,
            destructive_hint=not reads,
            open_world_hint=tool.trust == "untrusted" or tool.side_effect == "egress",
        ),
    )


def wire_result(outcome: ToolOutcome) -> CallToolResult:
    """An outcome as clients see it; where it is from stands beside it."""
    meta: dict[str, Any] = {"supportmax/source": outcome.source, "supportmax/trust": outcome.trust}
    if outcome.needs_approval is not None:
        meta["supportmax/approval"] = outcome.needs_approval.id
    return CallToolResult(
        content=list(outcome.content),
        structured_content=outcome.structured,
        is_error=outcome.is_error,
        _meta=meta,
    )


def _without_headers(schema: Json) -> Json:
    """The schema as we offer it: what asks for a header is between a federated server and us."""
    match schema:
        case str():
            return schema
        case Mapping():
            kept = (
                (k, v) for k, v in schema.items() if k != "x-mcp-header" or not isinstance(v, str)
            )
            return {key: _without_headers(value) for key, value in kept}
        case Sequence():
            return [_without_headers(value) for value in schema]
        case _:
            return schema
