"""Which platforms call reading tools by themselves, and where."""

from typing import Literal

from config.platforms import PlatformName, PlatformSettings
from config.settings import Settings
from routing.errors import ConfigError

State = Literal["configured", "simulated", "disabled"]

HOSTED_MCP = "hosted_mcp"
"""The setting, and the option that a platform is told of it by."""


def hosted_options(platform: PlatformSettings, state: State) -> dict[str, str]:
    """What the platform is told: nothing, unless its vendor calls tools by itself."""
    return {HOSTED_MCP: "true"} if _calls_itself(platform, state) else {}


def check_hosted(
    settings: Settings, name: PlatformName, platform: PlatformSettings, state: State
) -> None:
    """Raise ConfigError where a vendor's cloud is to call an address it cannot reach."""
    if state != "configured" or not _calls_itself(platform, state):
        return
    address = settings.mcp.security.resource_url
    if address is None or not str(address).startswith("https://"):
        message = (
            "a vendor calls the gateway over https from outside; write its address to "
            "mcp.security.resource_url, for example https://support.example.com/mcp"
        )
        raise ConfigError("configuration", None, f"platforms.{name}.{HOSTED_MCP}", message)


def _calls_itself(platform: PlatformSettings, state: State) -> bool:
    """A simulator does not, unless that is what was written."""
    asked = getattr(platform, HOSTED_MCP, False)
    return asked == "simulated" or (asked is True and state == "configured")
