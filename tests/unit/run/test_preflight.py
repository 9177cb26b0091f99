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
            "audit: {heads_folder: /proc/nowhere/heads}",
            "1: audit.heads_folder: /proc/nowhere/heads cannot be written: No such file",
        ),
        (
            "audit: {heads_folder: relative/heads}",
            "1: audit.heads_folder: write the whole path, from / on",
        ),
        (
            "sso_providers:\n  corp: {provider: saml, issuer: 'https://i.test', tenant: t,\n"
            "    sso_url: 'https://i.test/s', public_url: 'https://s.test',\n"
            "    certificate_files: [/dev/null]}",
            "4: sso_providers.corp.certificate_files[0]: /dev/null is no certificate in PEM",
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


def test_an_authority_that_is_none_is_told_however_its_path_is_written(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = home / "own.yaml"
    files = f"ca_file: {home}/./own.yaml, password_file: {path}"
    directory = f"{{url: 'ldaps://dc.test', bind_dn: cn=s, base_dn: dc=test, {files}}}"
    ldap = f"{{provider: ldap, tenant: t, public_url: 'https://s.test', directory: {directory}}}"
    path.write_text(f"sso_providers:\n  corp: {ldap}\n")
    assert main(["check", str(path)]) == 1
    shown = capsys.readouterr()
    assert "own.yaml holds no certificate in PEM" in shown.out + shown.err


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


@pytest.mark.parametrize(
    ("second", "scim", "told"),
    [
        ("supervisor", "", True),
        ("admin", "", True),
        ("agent", "", False),
        ("supervisor", "scim: [{provider: oidc}]", False),
        ("supervisor", "scim: [{provider: oidc, require_provisioned: false}]", True),
        # By a group of its directory, though not by a claim.
        (
            "agent",
            "scim: [{provider: second, require_provisioned: false, roles: [{group: A, role: admin}]}]",
            True,
        ),
    ],
)
def test_two_providers_by_which_one_human_could_say_yes_twice_are_told(
    home: Path, capsys: pytest.CaptureFixture[str], second: str, scim: str, told: bool
) -> None:
    """Of one tenant, both with a role that approves, and where nobody says who is known."""
    path = home / "own.yaml"
    rule = "roles: [{claim: groups, equals: A, role: ROLE}]"
    other = "provider: oidc, client_id: a, issuer: 'https://"
    path.write_text(
        f"sso: {{{OIDC}, {rule.replace('ROLE', 'supervisor')}}}\nsso_providers:\n"
        f"  second: {{{other}second.test', tenant: acme, {rule.replace('ROLE', second)}}}\n"
        f"  third: {{{other}third.test', tenant: globex, {rule.replace('ROLE', 'admin')}}}\n{scim}\n"
    )
    assert main(["check", str(path)]) == 0
    said = capsys.readouterr().out
    lines = [line for line in said.splitlines() if "is two people of tenant acme" in line]
    assert len(lines) == told, said
    assert "globex, and could" not in said
    warnings = sum(line.startswith("warning: ") for line in said.splitlines())
    assert f"; {warnings} warning" in said.splitlines()[-1]


def test_a_folder_for_heads_is_probed_and_left_as_it_was(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything starts: a start that writes its heads nowhere would say nothing for years."""
    heads, path = home / "heads", home / "own.yaml"
    path.write_text(f"audit: {{heads_folder: {heads}}}\n")
    assert main(["check", str(path)]) == 1
    assert not heads.exists()
    heads.mkdir()
    assert main(["check", str(path)]) == 0
    assert list(heads.iterdir()) == []
    capsys.readouterr()


@pytest.mark.parametrize(
    ("host", "networks", "here"),
    [
        ("127.0.0.1", "10.0.0.0/8", "127.0.0.1"),
        ("0.0.0.0", "10.0.0.0/8", "127.0.0.1"),  # noqa: S104  what somebody writes
        ("10.1.2.3", "127.0.0.0/8", "10.1.2.3"),
        ("127.0.0.1", "127.0.0.0/8, 10.0.0.0/8", None),
        ("10.1.2.3", "10.0.0.0/8", None),
    ],
)
def test_networks_that_leave_this_machine_out_are_told(
    home: Path, capsys: pytest.CaptureFixture[str], host: str, networks: str, here: str | None
) -> None:
    path = home / "own.yaml"
    path.write_text(f"server: {{host: '{host}'}}\nlimits: {{networks: [{networks}]}}\n")
    assert main(["check", str(path)]) == 0
    said = capsys.readouterr().out
    assert ("whoever calls from this machine is refused" in said) == (here is not None)
    assert here is None or f"warning: limits.networks has no {here}: " in said
