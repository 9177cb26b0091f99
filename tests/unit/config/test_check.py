from pathlib import Path

import pytest

from config.check import run
from config.schema import SCHEMA, schema_text

SEED = Path(__file__).with_name("seed.yaml")
PROVIDERS = """\
sso:
  provider: oidc
  tenant: globex
  issuer: https://login.example.com
  client_id: web
  audiences: [api]
  public_url: https://support.example.com
sso_providers:
  corp:
    provider: saml
    tenant: northwind
    public_url: https://support.example.com
    certificate_files: [{folder}/idp.pem]
    issuer: https://corp.example.com
    sso_url: https://corp.example.com/sso
  plant:
    provider: ldap
    tenant: plant
    public_url: https://support.example.com
    directory:
      ca_file: {folder}/ca.pem
      url: ldaps://dc1.example.com
      password_file: {folder}/password
      bind_dn: CN=SupportMax
      base_dn: DC=example
  other: {{provider: okta, domain: other.example.com, client_id: web}}
scim: [{{provider: corp, subject: userName}}]
"""


def test_a_usable_configuration_gives_0_and_a_line_for_every_platform() -> None:
    code, lines = run([SEED], {"OPENAI_API_KEY": "sk-hunter2"}, "development")
    assert code == 0
    assert lines[0].split() == ["openai", "configured", "gpt-6.1-terra"]
    assert lines[1].split()[:3] == ["anthropic", "simulated", "claude-sonnet-5-5"]
    assert lines[1].endswith("ANTHROPIC_API_KEY not set")
    assert lines[2].split()[:2] == ["azure_openai", "simulated"]
    assert lines[-1] == "4 of 4 platforms can answer; 6 warnings, 0 errors"
    assert "hunter2" not in "".join(lines)


def test_warnings_leave_the_code_0_and_name_file_line_and_key() -> None:
    code, lines = run([SEED], {}, "development")
    assert code == 0
    assert f"warning: {SEED}:5: platforms.openai.model: gpt-4 was shut down" in "\n".join(lines)


def test_errors_give_1_and_are_all_listed(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("server:\n  port: x\nrouting:\n  strategy: y\n")
    code, lines = run([file], {}, "development")
    assert code == 1
    assert lines[0].startswith(f"error: {file}:2: server.port: ")
    assert lines[1].startswith(f"error: {file}:4: routing.strategy: ")
    assert lines[2] == "2 errors"


def test_a_file_that_is_not_there_gives_1(tmp_path: Path) -> None:
    code, lines = run([tmp_path / "c.yaml"], {}, "production")
    assert code == 1
    assert "No such file" in lines[0]


def test_a_simulator_in_production_gives_1(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("platforms:\n  openai:\n    simulated: true\n")
    assert run([file], {}, "production")[0] == 1
    assert run([file], {}, "development")[0] == 0


def test_what_platforms_are_told_of_people_is_said(tmp_path: Path) -> None:
    def said(text: str) -> str:
        file = tmp_path / "c.yaml"
        file.write_text(text)
        _, lines = run([file], {}, "development")
        return next(line for line in lines if line.startswith("personal data"))

    assert said("server:\n  port: 8000\n").endswith(" sealed")
    assert said("privacy:\n  pii: 'off'\n").endswith("not sealed: platforms are told everything")
    kinds = "[card, iban, national_id, phone, secret, name, address, account]"
    assert said(f"privacy:\n  kinds: {kinds}\n").endswith("sealed, but not email, ip")


def test_providers_and_directories_in_use_are_said(tmp_path: Path) -> None:
    for name in ("idp.pem", "ca.pem", "password"):
        (tmp_path / name).write_text("")
    file = tmp_path / "c.yaml"
    file.write_text(PROVIDERS.format(folder=tmp_path))
    code, lines = run([file], {}, "development")
    at = "people sign on at https://support.example.com/auth/sso/login?provider"
    assert code == 0
    assert f"sso oidc        oidc, tenant globex, {at}=oidc and programs show its tokens" in lines
    assert f"sso corp        saml, tenant northwind, {at}=corp" in lines
    assert f"sso plant       ldap, tenant plant, {at}=plant" in lines
    assert "sso             other not configured: tenant not set" in lines
    directory = "scim corp       tenant northwind, subject is userName; known people alone"
    assert directory in lines


@pytest.mark.parametrize(
    ("gone", "line", "key"),
    [
        ("idp.pem", 13, "sso_providers.corp.certificate_files[0]"),
        ("ca.pem", 21, "sso_providers.plant.directory.ca_file"),
        ("password", 23, "sso_providers.plant.directory.password_file"),
    ],
)
def test_a_file_of_sign_on_that_is_not_there_gives_1(
    tmp_path: Path, gone: str, line: int, key: str
) -> None:
    """A start would stop at it, minutes later and on another machine."""
    for name in {"idp.pem", "ca.pem", "password"} - {gone}:
        (tmp_path / name).write_text("")
    file = tmp_path / "c.yaml"
    file.write_text(PROVIDERS.format(folder=tmp_path))
    code, lines = run([file], {}, "development")
    why = f"{tmp_path / gone} cannot be read: No such file or directory; correct the path"
    assert (code, lines) == (1, [f"error: {file}:{line}: {key}: {why}", "1 error"])


def test_whether_texts_in_clear_are_read_is_said(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    for written, said in (
        ("", "texts in clear are read"),
        ("encryption: {refuse_clear: true}", "texts in clear are refused"),
    ):
        file.write_text(f"server: {{port: 8000}}\n{written}\n")
        _, lines = run([file], {}, "development")
        (line,) = [each for each in lines if each.startswith("encryption ")]
        assert said in line


def test_who_is_counted_what_is_kept_and_where_heads_lie_is_said(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("server: {port: 8000}\n")
    _, lines = run([file], {}, "development")
    assert "limits          any network; no redis: each replica has a part of each" in lines
    assert "retention       conversations go after 730 days, other kinds after 7 to 3660" in lines
    assert "audit           heads lie beside the log; set audit.heads_folder" in lines
    file.write_text(
        "limits: {networks: [10.0.0.0/8]}\nredis: {urls: [redis://redis.example.com:6379]}\n"
        "retention: {conversations: 90, ledger: 400, tenants: {acme: {memory: 30}}}\n"
        "audit: {heads_folder: /mnt/heads}\n"
    )
    _, lines = run([file], {}, "development")
    kept = "conversations go after 90 days, other kinds after 7 to 730; fewer for 1 tenant"
    assert "limits          1 network served and no other; one count over Redis" in lines
    assert f"retention       {kept}" in lines
    assert not [line for line in lines if line.startswith("audit")]


def test_the_shipped_configuration_gives_0_in_both_profiles() -> None:
    assert run(None, {}, "development")[0] == 0
    code, lines = run(None, {}, "production")
    assert code == 0
    assert "no platform can answer" in lines[-2]


def test_the_stored_schema_is_the_one_of_the_settings() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == schema_text(), "run python -m config.schema"
