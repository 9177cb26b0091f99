"""A platform may be told to take the identity of the machine in place of a key."""

import re
from pathlib import Path

import pytest

from config import Settings, credential_of, load_settings, resolve_platforms
from routing.errors import ConfigError

SECURITY = Path(__file__).parents[3] / "docs" / "security.md"
OPENAI = "identity_provider_id: idp_1, service_account_id: sa_1"
ANTHROPIC = (
    "token_file: /var/run/secrets/anthropic/token, federation_rule_id: fdrl_1,"
    " organization_id: '00000000-0000-4000-8000-000000000000'"
)


def settings_of(tmp_path: Path, text: str, env: dict[str, str] | None = None) -> Settings:
    file = tmp_path / "c.yaml"
    file.write_text(text)
    return load_settings([file], env or {}, "development").settings


def platform_of(name: str, identity: str | None, more: str = "") -> str:
    block = "" if identity is None else f", workload_identity: {{{identity}}}"
    return f"platforms: {{{name}: {{auth: workload_identity{block}{more}}}}}"


@pytest.mark.parametrize(
    ("name", "identity", "options"),
    [
        (
            "openai",
            f"{OPENAI}, token_file: /var/run/secrets/openai/token",
            {
                "identity_provider_id": "idp_1",
                "service_account_id": "sa_1",
                "provider": "kubernetes",
                "token_file": "/var/run/secrets/openai/token",
            },
        ),
        (
            "openai",
            f"{OPENAI}, provider: azure, audience: 'api://shop', client_id: c",
            {
                "identity_provider_id": "idp_1",
                "service_account_id": "sa_1",
                "provider": "azure",
                "audience": "api://shop",
                "client_id": "c",
            },
        ),
        (
            "anthropic",
            f"{ANTHROPIC}, workspace_id: wrkspc_1",
            {
                "token_file": "/var/run/secrets/anthropic/token",
                "federation_rule_id": "fdrl_1",
                "organization_id": "00000000-0000-4000-8000-000000000000",
                "workspace_id": "wrkspc_1",
            },
        ),
    ],
)
def test_a_workload_identity_is_a_credential(
    tmp_path: Path, name: str, identity: str, options: dict[str, str]
) -> None:
    settings = settings_of(tmp_path, platform_of(name, identity))
    [platform] = resolve_platforms(settings, "production")
    assert (platform.state, platform.reason) == ("configured", "")
    assert platform.options == {"auth": "workload_identity", **options}


def test_a_key_is_then_not_read_whether_it_is_there_or_not(tmp_path: Path) -> None:
    """The shipped file names one, and a second file says `auth: workload_identity`."""
    text = platform_of("openai", OPENAI, ", api_key: '${OPENAI_API_KEY}'")
    for env in ({}, {"OPENAI_API_KEY": "sk-1"}):
        settings = settings_of(tmp_path, text, env)
        [platform] = resolve_platforms(settings, "production")
        assert platform.state == "configured"
        assert credential_of(settings, "openai") is None


def test_a_key_is_not_read_either_where_azure_takes_entra(tmp_path: Path) -> None:
    text = (
        "platforms: {azure_openai: {endpoint: 'https://x.example', deployment: d, auth: entra,"
        " api_key: '${AZURE_OPENAI_KEY}'}}"
    )
    settings = settings_of(tmp_path, text, {"AZURE_OPENAI_KEY": "k"})
    assert credential_of(settings, "azure_openai") is None
    [azure] = resolve_platforms(settings_of(tmp_path, text), "production")
    assert azure.state == "configured"


def test_without_its_description_the_reason_says_what_to_write(tmp_path: Path) -> None:
    [platform] = resolve_platforms(
        settings_of(tmp_path, platform_of("anthropic", None)), "production"
    )
    assert platform.state == "disabled"
    assert platform.reason.startswith("no workload_identity; write workload_identity: {token_file")


def test_a_variable_of_the_description_that_is_not_set_is_named(tmp_path: Path) -> None:
    """As everywhere: simulated in development, disabled in production, and no error."""
    identity = "identity_provider_id: '${IDP}', service_account_id: sa_1"
    settings = settings_of(tmp_path, platform_of("openai", identity, ", api_key: '${KEY}'"))
    [platform] = resolve_platforms(settings, "development")
    assert (platform.state, platform.reason) == ("simulated", "IDP not set")


def test_the_documented_platforms_are_configured_without_a_key(tmp_path: Path) -> None:
    """What docs/security.md shows works as it stands, for all of them."""
    shown = re.findall(r"```yaml\n(platforms:.*?)```", SECURITY.read_text(), re.DOTALL)
    settings = settings_of(tmp_path, shown[0])
    resolved = resolve_platforms(settings, "production")
    assert {platform.name: platform.reason for platform in resolved} == dict.fromkeys(
        ("openai", "anthropic", "azure_openai", "google_vertex", "copilot_studio"), ""
    )
    assert [credential_of(settings, platform.name) for platform in resolved] == [None] * 5


@pytest.mark.parametrize(
    ("name", "identity", "said"),
    [
        ("openai", "identity_provider_id: idp_1", "service_account_id: is missing"),
        ("openai", f"{OPENAI}, provider: aws", "provider"),
        ("openai", f"{OPENAI}, audience: a", "kubernetes reads no audience"),
        ("openai", f"{OPENAI}, provider: google, token_file: /t", "google reads no token_file"),
        ("openai", f"{OPENAI}, token_file: token", "write the whole path"),
        ("anthropic", ANTHROPIC.replace("/var", "var"), "write the whole path"),
        ("anthropic", f"{ANTHROPIC}, api_key: k", "api_key: is not a setting"),
    ],
)
def test_half_a_description_is_refused_by_its_key(
    tmp_path: Path, name: str, identity: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        settings_of(tmp_path, platform_of(name, identity))
