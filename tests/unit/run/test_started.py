"""Commands where nothing was ever started, and what an error says."""

from decimal import Decimal
from pathlib import Path

import pytest

from actors.database import open_database
from actors.sealing.errors import ProviderRefused
from deployments import cli
from routing.errors import BudgetExceeded, ConflictError, SupportMaxError

ABOUT_DATA = [
    "audit verify", "audit verify copied", "audit search", "audit export", "audit who h:0f",
    "data reseal", "data verify", "data retention", "data forget-tenant acme --confirm acme",
    "decision show dec_1", "decision replay dec_1", "keys create x", "keys list", "keys rotate x",
    "keys revoke x", "knowledge ingest .", "knowledge search cats", "knowledge explain a cats",
    "memory show ann", "memory erase ann", "memory publish a.yaml", "savings", "simulate --ledger",
    "user export ann --tenant acme", "user erase ann --tenant acme",
]  # fmt: skip


@pytest.mark.parametrize("command", ABOUT_DATA)
def test_a_command_in_the_wrong_folder_says_so_and_makes_nothing(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A new, empty data directory has nobody to erase and nothing in clear: each would say yes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SUPPORTMAX_HOME", raising=False)
    assert cli.main(command.split()) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert f"nothing was ever started in {tmp_path / '.supportmax'}; " in told.err
    assert "SUPPORTMAX_HOME" in told.err
    assert list(tmp_path.iterdir()) == []


def test_what_is_about_no_data_needs_no_start_and_makes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A check before the first start, and an auditor's copies."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SUPPORTMAX_HOME", raising=False)
    assert cli.main(["check"]) == 0
    assert cli.main(["audit", "verify", "copied", "--public-key", "no.pub"]) == 1
    assert "no.pub" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_configured_database_is_asked_wherever_the_command_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Beside a cluster nothing was ever started on this machine; the database answers, or does not."""
    monkeypatch.setenv("SUPPORTMAX_HOME", str(tmp_path))
    own = tmp_path / "own.yaml"
    own.write_text(f"database: {{url: 'postgresql://ann@/x?host={tmp_path}'}}\n")
    assert cli.main(["keys", "--config", str(own), "list"]) == 1
    told = capsys.readouterr().err
    assert "nothing was ever started" not in told
    assert str(tmp_path) in told


def test_a_command_beside_a_cluster_makes_its_data_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it does is signed with a key that is kept there."""
    home, own = tmp_path / "home", tmp_path / "own.yaml"
    monkeypatch.setenv("SUPPORTMAX_HOME", str(home))
    own.write_text(f"database: {{url: 'sqlite:///{tmp_path}/elsewhere.db'}}\n")
    open_database(tmp_path / "elsewhere.db")
    assert cli.main(["keys", "--config", str(own), "create", "x"]) == 0
    assert home.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ConflictError("rotation_under_way", "Revoke one of them first."), "Revoke one of them first."),
        (BudgetExceeded("It is spent.", "acct", Decimal(0), 3.0), "It is spent."),
        (ProviderRefused("vault", "The key is gone."), "The key is gone."),
        (SupportMaxError("in a word"), "in a word"),
        (FileNotFoundError(2, "No such file", "a.yaml"), "[Errno 2] No such file: 'a.yaml'"),
    ],
)  # fmt: skip
def test_an_error_is_told_in_its_words_and_not_as_what_it_is_made_of(
    error: Exception,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object) -> int:
        raise error

    monkeypatch.setenv("SUPPORTMAX_HOME", str(tmp_path))
    monkeypatch.setattr(cli, "_check", fail)
    assert cli.main(["check"]) == 1
    assert capsys.readouterr().err == f"error {said}\n"
