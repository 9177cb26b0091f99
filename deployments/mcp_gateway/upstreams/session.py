"""One session with an upstream: the protocol's own client, without what it would do unasked."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from mcp import MCPError
from mcp.client import ClientRequestContext, ClientSession
from mcp_types import (
    CallToolResult,
    DiscoverResult,
    ElicitRequestParams,
    ElicitResult,
    Implementation,
    ListToolsResult,
    PaginatedRequestParams,
    Prompt,
    Resource,
    ResourceTemplate,
    Tool,
)
from pydantic import ValidationError
from typing_extensions import override

from deployments.mcp_gateway.tool_server import UpstreamFailed

_Row = TypeVar("_Row")

CLIENT = Implementation(name="supportmax", version="1")

# Pages of one list, and rows of it: what more there is nobody reads.
PAGES_MAX = 20
ROWS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All that an upstream lists; `completes` says that it can go on with what somebody types."""

    tools: Sequence[Tool]
    resources: Sequence[Resource]
    templates: Sequence[ResourceTemplate]
    prompts: Sequence[Prompt]
    completes: bool


class Session(ClientSession):
    """A session of one caller with one upstream.

    It does not validate answers, which would list the tools once more for each call and follow
    the upstream's own schema wherever it leads; `schemas.breach_of` does. It refuses whatever the
    upstream asks on its own account.
    """

    def __init__(self, streams: tuple[Any, Any], *, asks: bool) -> None:
        read, write = streams
        super().__init__(
            read,
            write,
            # To have one is what says that somebody can be asked.
            elicitation_callback=_declined if asks else None,
            client_info=CLIENT,
        )

    def know(self, tool: Tool) -> None:
        """Let a call of `tool` carry the headers its schema asks for."""
        self._absorb_tool_listing(ListToolsResult(tools=[tool]), complete=False)

    @override
    async def validate_tool_result(self, name: str, result: CallToolResult) -> None:
        pass


async def greet(session: Session) -> DiscoverResult | None:
    """Begin a session with a stranger; what lets the next begin without, None for older servers."""
    try:
        return await session.discover()
    except (MCPError, RuntimeError, ValidationError):
        # Whatever an older server says to what it does not know; one that is ill says it again.
        await session.initialize()
    return None


async def list_all(session: Session) -> Catalogue:
    """Everything the upstream has, within bounds.

    Raises:
        UpstreamFailed: its lists have no end.
    """

    async def tools(asked: PaginatedRequestParams) -> tuple[Sequence[Tool], str | None]:
        page = await session.list_tools(params=asked)
        return page.tools, page.next_cursor

    async def resources(asked: PaginatedRequestParams) -> tuple[Sequence[Resource], str | None]:
        page = await session.list_resources(params=asked)
        return page.resources, page.next_cursor

    async def templates(
        asked: PaginatedRequestParams,
    ) -> tuple[Sequence[ResourceTemplate], str | None]:
        page = await session.list_resource_templates(params=asked)
        return page.resource_templates, page.next_cursor

    async def prompts(asked: PaginatedRequestParams) -> tuple[Sequence[Prompt], str | None]:
        page = await session.list_prompts(params=asked)
        return page.prompts, page.next_cursor

    able = session.server_capabilities
    if able is None:
        raise UpstreamFailed("It does not say what it can do.")
    has_resources = able.resources is not None
    return Catalogue(
        await _pages(tools) if able.tools is not None else (),
        await _pages(resources) if has_resources else (),
        await _pages(templates) if has_resources else (),
        await _pages(prompts) if able.prompts is not None else (),
        able.completions is not None,
    )


async def _pages(
    page_of: Callable[[PaginatedRequestParams], Awaitable[tuple[Sequence[_Row], str | None]]],
) -> Sequence[_Row]:
    rows: list[_Row] = []
    cursors = set[str | None]()
    cursor: str | None = None
    while cursor not in cursors:
        cursors.add(cursor)
        page, cursor = await page_of(PaginatedRequestParams(cursor=cursor))
        rows += page
        if cursor is None:
            return rows
        if len(cursors) >= PAGES_MAX or len(rows) > ROWS_MAX:
            break
    raise UpstreamFailed("Its lists have no end.")


async def _declined(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
    """The answer to what an older server asks in mid-call: there is no way to the human then."""
    return ElicitResult(action="decline")
