"""The composition root: one ingress, one MCP gateway, one deployment per platform, one coordinator per region.

`build` and `build_mcp` make the two Serve applications; what lives inside an ingress replica
meets in `deployments.ingress.server`, inside a gateway's in `deployments.mcp_gateway.server`.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from ray import serve
from ray.serve import Application

from config.loader import load_settings
from config.resolve import resolve_platforms
from deployments import options
from deployments.boot import Boot
from deployments.ingress.mcp_entry import McpEntry
from deployments.ingress.server import Ingress
from deployments.knowledge.embedders import indexer_options
from deployments.mcp_gateway.composition import OwnServers, own_servers
from deployments.mcp_gateway.server import McpGateway
from deployments.platforms.server import PlatformReplica


def build(boot: Boot) -> Application:
    """SupportMax as a Serve application, every platform that can be asked bound into its ingress.

    Raises:
        ConfigError: the configuration cannot be meant.
    """
    settings = load_settings(boot.config, os.environ, boot.profile).settings
    platforms = {
        platform.name: serve.deployment(**options.platform(platform.name, platform.replicas))(
            PlatformReplica
        ).bind(boot, platform.name)
        for platform in resolve_platforms(settings, boot.profile)
        if platform.state != "disabled"
    }
    ingress = serve.deployment(**options.ingress())(serve.ingress()(Ingress))
    return ingress.bind(boot, platforms)


def build_mcp(boot: Boot, servers: OwnServers = own_servers) -> Application:
    """The MCP gateway as a Serve application, for the route `/mcp`.

    Raises:
        ConfigError: the configuration cannot be meant.
    """
    settings = load_settings(boot.config, os.environ, boot.profile).settings
    given = options.mcp_gateway(settings.mcp.gateway.max_connections)
    gateway = serve.deployment(**given)(serve.ingress()(McpGateway))
    return gateway.bind(boot, McpEntry, indexer_options, servers)


def application(args: Mapping[str, str]) -> Application:
    """The same for `serve deploy` and KubeRay, whose arguments are plain text.

    Keys: `home`, `profile` (`production` unless it says `development`), `region`, and `config` (paths joined by a colon, optional).
    """
    return build(_boot(args))


def mcp_application(args: Mapping[str, str]) -> Application:
    """The MCP gateway for `serve deploy` and KubeRay, by the same arguments."""
    return build_mcp(_boot(args))


def _boot(args: Mapping[str, str]) -> Boot:
    config = args.get("config")
    return Boot(
        home=Path(args["home"]),
        profile="development" if args.get("profile") == "development" else "production",
        config=None if config is None else tuple(Path(p) for p in config.split(":")),
        region=args.get("region", "local"),
    )
