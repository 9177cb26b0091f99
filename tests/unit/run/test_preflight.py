"""What a configuration names and is not there is told by `check`, with its place, before anything starts."""

from pathlib import Path

import pytest

from deployments import preflight
from deployments.cli import main

OIDC = "provider: oidc, issuer: 'https://login.acme.test', client_id: a, tenant: acme"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SUPPORTMAX_HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "audit:\n  signing_keys_file: /nope/y.pem",
            "2: audit.signing_keys_file: /nope/y.pem cannot",
        ),
        (
            "encryption:\n  file: {path: /nope/data.keys}",
            "2: encryption.file.path: /nope/data.keys",
        ),
        (
            "encryption:\n  provider: vault\n"
            "  vault: {address: 'https://vault.test', key: k, token_file: /nope/t}",
            "3: encryption.vault.token_file: /nope/t cannot be read",
        ),
        (
            f"sso: {{{OIDC},\n  roles: [{{claim: groups, equals: A, role: agnt}}]}}",
            "2: sso.roles[0].role: the policy grants nothing to agnt; there are: ",
        ),
        (
            f"sso: {{{OIDC}}}\nscim:\n  - {{provider: oidc, roles: [{{group: A, role: agnt}}]}}",
            "3: scim[0].roles[0].role: the policy grants nothing to agnt",
        ),
        (
            "sso: {provider: okta, client_id: a, tenant: t, domain: 'https://t.okta.com/'}",
            "1: sso.domain: write a host alone, like northwind.okta.com",
        ),
        (
            "sso: {provider: azure_ad, client_id: a, tenant: t, tenant_id: common}",
            "1: sso.tenant_id: common is everybody",
        ),
        (
            f"sso_providers:\n  corp: {{{OIDC}, public_url: 'http://support.test'}}",
            "2: sso_providers.corp.public_url: http://support.test is not an https address",
        ),
        (
            "scim: [{provider: okta}]",
            "1: scim[0].provider: there is no provider okta; there are: none",
        ),
    ],
)
def test_what_is_not_there_is_told_with_file_line_and_key(
    home: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    path = home / "own.yaml"
    path.write_text(text + "\n")
    assert main(["check", str(path)]) == 1
    told = capsys.readouterr()
    assert f"own.yaml:{said}" in told.out + told.err


def test_a_library_that_is_not_installed_is_told_with_the_command_that_installs_it(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No replica is started to find out, and nobody is sent to a package of that name elsewhere."""
    monkeypatch.setattr(preflight, "_MODULES", {"ldap": "not_installed.at_all"})
    path = home / "own.yaml"
    files = f"ca_file: {path}, password_file: {path}"
    directory = f"{{url: 'ldaps://dc.test', bind_dn: cn=s, base_dn: dc=test, {files}}}"
    ldap = f"{{provider: ldap, tenant: t, public_url: 'https://s.test', directory: {directory}}}"
    path.write_text(f"sso_providers:\n  corp: {ldap}\n")
    assert main(["check", str(path)]) == 1
    shown = capsys.readouterr()
    told = shown.out + shown.err
    assert "own.yaml:2: sso_providers.corp: needs not_installed.at_all" in told
    assert "-c requirements.lock '.[ldap]'" in told
