"""Who sees which tool, and which calls a human has to approve: pure, no I/O."""

from deployments.mcp_gateway.caller import Caller
from deployments.mcp_gateway.tool import Tool


def visible(caller: Caller, tool: Tool) -> bool:
    """Whether the caller may know of the tool at all; nothing is granted by default."""
    return caller.principal.may(tool.permission)


def needs_human(caller: Caller, tool: Tool) -> str | None:
    """Why this call needs a human whatever its arguments are; None where it needs none.

    Words of untrusted origin in a conversation may have been written to make a model act. They
    may lead to reading and to changing the records of the customer who is spoken with; not to
    money, not to anything that leaves the house, and not to somebody else's records.
    """
    if not caller.tainted:
        return None
    match tool.side_effect:
        case "read":
            return None
        case "write":
            if caller.customer is not None:
                return None
            return "the conversation holds text of untrusted origin, and no customer is bound to it"
        case "money":
            return "it moves money, and the conversation holds text of untrusted origin"
        case "egress":
            return "it sends data out, and the conversation holds text of untrusted origin"
