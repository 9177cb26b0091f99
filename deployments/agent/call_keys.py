"""Under which key a call is made: the gateway's tools do once what is asked twice under one."""

import hashlib
import json

from deployments.mcp_gateway.tool import Tool
from routing.message import ToolCall


def digest_of(call: ToolCall) -> str:
    """The call as one short name: the same tool with the same arguments is the same call."""
    said = json.dumps([call.name, dict(call.arguments)], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(said.encode(errors="backslashreplace")).hexdigest()[:32]


def key_of(tool: Tool, digest: str, once: str | None, place: str) -> str:
    """The key of a call at this place of an answer; `once` names a request that may be tried again.

    A change of such a request has no place in its key: an answer makes the same one once, and the
    model of another try may look elsewhere first.
    """
    if once is not None and tool.side_effect != "read":
        return f"{once}:{digest}"
    return f"{place}:{digest}"
