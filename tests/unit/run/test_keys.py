"""The keys command, on a data directory of its own."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from actors.database import Accounts, open_database
from deployments.cli import main
from deployments.security.api_keys import ApiKeys
from deployments.security.pepper import read_pepper
from routing.clock import SystemClock


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begun: Callable[[Path], Path]) -> Path:
    monkeypatch.setenv("SUPPORTMAX_HOME", str(tmp_path))
    return begun(tmp_path)


def test_a_key_is_shown_once_listed_without_its_secret_and_revoked_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A key that was lost is replaced, never read again."""
    assert main(["keys", "create", "the help desk", "--role", "agent"]) == 0
    secret = capsys.readouterr().out.strip()
    _, key_id, random = secret.split("_", 2)
    assert main(["keys", "list"]) == 0
    listed = capsys.readouterr().out
    assert key_id in listed
    assert "the help desk" in listed
    assert random not in listed
    assert main(["keys", "revoke", key_id]) == 0
    assert main(["keys", "list"]) == 0
    assert "revoked" in capsys.readouterr().out
    assert main(["keys", "revoke", key_id]) == 1
    assert "no live key" in capsys.readouterr().err


def test_a_key_is_narrowed_and_replaced(capsys: pytest.CaptureFixture[str]) -> None:
    """The list says by what; the one that replaces it is no wider, and a third has to wait."""
    narrow = ["--scope", "chat:create", "--network", "10.0.0.0/8", "--days", "90"]
    assert main(["keys", "create", "crm", "--role", "service", *narrow]) == 0
    key_id = capsys.readouterr().out.split("_")[1]
    assert main(["keys", "rotate", key_id, "--hours", "2"]) == 0
    assert capsys.readouterr().out.startswith("smk_")
    assert main(["keys", "rotate", key_id]) == 1
    capsys.readouterr()
    assert main(["keys", "list"]) == 0
    listed = capsys.readouterr().out.strip().splitlines()
    assert len(listed) == 2
    assert all("only chat:create  from 10.0.0.0/8  until " in line for line in listed)


async def test_a_key_that_was_made_for_somebody_is_theirs(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """So is what replaces it, unless it is said to be another's; what replaces nobody's is nobody's."""

    async def printed(*arguments: str) -> str:
        assert await asyncio.to_thread(main, ["keys", *arguments]) == 0
        return capsys.readouterr().out.strip()

    first = await printed("create", "a", "--role", "supervisor", "--person", "okta:00u1a2b3")
    heir = await printed("rotate", first.split("_")[1])
    lent = await printed("create", "b", "--role", "supervisor", "--person", "okta:00u1a2b3")
    others = await printed("rotate", lent.split("_")[1], "--person", "okta:00u9z8y7")
    loose = await printed("create", "c", "--role", "supervisor")
    still_loose = await printed("rotate", loose.split("_")[1])
    database = open_database(home / "supportmax.sqlite")
    accounts = Accounts(database, read_pepper(home / "api-keys.pepper"))
    keys = ApiKeys(accounts, {"supervisor": frozenset()}, SystemClock())
    for secret, person in (
        (first, "okta:00u1a2b3"), (heir, "okta:00u1a2b3"), (others, "okta:00u9z8y7"),
    ):  # fmt: skip
        key = await keys.authenticate(secret)
        assert (key.person, key.is_somebody) == (person, True)
    assert (await keys.authenticate(still_loose)).is_somebody is False
    await database.aclose()
    listed = await printed("list")
    assert listed.count("of okta:00u1a2b3") == 3
    assert listed.count("of okta:00u9z8y7") == 1


async def test_somebody_whom_a_directory_knows_by_name_is_written_as_it_names_them(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the tenant that has it; so the key is found when they are put out, or erased."""
    (home / "own.yaml").write_text(
        "sso: {provider: oidc, issuer: 'https://login.acme.test', client_id: a, tenant: northwind}\n"
        "scim: [{provider: oidc, subject: userName}]\n"
    )
    own = ["keys", "--config", str(home / "own.yaml")]
    person = ["--person", "oidc:Ann@Corp.example"]

    async def printed(*arguments: str) -> str:
        assert await asyncio.to_thread(main, [*own, *arguments]) == 0
        return capsys.readouterr().out.strip()

    first = await printed("create", "a", *person)
    await printed("rotate", first.split("_")[1], *person)
    assert (await printed("list")).count("of oidc:ann@corp.example") == 2
    # Without a name it stays as it was kept: what the maker's last sign-on gave is found by that.
    database = open_database(home / "supportmax.sqlite")
    accounts = Accounts(database, read_pepper(home / "api-keys.pepper"))
    kept = await accounts.create_key(
        "northwind", "c", frozenset({"agent"}), 1.0, created_by="oidc:Ann@Corp.example"
    )
    await database.aclose()
    await printed("rotate", kept.key.key_id)
    assert (await printed("list")).count("of oidc:Ann@Corp.example") == 2
    await printed("--tenant", "acme", "create", "b", *person)
    assert "of oidc:Ann@Corp.example" in await printed("--tenant", "acme", "list")


@pytest.mark.parametrize(
    "person", ["", "ann", "key:0123", "os:0", "client:a", "okta:", "okta: ann", "Okta:1"]
)
def test_a_key_is_nobody_s_who_could_not_sign_on(person: str) -> None:
    assert main(["keys", "create", "x", "--person", person]) == 1


@pytest.mark.parametrize(
    "wrong", [["--scope", "keys:manage"], ["--network", "10.0.0.1/8"], ["--network", "office"]]
)
def test_a_key_is_not_narrowed_to_what_cannot_be_meant(wrong: list[str]) -> None:
    assert main(["keys", "create", "crm", "--role", "service", *wrong]) == 1


def test_another_tenants_keys_are_neither_listed_nor_revoked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A tenant's administrator sees the tenant's keys."""
    assert main(["keys", "create", "theirs"]) == 0
    key_id = capsys.readouterr().out.split("_")[1]
    assert main(["keys", "--tenant", "other", "list"]) == 0
    assert capsys.readouterr().out == ""
    assert main(["keys", "--tenant", "other", "revoke", key_id]) == 1


def test_a_misspelt_profile_is_refused_and_never_taken_for_development(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever writes `prod` must not be answered by simulators."""
    monkeypatch.setenv("SUPPORTMAX_PROFILE", "prod")
    with pytest.raises(SystemExit) as stopped:
        main(["check"])
    assert stopped.value.code == 2
    assert "development, production" in capsys.readouterr().err


def test_the_roles_are_those_of_the_configured_policy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An operator's own policy is the one that counts, here as on every route."""
    policy = tmp_path / "rbac.yaml"
    policy.write_text("permissions: {chat:create: ask}\nroles: {chief: [chat:create]}\n")
    configuration = tmp_path / "c.yaml"
    configuration.write_text(f"rbac: {{roles: [chief], policies: [{{policy_file: {policy}}}]}}\n")
    assert main(["keys", "--config", str(configuration), "create", "x", "--role", "chief"]) == 0
    assert main(["keys", "--config", str(configuration), "create", "x", "--role", "agent"]) == 1
    assert "there are: chief" in capsys.readouterr().err


def test_a_role_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Such a key could do nothing, which nobody would understand."""
    assert main(["keys", "create", "x", "--role", "chief"]) == 1
    assert "there are: admin" in capsys.readouterr().err
