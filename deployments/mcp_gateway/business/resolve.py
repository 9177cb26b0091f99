"""From the name of a registry in the configuration to the registry itself."""

import importlib
from collections.abc import Sequence
from pathlib import Path

from config.gateway import SHIPPED_TOOLS
from config.loader import error_at
from config.settings import Settings
from deployments.mcp_gateway.business.declaration import RegistryError, ToolRegistry
from deployments.security.rbac import Roles, roles_of

_KEY = ("mcp", "servers", "tools", "registry")
_SHIPPED_AT = "deployments.mcp_gateway.business.shipped:tools_registry"


def configured_registry(settings: Settings, paths: Sequence[Path] | None) -> ToolRegistry:
    """The configured registry; an empty one while the tools server is switched off.

    `paths` are the configuration's files, so that an error can say where the name is written.

    Raises:
        ConfigError: it cannot be had, or does not fit the policy file.
    """
    tools = settings.mcp.servers.tools
    if not tools.enabled:
        return ToolRegistry(())
    try:
        return registry_of(tools.registry, roles_of(settings.rbac))
    except RegistryError as error:
        raise error_at(paths, _KEY, error.detail) from error


def registry_of(named: str, roles: Roles) -> ToolRegistry:
    """The registry that `named` is: the shipped one, or `package.module:name` of an installed package.

    Raises:
        RegistryError: it cannot be imported, is no ToolRegistry, or speaks of permissions or
            limits that the policy does not know.
    """
    module, _, name = (_SHIPPED_AT if named == SHIPPED_TOOLS else named).partition(":")
    try:
        found: object = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except RegistryError:
        raise
    except Exception as error:  # importing runs a company's own code, which may raise anything
        message = f"{named} cannot be imported: {type(error).__name__}: {error}"
        raise RegistryError(message) from error
    if not isinstance(found, ToolRegistry):
        raise RegistryError(f"{named} is a {type(found).__name__}, not a ToolRegistry")
    _must_fit(found, roles)
    return found


def _must_fit(registry: ToolRegistry, roles: Roles) -> None:
    mistakes = [
        f"{tool.name}: nobody can have the permission {tool.permission!r}; add it to the policy file"
        for tool in registry.tools
        if tool.permission not in roles.permissions
    ]
    limits = {tool.limit.name: tool.name for tool in registry.tools if tool.limit is not None}
    mistakes += [
        f"{tool}: the policy file has no limit {name!r}, so nobody could ever approve it"
        for name, tool in limits.items()
        if name not in roles.limits.cents
    ]
    if mistakes:
        raise RegistryError("; ".join(mistakes))
