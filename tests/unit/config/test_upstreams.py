"""Servers of others in the configuration: what cannot be meant is said with its place, before anything starts."""

from pathlib import Path

import pytest

from config.check import run
from config.loader import load_settings
from config.problems import ConfigErrors
from config.settings import Profile
from deployments.mcp_gateway.upstreams.permissions import check_permissions
from deployments.security.rbac import load_roles
from routing.errors import ConfigError


def written(path: Path, text: str) -> list[Path]:
    file = path / "supportmax.yaml"
    file.write_text(f"mcp:\n{text}")
    return [file]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("  upstreams: {crm: {}}", "write url, or command"),
        ("  upstreams: {crm: {url: 'https://a.example', command: [x]}}", "and not both"),
        ("  upstreams: {memory: {url: 'https://a.example'}}", "is a server of SupportMax"),
        ("  upstreams: {a__b: {url: 'https://a.example'}}", "a__b"),
        ("  upstreams: {crm: {url: 'https://a:b@a.example'}}", "leave user and password out"),
        ("  upstreams: {crm: {url: 'ftp://a.example'}}", "write an address"),
        ("  upstreams: {crm: {url: 'https://a.example', credential: {authority: x}}}", "there is no authority x"),
        ("  upstreams: {crm: {url: 'https://a.example', tools: {find: {side_effect: none}}}}", "read, write"),
        ("  outbound: {allow_private: [10.0.0.1/8]}", "write a name like"),
        ("  outbound: {allow_private: ['0x7f.1']}", "write a name like"),
        ("  outbound: {ports: [0]}", "1 or more"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigErrors) as refused:
        load_settings(written(tmp_path, text), {}, "development")
    assert said in str(refused.value)


@pytest.mark.parametrize(("profile", "code"), [("development", 0), ("production", 1)])
def test_a_command_is_for_development(tmp_path: Path, profile: Profile, code: int) -> None:
    paths = written(tmp_path, "  upstreams: {files: {command: [node, x.js]}}")
    status, lines = run(paths, {}, profile)
    assert status == code
    assert any("is for development" in line for line in lines) == (profile == "production")


def test_the_check_names_each_server_and_what_one_lacks(tmp_path: Path) -> None:
    text = """
  authorities:
    corporate:
      kind: token_exchange
      token_url: https://login.example.com/token
      client_id: us
      client_secret: ${CORPORATE_SECRET}
  upstreams:
    crm: {url: 'https://crm.example.com/mcp', credential: {authority: corporate}}
    shop: {url: 'https://shop.example.com/mcp', tenants: [acme]}
"""
    paths = written(tmp_path, text)
    status, lines = run(paths, {}, "development")
    assert status == 0
    assert "mcp crm         off         CORPORATE_SECRET not set" in lines
    assert "mcp shop        configured  https://shop.example.com/mcp  for acme" in lines
    _, lines = run(paths, {"CORPORATE_SECRET": "s3cret"}, "development")
    assert "mcp crm         configured  https://crm.example.com/mcp  for every tenant" in lines
    assert "s3cret" not in str(lines)


@pytest.mark.parametrize("rule", ["permission: no:such", "tools: {find: {permission: no:such}}"])
def test_a_permission_that_nobody_can_have_is_found_before_the_start(
    tmp_path: Path, rule: str
) -> None:
    paths = written(tmp_path, f"  upstreams: {{crm: {{url: 'https://a.example', {rule}}}}}")
    settings = load_settings(paths, {}, "development").settings
    with pytest.raises(ConfigError, match=r"mcp\.upstreams\.crm: there is no permission no:such"):
        check_permissions(settings, load_roles().permissions, paths)
