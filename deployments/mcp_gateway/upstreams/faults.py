"""What went wrong with an upstream: what it means for its health, and the words for who asked. Pure."""

from collections.abc import Iterator

import httpx2
from mcp import MCPError
from mcp_types import CONNECTION_CLOSED, INTERNAL_ERROR, PARSE_ERROR, REQUEST_TIMEOUT
from pydantic import ValidationError

from deployments.mcp_gateway.tool_server import UpstreamFailed
from deployments.mcp_gateway.upstreams.definition import shown
from deployments.security.outbound import OutboundRefused
from routing.errors import ErrorKind

STORY_MAX = 300

_KINDS = {
    CONNECTION_CLOSED: ErrorKind.CONNECTION,
    INTERNAL_ERROR: ErrorKind.OVERLOADED,
    PARSE_ERROR: ErrorKind.BAD_REPLY,
    REQUEST_TIMEOUT: ErrorKind.TIMEOUT,
}


def root_of(error: BaseException) -> BaseException:
    """The error that says most, out of the groups in which tasks wrap them."""
    found = list(_leaves(error))
    for kind in (UpstreamFailed, OutboundRefused, MCPError, httpx2.HTTPError):
        for leaf in found:
            if isinstance(leaf, kind):
                return leaf
    return found[0]


def kind_of(error: BaseException) -> ErrorKind | None:
    """What the failure says of the upstream's health; None where it says nothing bad."""
    match root_of(error):
        case MCPError() as said:
            return _KINDS.get(said.error.code)
        case UpstreamFailed():
            return None
        case TimeoutError() | httpx2.TimeoutException():
            return ErrorKind.TIMEOUT
        case ValidationError() | RuntimeError():
            return ErrorKind.BAD_REPLY
        case _:
            return ErrorKind.CONNECTION


def story_of(error: BaseException) -> str:  # noqa: PLR0911
    """What went wrong, for the caller and for an administrator; nothing of our inside."""
    match root_of(error):
        case UpstreamFailed(detail=detail):
            return detail
        case OutboundRefused() as refused:
            return str(refused)
        case MCPError() as said:
            return f"It answered: {shown(said.error.message, STORY_MAX)}"
        case TimeoutError() | httpx2.TimeoutException():
            return "It did not answer in time."
        case ValidationError():
            return "What it answered is not the protocol."
        case RuntimeError():
            return "It answered something else than it was asked for."
        case _:
            return "The connection to it failed."


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
        return
    yield error
