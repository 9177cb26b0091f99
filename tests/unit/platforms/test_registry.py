"""The table of adapters."""

import subprocess
import sys

import pytest

from deployments.platforms.base import Connection
from deployments.platforms.registry import open_platform, platform_names
from routing.errors import ConfigError
from tests.servers import OPTIONS

# Copilot Studio has none that can be used in a service, and an agent of Agent Engine needs none.
SDK_OF = {
    "azure_openai": "openai",
    "copilot_studio": "",
    "copilot_studio:direct_to_engine": "",
    "google_vertex": "google.genai",
    "google_vertex:agent_engine": "",
}
WIRES = sorted({*platform_names(), *SDK_OF})
# The last four are Google's large client in its several names: 224 MB, and 11 s of CPU.
SDKS = {
    "anthropic",
    "azure.identity",
    "google.genai",
    "microsoft_agents",
    "openai",
    "agentplatform",
    "google.cloud.aiplatform",
    "google.cloud.aiplatform_v1",
    "vertexai",
}


def test_an_unknown_platform_is_named_with_those_there_are() -> None:
    """A typing error in a configuration is answered with the right words."""
    with pytest.raises(
        ConfigError, match="no adapter for platform 'opnai'; there are: anthropic, "
    ):
        open_platform("opnai", Connection("sk-key"))


@pytest.mark.parametrize("name", WIRES)
def test_a_replica_loads_one_sdk(name: str) -> None:
    """Each costs 50 to 76 MB, and a node holds many replicas."""
    program = (
        "import sys\n"
        "import deployments.platforms.server\n"
        "from deployments.platforms.base import Connection\n"
        "from deployments.platforms.registry import open_platform\n"
        f"assert not sys.modules.keys() & {SDKS!r}\n"
        f"options = {OPTIONS.get(name, {})!r}\n"
        "connection = Connection('sk-key', 'https://vendor.example', options=options)\n"
        f"open_platform({name.partition(':')[0]!r}, connection)\n"
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
