"""One MCP server that others run, behind the gateway.

Callers are served from what it listed last. Nothing it says about itself changes what it may do:
side effects, permissions and approvals are the configuration's, and a tool is offered only as
somebody looked at it. A call is made once, and never again by us: it may have acted.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

from mcp import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    CallToolResult,
    Completion,
    GetPromptResult,
    InputRequiredResult,
    Prompt,
    PromptReference,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    ResourceTemplateReference,
    TextContent,
)

from deployments.mcp_gateway.caller import Caller
from deployments.mcp_gateway.tool import Tool, Trust
from deployments.mcp_gateway.tool_server import Exchange, UpstreamFailed
from deployments.mcp_gateway.upstreams import relay
from deployments.mcp_gateway.upstreams.definition import Definition, shown
from deployments.mcp_gateway.upstreams.faults import STORY_MAX, kind_of, root_of, story_of
from deployments.mcp_gateway.upstreams.health import Health
from deployments.mcp_gateway.upstreams.links import Link
from deployments.mcp_gateway.upstreams.offer import Terms, offer
from deployments.mcp_gateway.upstreams.pins import Pins
from deployments.mcp_gateway.upstreams.schemas import breach_of, is_light
from deployments.mcp_gateway.upstreams.session import Session
from deployments.mcp_gateway.upstreams.watch import Watch
from routing.clock import Clock
from routing.errors import ErrorKind
from routing.message import Json, JsonObject

_Answer = TypeVar("_Answer")


class Upstream:
    """A ToolServer over a server of others. `pins` tells which definitions were looked at."""

    def __init__(
        self, terms: Terms, link: Link, watch: Watch, pins: Callable[[], Pins], clock: Clock
    ) -> None:
        self.terms = terms
        self.watch = watch
        self.health = Health(terms.name, clock)
        self._link = link
        self._pins = pins
        self._offers: dict[str, Tool] = {}

    @property
    def name(self) -> str:
        """The prefix of its tools."""
        return self.terms.name

    @property
    def permission(self) -> str:
        """What its resources and prompts need."""
        return self.terms.permission

    @property
    def trust(self) -> Trust:
        """Others wrote it."""
        return "untrusted"

    def start(self) -> None:
        """Begin to read its lists."""
        self.watch.start()

    async def aclose(self) -> None:
        """Let go of it; calls under way end with an error."""
        await self.watch.aclose()
        await self._link.aclose()

    async def tools(self, caller: Caller) -> Sequence[Tool]:
        """Those whose definition somebody looked at, for the caller's tenant."""
        tenant = caller.principal.tenant
        return [
            self._offer(definition)
            for definition in self.watch.listing.tools.values()
            if self.allows(tenant, definition)
        ]

    def allows(self, tenant: str, definition: Definition) -> bool:
        """Whether the tool may be offered to the tenant as it is now."""
        name, owner = self.terms.name, self.terms.owner
        return self._pins().allow(tenant, owner, name, definition.name, definition.hash)

    async def call(
        self, caller: Caller, local_name: str, arguments: JsonObject, exchange: Exchange
    ) -> CallToolResult | InputRequiredResult:
        """Call one of them, once.

        Raises:
            UpstreamFailed: it did not do it, or nobody knows whether it did.
        """
        definition = self.watch.listing.tools.get(local_name)
        if definition is None or not self.allows(caller.principal.tenant, definition):
            raise UpstreamFailed("The tool has changed and waits for somebody to look at it.")
        listed = self.watch.wire.get(local_name)

        async def ask(session: Session) -> CallToolResult | InputRequiredResult:
            if listed is not None:
                session.know(listed)
            return await session.call_tool(
                local_name,
                dict(arguments),
                progress_callback=relay.progress(self.name, exchange),
                input_responses=relay.answers(exchange),
                request_state=exchange.state,
                allow_input_required=True,
            )

        try:
            answered = await self._ask(caller, exchange, ask, definition)
        except MCPError as error:
            # Its own words, so they are an answer of its and labelled as one.
            said = TextContent(text=shown(error.error.message, STORY_MAX))
            return CallToolResult(content=[said], is_error=True)
        if isinstance(answered, InputRequiredResult):
            return relay.question(self.name, answered, relayed=self._relays(exchange))
        return CallToolResult(
            content=answered.content,
            structured_content=answered.structured_content,
            is_error=answered.is_error,
        )

    async def resources(self, caller: Caller) -> Sequence[Resource]:
        """Those it listed."""
        return self.watch.rows.resources

    async def templates(self, caller: Caller) -> Sequence[ResourceTemplate]:
        """Those it listed."""
        return self.watch.rows.templates

    async def read(
        self, caller: Caller, uri: str, exchange: Exchange
    ) -> ReadResourceResult | InputRequiredResult | None:
        """What is at one of its own addresses; another's is not even asked for."""
        if not self.watch.rows.has(uri):
            return None

        async def ask(session: Session) -> ReadResourceResult:
            return await session.read_resource(uri)

        return await self._told(caller, exchange, ask)

    async def prompts(self, caller: Caller) -> Sequence[Prompt]:
        """Those it listed."""
        return list(self.watch.rows.prompts.values())

    async def prompt(
        self, caller: Caller, local_name: str, arguments: Mapping[str, str], exchange: Exchange
    ) -> GetPromptResult | InputRequiredResult:
        """One prompt, filled."""

        async def ask(session: Session) -> GetPromptResult:
            return await session.get_prompt(local_name, dict(arguments))

        return await self._told(caller, exchange, ask)

    async def complete(
        self,
        caller: Caller,
        ref: PromptReference | ResourceTemplateReference,
        argument: tuple[str, str],
        known: Mapping[str, str],
    ) -> Completion | None:
        """How the argument may go on; None where it cannot say."""
        if not self.watch.rows.completes:
            return None
        name, value = argument

        async def ask(session: Session) -> Completion:
            found = await session.complete(ref, {"name": name, "value": value}, dict(known) or None)
            return found.completion

        return relay.completion(await self._told(caller, Exchange(), ask))

    async def _told(
        self, caller: Caller, exchange: Exchange, ask: Callable[[Session], Awaitable[_Answer]]
    ) -> _Answer:
        """An answer, or an error of the protocol in words that may be shown."""
        try:
            return await self._ask(caller, exchange, ask)
        except (MCPError, UpstreamFailed) as error:
            raise MCPError(INTERNAL_ERROR, f"{self.name}: {story_of(error)}") from error

    async def _ask(
        self,
        caller: Caller,
        exchange: Exchange,
        ask: Callable[[Session], Awaitable[_Answer]],
        definition: Definition | None = None,
    ) -> _Answer:
        """Ask once, within the time there is, and let the breaker know what came of it.

        Raises:
            MCPError: the upstream answered with an error of the protocol.
            UpstreamFailed: it did not answer, or not as it promised.
        """
        with self.health.call() as attempt:
            try:
                async with asyncio.timeout(self.terms.timeout_s):
                    asks = self._relays(exchange)
                    async with self._link.session(caller, asks=asks) as session:
                        answer = await ask(session)
            except Exception as error:
                attempt.ended(kind_of(error))
                cause = root_of(error)
                if isinstance(cause, MCPError):
                    raise cause from error
                raise UpstreamFailed(f"{self.name}: {story_of(error)}") from error
            breach = await _breach(definition, answer)
            attempt.ended(None if breach is None else ErrorKind.BAD_REPLY)
            if breach is not None:
                raise UpstreamFailed(f"{self.name} did not answer as its tool promises: {breach}.")
            return answer

    def _relays(self, exchange: Exchange) -> bool:
        """Whether a question of the upstream can reach a human: it may ask, and there is one to ask."""
        if not self.terms.relays_questions or exchange.wire is None:
            return False
        declared = exchange.capabilities
        return self._link.is_modern and declared is not None and declared.elicitation is not None

    def _offer(self, definition: Definition) -> Tool:
        """The tool as it is offered; made once for each definition."""
        tool = self._offers.get(definition.hash)
        if tool is None:
            if len(self._offers) > 2 * len(self.watch.listing.tools):
                self._offers.clear()
            tool = self._offers[definition.hash] = offer(self.terms, definition)
        return tool


async def _breach(definition: Definition | None, answer: object) -> str | None:
    """How an answer breaks what its tool's definition promises."""
    promised = None if definition is None else definition.body.get("outputSchema")
    if not isinstance(promised, Mapping):
        return None
    if not isinstance(answer, CallToolResult) or answer.is_error:
        return None
    if answer.structured_content is None:
        return "there is no structured content"
    data: Json = answer.structured_content
    if is_light(promised, data):
        return breach_of(promised, data)
    return await asyncio.to_thread(breach_of, promised, data)
