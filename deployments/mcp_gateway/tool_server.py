"""What the gateway asks of a server behind it: one in this process, or a federated one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from deployments.mcp_gateway.caller import Caller, Progress
from deployments.mcp_gateway.tool import Tool, Trust
from routing.errors import SupportMaxError
from routing.message import JsonObject

if TYPE_CHECKING:
    from mcp.server import ServerRequestContext
    from mcp_types import (
        CallToolResult,
        ClientCapabilities,
        Completion,
        GetPromptResult,
        InputRequiredResult,
        InputResponses,
        Prompt,
        PromptReference,
        ReadResourceResult,
        Resource,
        ResourceTemplate,
        ResourceTemplateReference,
    )


class UpstreamFailed(SupportMaxError):
    """A federated server did not do what it was asked; `detail` tells the caller so, in our words."""

    code = "upstream_failed"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Exchange:
    """What travels with one request through the gateway, beside its arguments.

    `answers` and `state` are the second round of a request that asked its client something.
    `capabilities` are those the client declared; a server may ask for nothing beyond them.
    `wire` is the request as it came over HTTP; None for a call from this process.
    """

    progress: Progress | None = None
    answers: "InputResponses | None" = None
    state: str | None = None
    capabilities: "ClientCapabilities | None" = None
    idempotency_key: str | None = None
    wire: "ServerRequestContext[Any, Any] | None" = None


class ToolServer(Protocol):
    """A server behind the gateway.

    Names of tools and prompts are its own (`refund_invoice`); the gateway puts the server's name
    in front. Everything it is asked is for one caller, and it shows no caller what is another's.
    A method may raise mcp's MCPError, which reaches the client as it is; anything else is contained.
    """

    @property
    def name(self) -> str:
        """The prefix of its tools, `[A-Za-z0-9-]{1,32}`, or nothing for no prefix."""
        ...

    @property
    def permission(self) -> str:
        """What a caller needs for its resources and prompts; a tool names its own."""
        ...

    @property
    def trust(self) -> Trust:
        """Who wrote its resources and prompts."""
        ...

    async def tools(self, caller: Caller) -> Sequence[Tool]:
        """Its tools, `name` made by `tool.offered_name`."""
        ...

    async def call(
        self, caller: Caller, local_name: str, arguments: JsonObject, exchange: Exchange
    ) -> "CallToolResult | InputRequiredResult":
        """Call one of its tools; the gateway bounds the time it takes."""
        ...

    async def resources(self, caller: Caller) -> "Sequence[Resource]":
        """Resources that have a fixed address."""
        ...

    async def templates(self, caller: Caller) -> "Sequence[ResourceTemplate]":
        """Addresses with holes to fill."""
        ...

    async def read(
        self, caller: Caller, uri: str, exchange: Exchange
    ) -> "ReadResourceResult | InputRequiredResult | None":
        """What is at `uri`, None where it has nothing there for this caller."""
        ...

    async def prompts(self, caller: Caller) -> "Sequence[Prompt]":
        """Its prompts, under its own names."""
        ...

    async def prompt(
        self, caller: Caller, local_name: str, arguments: Mapping[str, str], exchange: Exchange
    ) -> "GetPromptResult | InputRequiredResult":
        """One prompt, filled."""
        ...

    async def complete(
        self,
        caller: Caller,
        ref: "PromptReference | ResourceTemplateReference",
        argument: tuple[str, str],
        known: Mapping[str, str],
    ) -> "Completion | None":
        """How the argument (name, what is typed so far) may go on; None where it cannot say.

        A PromptReference carries the server's own name of the prompt.
        """
        ...
