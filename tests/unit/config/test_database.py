"""Where the database is: said in the configuration, its password never shown or handed on."""

import pickle
from pathlib import Path

import pytest

from actors.database.address import Server
from config.loader import load_settings
from config.problems import ConfigErrors
from deployments.boot import Boot
from deployments.database import address_of
from routing.errors import ConfigError

PASSWORD = "open sesame"  # noqa: S105


def boot(folder: Path, *lines: str) -> Boot:
    path = folder / "config.yaml"
    path.write_text("\n".join(("database:", *(f"  {line}" for line in lines))))
    return Boot(folder, "development", (path,))


def test_without_an_address_it_is_a_file_of_the_data_directory(tmp_path: Path) -> None:
    assert address_of(Boot(tmp_path, "development")) == tmp_path / "supportmax.sqlite"


def test_a_server_crosses_processes_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(PASSWORD)
    monkeypatch.setenv("DB_PASSWORD_FILE", str(secret))
    here = boot(tmp_path, "url: postgresql://me@db:6432/support", "password: ${DB_PASSWORD}")
    address = address_of(here)
    assert isinstance(address, Server)
    assert str(address) == "postgresql://me@db:6432/support"
    carried = pickle.dumps(address)
    assert PASSWORD.encode() not in carried
    assert PASSWORD not in repr(address)
    there = pickle.loads(carried)  # noqa: S301  our own bytes, as Ray carries them
    assert there.password() == PASSWORD
    secret.write_text("another")
    assert there.password() == "another", "it is read at each connection"


def test_a_file_of_one_machine_refuses_to_serve_several(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="this cluster has 2") as refused:
        address_of(Boot(tmp_path, "development"), nodes=2)
    assert refused.value.key == "database.url"
    lone = boot(tmp_path, f"url: sqlite:///{tmp_path}/x.db")
    with pytest.raises(ConfigError, match=r"config\.yaml:2"):
        address_of(lone, nodes=2)
    address_of(lone, nodes=1)
    address_of(boot(tmp_path, "url: postgresql://me@db/support"), nodes=9)


def test_a_variable_that_is_not_set_is_no_reason_to_start_on_an_empty_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="NO_SUCH_URL not set"):
        address_of(boot(tmp_path, "url: ${NO_SUCH_URL}"))
    with pytest.raises(ConfigError, match="NO_SUCH_PASSWORD not set"):
        address_of(boot(tmp_path, "url: postgresql://me@db/s", "password: ${NO_SUCH_PASSWORD}"))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("url: postgresql://me:hush@db/support", "leave the password out of the url"),
        ("url: mysql://me@db/support", "mysql is written"),
        ("url: postgresql://db/support", "names no user"),
        ("url: postgresql://me@db", "names no user or no database"),
        ("url: postgresql://me@db:port/s", "is not a URL"),
        ("password: hush", "a password is for a server"),
        ("tls: off-ish", "expected"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_line_and_without_the_password(
    tmp_path: Path, line: str, said: str
) -> None:
    here = boot(tmp_path, line)
    with pytest.raises(ConfigErrors) as refused:
        load_settings(here.config, {}, "development")
    assert said in str(refused.value)
    assert "config.yaml:" in str(refused.value)
    assert "hush" not in str(refused.value)
