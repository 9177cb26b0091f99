"""Which class speaks to which platform. Imported by name, so that a replica loads one SDK."""

from importlib import import_module
from typing import cast

from deployments.platforms.base import Connection, Platform
from routing.errors import ConfigError

# An SDK costs 50 to 76 MB and up to 3.6 s of CPU to import.
_ADAPTERS = {
    "anthropic": "deployments.platforms.anthropic.adapter:AnthropicPlatform",
    "azure_openai": "deployments.platforms.azure.adapter:AzureOpenAIPlatform",
    "google_vertex": "deployments.platforms.vertex.adapter:VertexPlatform",
    "copilot_studio": "deployments.platforms.copilot.adapter:CopilotPlatform",
    "openai": "deployments.platforms.openai.adapter:OpenAIPlatform",
}
# Who answers in the name of a platform that is given this option: what it speaks, and the
# SDK it needs, are another's.
_INSTEAD = {
    ("google_vertex", "agent_engine"): "deployments.platforms.vertex.agent:AgentPlatform",
}


def platform_names() -> tuple[str, ...]:
    """The platforms there is an adapter for, in alphabetical order."""
    return tuple(sorted(_ADAPTERS))


def open_platform(name: str, connection: Connection) -> Platform:
    """The platform called `name`; nothing is sent before its first call.

    Raises:
        ConfigError: There is no adapter of that name.
    """
    chosen = (_INSTEAD[name, option] for option in connection.options if (name, option) in _INSTEAD)
    target = next(chosen, _ADAPTERS.get(name))
    if target is None:
        known = ", ".join(platform_names())
        message = f"no adapter for platform {name!r}; there are: {known}"
        raise ConfigError("platforms", None, name, message)
    module, _, attribute = target.partition(":")
    return cast("Platform", getattr(import_module(module), attribute)(connection))
