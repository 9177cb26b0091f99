"""The table of adapters."""

import subprocess
import sys

import pytest

from deployments.platforms.base import Connection
from deployments.platforms.registry import open_platform, platform_names
from routing.errors import ConfigError


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
        "from deployments.platforms.registry import open_platform, platform_names\n"
        "assert not sys.modules.keys() & {'openai', 'anthropic'}\n"
        f"open_platform({name!r}, Connection('sk-key'))\n"
        "print(*sorted(sys.modules.keys() & set(platform_names())))"
    )
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert loaded.stdout.decode().split() == [name]


@pytest.mark.parametrize("name", platform_names())
async def test_a_platform_that_was_never_called_closes_quietly(name: str) -> None:
    """Opening sends nothing and needs no event loop."""
    await open_platform(name, Connection("sk-key")).aclose()
