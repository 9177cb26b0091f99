"""`supportmax knowledge search` and `explain`, as people use them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from deployments import cli


@pytest.fixture
def known(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    begun: Callable[[Path], Path],
) -> Path:
    """Three documents, one of them not for customers."""
    monkeypatch.setenv("SUPPORTMAX_HOME", str(begun(tmp_path / "home")))
    docs = tmp_path / "docs"
    docs.mkdir()
    for name, audience, text in (
        ("cats", "public", "# Cats\nA cat is charged twice for fish."),
        ("dogs", "public", "# Dogs\nDogs are fed once."),
        ("limits", "internal", "# Limits\nNo cat is refunded more than twice."),
    ):
        (docs / f"{name}.md").write_text(f"---\nid: {name}\naudience: {audience}\n---\n{text}\n")
    assert cli.main(["knowledge", "--tenant", "acme", "ingest", str(docs)]) == 0
    capsys.readouterr()
    return docs


def ran(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    status = cli.main(["knowledge", "--tenant", "acme", *arguments])
    return status, capsys.readouterr().out


@pytest.mark.usefixtures("known")
def test_a_question_finds_what_the_asker_may_read(capsys: pytest.CaptureFixture[str]) -> None:
    status, out = ran(capsys, "search", "charged twice", "--audience", "public")
    assert status == 0
    assert "cats (public)" in out
    assert "limits" not in out
    assert "limits (internal)" in ran(capsys, "search", "charged twice")[1]


@pytest.mark.usefixtures("known")
def test_a_question_that_finds_nothing_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert ran(capsys, "search", "who wrote Hamlet") == (1, "nothing shares a word with it\n")


@pytest.mark.usefixtures("known")
def test_explain_says_what_the_score_is_made_of(capsys: pytest.CaptureFixture[str]) -> None:
    status, out = ran(capsys, "explain", "cats", "charged twice for cats")
    assert status == 0
    assert out.startswith("cats is number 1: Cats (public)\n")
    assert "charg twic" in out
    assert "of its title" in out


@pytest.mark.usefixtures("known")
def test_explain_does_not_tell_a_customer_that_an_article_exists(
    capsys: pytest.CaptureFixture[str],
) -> None:
    secret = ran(capsys, "explain", "limits", "cat refunded", "--audience", "public")
    absent = ran(capsys, "explain", "absent", "cat refunded", "--audience", "public")
    assert secret[0] == absent[0] == 1
    assert secret[1].replace("limits", "absent") == absent[1]


def test_a_tenant_that_knows_nothing_is_told_so(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    begun: Callable[[Path], Path],
) -> None:
    monkeypatch.setenv("SUPPORTMAX_HOME", str(begun(tmp_path)))
    assert cli.main(["knowledge", "--tenant", "nobody", "search", "cats"]) == 1
    assert "nobody knows nothing yet" in capsys.readouterr().err
