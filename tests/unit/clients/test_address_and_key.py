"""Where a script finds SupportMax, and with which key."""

from pathlib import Path

import pytest

from deployments.clients import Problem, address_and_key
from routing.errors import Violation


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder and an environment that know nothing of any SupportMax."""
    for name in ("URL", "API_KEY", "API_KEY_FILE", "HOME"):
        monkeypatch.delenv(f"SUPPORTMAX_{name}", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_beside_make_run_nothing_has_to_be_said(elsewhere: Path) -> None:
    """The usual address, and the key that the first start left."""
    (elsewhere / ".supportmax").mkdir()
    (elsewhere / ".supportmax" / "admin.key").write_text("sm_1\n")
    assert address_and_key() == ("http://127.0.0.1:8000", "sm_1")


def test_what_is_said_closest_wins(monkeypatch: pytest.MonkeyPatch, elsewhere: Path) -> None:
    """The key itself, then a file that is named, then the data directory."""
    monkeypatch.setenv("SUPPORTMAX_URL", "https://support.example.com/")
    monkeypatch.setenv("SUPPORTMAX_HOME", str(elsewhere))
    (elsewhere / "admin.key").write_text("of the home")
    assert address_and_key() == ("https://support.example.com", "of the home")
    (elsewhere / "mine").write_text("of the file")
    monkeypatch.setenv("SUPPORTMAX_API_KEY_FILE", str(elsewhere / "mine"))
    assert address_and_key()[1] == "of the file"
    monkeypatch.setenv("SUPPORTMAX_API_KEY", " of the environment ")
    assert address_and_key()[1] == "of the environment"


def test_no_key_says_where_it_was_looked_for_and_what_to_set(
    monkeypatch: pytest.MonkeyPatch, elsewhere: Path
) -> None:
    """A file that was named and is not there is not passed over for another key."""
    (elsewhere / "admin.key").write_text("another's")
    monkeypatch.setenv("SUPPORTMAX_HOME", str(elsewhere))
    monkeypatch.setenv("SUPPORTMAX_API_KEY_FILE", "missing.key")
    with pytest.raises(Problem) as caught:
        address_and_key()
    assert caught.value.code == "no_key"
    assert str(elsewhere / "missing.key") in str(caught.value)
    assert "SUPPORTMAX_API_KEY" in str(caught.value)
    (elsewhere / "missing.key").write_text(" \n")
    with pytest.raises(Problem, match="empty"):
        address_and_key()


def test_a_problem_reads_as_what_to_change() -> None:
    """It is what a person sees at the end of a traceback."""
    problem = Problem("invalid_request", "No.", 422, (Violation("/user_id", "too long"),))
    assert str(problem) == "422 invalid_request: No.\n  /user_id: too long"


def test_what_the_detail_says_is_not_said_again() -> None:
    """A route whose detail is made of its violations adds only where they are."""
    twice = (
        Violation("/changes/model", "model: no"),
        Violation("/changes/temperature", "heat: no"),
    )
    problem = Problem("invalid_configuration", "model: no; heat: no", 422, twice)
    told = (
        "422 invalid_configuration: model: no; heat: no\n  /changes/model\n  /changes/temperature"
    )
    assert str(problem) == told
