"""The table of adapters."""

import subprocess
import sys

import pytest

from deployments.platforms.base import Connection
from deployments.platforms.registry import open_platform, platform_names
from routing.errors import ConfigError
from tests.servers import OPTIONS

# Copilot Studio has none that can be used in a service.
SDK_OF = {"azure_openai": "openai", "copilot_studio": "", "google_vertex": "google.genai"}
SDKS = {"anthropic", "azure.identity", "google.cloud.aiplatform", "google.genai", "openai"}


def test_an_unknown_platform_is_named_with_those_there_are() -> None:
    """A typing error in a configuration is answered with the right words."""
    with pytest.raises(
        ConfigError, match="no adapter for platform 'opnai'; there are: anthropic, "
    ):
        open_platform("opnai", Connection("sk-key"))


@pytest.mark.parametrize("name", platform_names())
def test_a_replica_loads_one_sdk(name: str) -> None:
    """Each costs 50 to 76 MB, and a node holds many replicas."""
    program = (
        "import sys\n"
        "from deployments.platforms.base import Connection\n"
        "from deployments.platforms.registry import open_platform\n"
        f"assert not sys.modules.keys() & {SDKS!r}\n"
        f"options = {OPTIONS.get(name, {})!r}\n"
        "connection = Connection('sk-key', 'https://vendor.example', options=options)\n"
        f"open_platform({name!r}, connection)\n"
        f"print(*sorted(sys.modules.keys() & {SDKS!r}))"
    )
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert loaded.stdout.decode().split() == SDK_OF.get(name, name).split()


@pytest.mark.parametrize("name", platform_names())
async def test_a_platform_that_was_never_called_closes_quietly(name: str) -> None:
    """Opening sends nothing and needs no event loop."""
    options = OPTIONS.get(name, {})
    connection = Connection("sk-key", "https://vendor.example", options=options)
    await open_platform(name, connection).aclose()
