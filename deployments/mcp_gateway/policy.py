"""Who sees which tool, and which calls a human has to approve: pure, no I/O."""

from deployments.mcp_gateway.caller import Caller
from deployments.mcp_gateway.tool import Tool

# Characters: who decides reads the arguments beside it.
_NAMED_MAX = 200


def visible(caller: Caller, tool: Tool) -> bool:
    """Whether the caller may know of the tool at all; nothing is granted by default."""
    if caller.only is not None and (tool.name not in caller.only or tool.side_effect != "read"):
        return False
    return caller.principal.may(tool.permission)


def needs_human(caller: Caller, tool: Tool) -> str | None:
    """Why this call needs a human whatever its arguments are; None where it needs none.

    Words of untrusted origin in a conversation may have been written to make a model act. They
    may lead to reading and to changing the records of the customer who is spoken with; not to
    money, not to anything that leaves the house, and not to somebody else's records. Where we see
    the conversation ourselves, and so know that there are such words, they lead to no change at all.
    Nor does what a model made up there: it may be such words in another spelling.
    """
    if tool.needs_approval:
        return (
            f"the server {tool.server} is somebody else's, and every call of this tool is looked at"
        )
    reason = _after_untrusted_words(caller, tool) if caller.tainted else None
    if reason is None and caller.unsaid and tool.side_effect != "read":
        named = ", ".join(caller.unsaid)[:_NAMED_MAX]
        return f"neither the customer nor our records have said what it is given in {named}"
    return reason


def _after_untrusted_words(caller: Caller, tool: Tool) -> str | None:
    match tool.side_effect:
        case "read":
            return None
        case "write":
            return _why_no_write(caller)
        case "money":
            return "it moves money, and the conversation holds text of untrusted origin"
        case "egress":
            return "it sends data out, and the conversation holds text of untrusted origin"


def _why_no_write(caller: Caller) -> str | None:
    """Why a tainted conversation may not change records alone."""
    if caller.customer is None:
        return "the conversation holds text of untrusted origin, and no customer is bound to it"
    if caller.confirms_writes:
        return "it changes records, and the conversation holds text of untrusted origin"
    return None
