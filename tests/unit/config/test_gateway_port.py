"""A port of the gateway's own is not listened on, and the configuration is told so."""

from pathlib import Path

import pytest

from config.loader import load_settings


def load(tmp_path: Path, text: str) -> list[str]:
    """The warnings of a configuration."""
    path = tmp_path / "mcp.yaml"
    path.write_text(text)
    return [str(warning) for warning in load_settings([path], {}, "development").warnings]


def test_a_port_beside_the_servers_is_warned_of_by_line(tmp_path: Path) -> None:
    (warning,) = load(tmp_path, "mcp:\n  gateway:\n    port: 8080\n")
    assert "mcp.yaml:3: mcp.gateway.port: nothing listens on 8080" in warning
    assert "/mcp" in warning


@pytest.mark.parametrize(
    "text", ["mcp:\n  gateway:\n    max_connections: 5\n", "mcp:\n  gateway:\n    port: 8000\n"]
)
def test_no_port_and_the_servers_own_are_what_they_say(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, text) == []


def test_the_shipped_configuration_says_nothing_of_a_port() -> None:
    warnings = load_settings(None, {}, "development").warnings
    assert not any("mcp.gateway.port" in str(warning) for warning in warnings)
