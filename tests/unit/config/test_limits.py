"""Limits in the configuration: a mistake is found before it starts, and who says nothing meets none."""

from pathlib import Path

import pytest

from config.limits import LimitSettings
from config.loader import load_settings
from routing.errors import ConfigError


def load(tmp_path: Path, limits: str) -> LimitSettings:
    file = tmp_path / "c.yaml"
    file.write_text(f"platforms: {{}}\nlimits: {limits}\n")
    return load_settings([file], {}, "development").settings.limits


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ("{requests: {tenant: {chat: {per_minute: 0}}}}", "limits.requests.tenant.chat.per_minute"),
        ("{requests: {tenant: {chat: {per_minute: 6, burst: 3}}}}", "expected 4 or more"),
        ("{requests: {tenant: {chats: {per_minute: 6}}}}", "limits.requests.tenant.chats"),
        ("{requests: {team: {}}}", "limits.requests.team"),
        ("{networks: [10.0.0.1/8]}", "no bits beside its mask"),
        # An allow-list that came out empty is not leave for everybody.
        ("{networks: []}", "limits.networks"),
        ("{tenants: {acme: {networks: []}}}", "limits.tenants.acme.networks"),
        ("{in_flight: 0}", "limits.in_flight"),
        ("{tokens: {tenant: {per_day: 1}}}", "limits.tokens.tenant.per_day"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_place(
    tmp_path: Path, limits: str, said: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        load(tmp_path, limits)
    assert said in str(refused.value)
    assert "c.yaml" in str(refused.value)


def test_every_limit_of_the_documentation_can_be_written(tmp_path: Path) -> None:
    text = (Path(__file__).parents[3] / "docs" / "limits.md").read_text()
    block = text.split("```yaml\n", 1)[1].split("```", 1)[0]
    file = tmp_path / "c.yaml"
    file.write_text(block)
    limits = load_settings([file], {}, "development").settings.limits
    assert limits.requests.key.chat is not None
    assert limits.tenants["northwind"].tokens.tenant.per_day == 50_000_000
