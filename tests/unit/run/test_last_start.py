"""Which configuration the commands on a data directory mean when they are told none."""

from collections.abc import Callable
from pathlib import Path

import pytest

from deployments.cli import main
from deployments.last_start import last_start, note_start
from routing.errors import ConfigError


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begun: Callable[[Path], Path]) -> Path:
    home = begun(tmp_path / "home")
    monkeypatch.setenv("SUPPORTMAX_HOME", str(home))
    return home


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A configuration that keeps conversations for less long than the shipped one."""
    path = tmp_path / "own.yaml"
    path.write_text("retention: {conversations: 30}\n")
    return path


def kept(capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["data", "retention"]) == 0
    return capsys.readouterr().out


def test_commands_mean_what_it_was_started_with(
    home: Path, own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever seals anew or erases without naming it would else do so with other keys, elsewhere."""
    shipped = kept(capsys)
    note_start(home, (own,))
    assert " 30 " in kept(capsys) != shipped
    note_start(home, None)
    assert kept(capsys) == shipped


def test_a_configuration_that_is_named_is_the_one_that_is_meant(
    home: Path, own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A start with a file that is gone since is told, and no other is taken in its place."""
    note_start(home, (tmp_path / "gone.yaml",))
    assert main(["data", "retention"]) == 1
    assert "gone.yaml" in capsys.readouterr().err
    assert main(["data", "--config", str(own), "retention"]) == 0
    assert " 30 " in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "{", "3", "[3]"])
def test_a_note_that_cannot_be_read_is_no_leave_to_take_the_shipped_one(
    home: Path, text: str
) -> None:
    (home / "configuration.json").write_text(text)
    with pytest.raises(ConfigError, match="say --config"):
        last_start(home)
