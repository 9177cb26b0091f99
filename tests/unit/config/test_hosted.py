"""Who may be told to call tools by itself: real vendors that can reach us, and nobody unasked."""

from pathlib import Path

import pytest

from config import ResolvedPlatform, Settings, load_settings, resolve_platforms
from routing.errors import ConfigError

REACHED = "mcp: {security: {resource_url: 'https://support.example.com/mcp'}}\n"


def settings_of(tmp_path: Path, text: str) -> Settings:
    file = tmp_path / "c.yaml"
    file.write_text(text)
    return load_settings([file], {"K": "sk-1"}, "development").settings


def only(settings: Settings) -> ResolvedPlatform:
    (platform,) = resolve_platforms(settings, "development")
    return platform


@pytest.mark.parametrize("name", ["openai", "anthropic"])
def test_a_vendor_calls_tools_itself_only_where_that_is_written(tmp_path: Path, name: str) -> None:
    key = f"platforms: {{{name}: {{api_key: '${{K}}'"
    plain = settings_of(tmp_path, f"{REACHED}{key}}}}}")
    assert "hosted_mcp" not in only(plain).options
    asked = settings_of(tmp_path, f"{REACHED}{key}, hosted_mcp: true}}}}")
    assert only(asked).options["hosted_mcp"] == "true"


@pytest.mark.parametrize(
    ("written", "told"), [("true", False), ("simulated", True), ("false", False)]
)
def test_a_simulator_is_not_asked_to_unless_it_is_named(
    tmp_path: Path, written: str, told: bool
) -> None:
    text = f"platforms: {{openai: {{simulated: true, hosted_mcp: {written}}}}}"
    assert ("hosted_mcp" in only(settings_of(tmp_path, text)).options) is told


@pytest.mark.parametrize("address", ["", "mcp: {security: {resource_url: 'http://127.0.0.1/mcp'}}"])
def test_an_address_no_cloud_can_reach_stops_the_start(tmp_path: Path, address: str) -> None:
    settings = settings_of(
        tmp_path, f"{address}\nplatforms: {{openai: {{api_key: '${{K}}', hosted_mcp: true}}}}"
    )
    with pytest.raises(ConfigError, match=r"mcp\.security\.resource_url"):
        resolve_platforms(settings, "development")


def test_a_platform_that_cannot_is_not_asked(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="hosted_mcp"):
        settings_of(tmp_path, "platforms: {google_vertex: {hosted_mcp: true}}")
