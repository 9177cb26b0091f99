"""The support agent of one ingress replica, with the tools its answers may use."""

from pathlib import Path
from typing import TYPE_CHECKING

from actors.database.approvals import Approvals
from actors.database.engine import Database
from actors.database.tool_turns import ToolTurnStore
from actors.memory import Episodes
from config.hosted import HOSTED_MCP
from config.resolve import resolve_platforms
from config.settings import Settings
from deployments.agent.links import AllowedLinks
from deployments.agent.pseudonym import Pseudonyms
from deployments.agent.road import Road
from deployments.agent.support import SupportAgent
from deployments.agent.toolbox import Hosting, Toolbox
from deployments.boot import Boot
from deployments.mcp_gateway.arguments import complaint
from deployments.mcp_gateway.context import ContextGateway
from deployments.mcp_gateway.state_keys import read_keys
from deployments.privacy.sealer import Sealer
from deployments.security.gateway_tokens import GatewayTokens
from routing.clock import Clock

if TYPE_CHECKING:
    from deployments.mcp_gateway.gateway import Gateway


def support_agent(
    boot: Boot,
    settings: Settings,
    road: Road,
    context: ContextGateway,
    gateway: "Gateway",
    database: Database,
    episodes: Episodes,
    clock: Clock,
    pseudonyms: Pseudonyms,
    sealer: Sealer | None,
) -> SupportAgent:
    """Answers over `road`, from `context`, acting through `gateway`."""
    chat = settings.mcp.chat
    # Loaded now: at the first call it would hold the event loop for 60 ms.
    complaint({}, {})
    approvals, memory = Approvals(database), ToolTurnStore(database)
    hosting = _hosting(boot, settings, clock)
    toolbox = Toolbox(gateway, chat.tools, approvals, memory, clock, hosting)
    return SupportAgent(
        road,
        context,
        episodes,
        settings.routing.max_tokens,
        clock,
        pseudonyms,
        toolbox,
        AllowedLinks(chat.link_hosts),
        sealer,
    )


def _hosting(boot: Boot, settings: Settings, clock: Clock) -> Hosting | None:
    """Where vendors call tools by themselves; None while no platform is configured for it."""
    resolved = resolve_platforms(settings, boot.profile)
    if not any(HOSTED_MCP in platform.options for platform in resolved):
        return None
    security = settings.mcp.security
    named = security.request_state_keys_file
    keys = read_keys(boot.mcp_keys if named is None else Path(named))
    # Without an address of its own only simulators are asked, which are on this machine.
    address = security.resource_url or f"http://127.0.0.1:{settings.server.port}/mcp"
    return Hosting(str(address), GatewayTokens(keys, clock))
