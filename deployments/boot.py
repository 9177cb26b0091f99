"""What every process needs to find its settings: paths and names, never a secret.

It travels through Ray as an init argument, which the dashboard shows; credentials
are read by the process that uses them, from its environment or its files.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Profile = Literal["development", "production"]

SIMULATED: Mapping[str, str] = {
    "openai": "/openai/v1",
    "anthropic": "/anthropic",
    "azure_openai": "/azure",
    "google_vertex": "/vertex",
    "copilot_studio": "/copilot",
}
"""Platforms that have a simulator, and where it is below the simulators' address."""
SIMULATOR_KEY = "simulated"
"""What simulators take for a credential: they answer on loopback and guard nothing."""


@dataclass(frozen=True, slots=True)
class Boot:
    """Where this SupportMax lives.

    `config` are the configuration files, None for the shipped ones. `simulators` is
    the address of the simulators' process, None where there is none.
    """

    home: Path
    profile: Profile
    config: tuple[Path, ...] | None = None
    simulators: str | None = None
    region: str = "local"

    @property
    def database(self) -> Path:
        """The embedded database's file."""
        return self.home / "supportmax.sqlite"

    @property
    def mcp_keys(self) -> Path:
        """Where the first start leaves the keys of the MCP gateway's request state (mode 0600)."""
        return self.home / "mcp.keys"

    @property
    def key_pepper(self) -> Path:
        """Where the first start leaves the pepper of the hashes of API keys (mode 0600)."""
        return self.home / "api-keys.pepper"

    @property
    def data_keys(self) -> Path:
        """Where the first start leaves the key that wraps the keys of what is kept (mode 0600)."""
        return self.home / "data.keys"

    @property
    def audit(self) -> Path:
        """The folder of the audit log's chains."""
        return self.home / "audit"

    @property
    def audit_heads(self) -> Path:
        """Where their heads are written down, unless the configuration names a better place."""
        return self.home / "audit-heads"

    @property
    def audit_keys(self) -> Path:
        """Where the first start leaves the key that signs the audit log (mode 0600)."""
        return self.home / "audit.keys"

    @property
    def admin_key(self) -> Path:
        """Where the first start leaves the administrator's key (mode 0600)."""
        return self.home / "admin.key"
