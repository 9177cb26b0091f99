"""The servers behind the gateway, as one caller has them, and what all of them list."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from deployments.mcp_gateway.caller import Caller
from deployments.mcp_gateway.tool_server import ToolServer

_log = logging.getLogger(__name__)
_Row = TypeVar("_Row")

# A list is made of what a server has in memory; one that takes this long is left out of it, so
# that it does not keep the others' tools from the caller.
LIST_DEADLINE_S = 2.0


class Servers:
    """Our own servers, which are everybody's, and each tenant's federated ones."""

    def __init__(
        self, own: Sequence[ToolServer], federated: Callable[[str], Sequence[ToolServer]]
    ) -> None:
        self._own = tuple(own)
        self._federated = federated

    def of(self, caller: Caller) -> list[ToolServer]:
        """The servers of the caller's tenant, each name once."""
        named: dict[str, ToolServer] = {}
        for server in (*self._own, *self._federated(caller.principal.tenant)):
            if named.setdefault(server.name, server) is not server:
                _log.warning("two servers are called %r; the second is not reached", server.name)
        return list(named.values())

    async def gather(
        self,
        caller: Caller,
        ask: Callable[[ToolServer], Awaitable[Sequence[_Row]]],
        *,
        shelf: bool = False,
    ) -> list[tuple[ToolServer, Sequence[_Row]]]:
        """What every server answers, without those that fail; `shelf` is what is no tool."""
        asked = [server for server in self.of(caller) if not shelf or may_read(caller, server)]
        if len(asked) == 1:  # nobody to be asked beside it, and no task to be made for that
            return [(asked[0], await rows_of(asked[0], ask))]
        rows = await asyncio.gather(*(rows_of(server, ask) for server in asked))
        return list(zip(asked, rows, strict=True))


def may_read(caller: Caller, server: ToolServer) -> bool:
    """Whether the caller may have what of the server is no tool."""
    return caller.only is None and caller.principal.may(server.permission)


async def rows_of(
    server: ToolServer, ask: Callable[[ToolServer], Awaitable[Sequence[_Row]]]
) -> Sequence[_Row]:
    """What a server lists; nothing where it fails, so that the others are still listed."""
    try:
        async with asyncio.timeout(LIST_DEADLINE_S):
            return await ask(server)
    except Exception:  # noqa: BLE001  whatever it raises, it is this server's alone
        _log.exception("the server %r could not be listed", server.name)
        return ()
