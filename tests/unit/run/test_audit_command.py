"""The audit command, on a data directory of its own, with what `keys` puts on record there."""

import shutil
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from actors.audit import read_keys
from deployments.cli import main
from routing.clock import SystemClock, rfc3339


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begun: Callable[[Path], Path]) -> Path:
    monkeypatch.setenv("SUPPORTMAX_HOME", str(tmp_path))
    return begun(tmp_path)


@pytest.fixture
def key(capsys: pytest.CaptureFixture[str]) -> str:
    """A key that was made, so that there is something on record."""
    assert main(["keys", "create", "the help desk of Ann"]) == 0
    return capsys.readouterr().out.strip()


def chain(home: Path) -> Path:
    [folder] = (home / "audit").iterdir()
    return folder / "000001.jsonl"


def records(home: Path, action: str) -> list[tuple[str, str]]:
    """The outcome and the reason of every record of an action, in their order."""
    rows = [orjson.loads(line)["b"] for line in chain(home).read_bytes().splitlines()]
    told = [row for row in rows if row.get("action") == action]
    return [(row["outcome"], row["reason"]) for row in told]


def test_which_key_a_command_was_about_and_what_it_may_do_are_on_record(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the words that stand there of the same over HTTP; and found under the key's id."""
    narrow = ["--role", "service", "--scope", "chat:create", "--days", "1"]
    assert main(["keys", "create", "x", *narrow]) == 0
    first = capsys.readouterr().out.split("_")[1]
    assert main(["keys", "rotate", first, "--hours", "2"]) == 0
    second = capsys.readouterr().out.split("_")[1]
    assert main(["keys", "revoke", second]) == 0
    gives = "gives:service scope:chat:create expires_in_s:86400"
    assert records(home, "keys create") == [("begun", gives), ("done", f"{gives} key:{first}")]
    replaced = f"overlap_s:7200 key:{second} replaces:key:{first}"
    assert records(home, "keys rotate") == [("begun", "overlap_s:7200"), ("done", replaced)]
    assert records(home, "keys revoke") == [("begun", ""), ("done", f"key:{second}")]
    for key_id, action in ((first, "keys rotate"), (second, "keys revoke")):
        capsys.readouterr()
        assert main(["audit", "search", "--object", key_id]) == 0
        assert capsys.readouterr().out.count(action) == 2, "begun and done"


@pytest.mark.parametrize("action", ["revoke", "rotate"])
def test_what_was_not_done_to_a_key_is_on_record_as_failed(
    home: Path, action: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also not with what was written in the place of an id: it may be a whole key."""
    assert main(["keys", action, "smk_0_nosuch"]) == 1
    assert "no live key" in capsys.readouterr().err
    told = records(home, f"keys {action}")
    assert [outcome for outcome, _ in told] == ["begun", "failed"]
    assert told[1][1] == "unknown_key"
    assert b"smk_0_nosuch" not in chain(home).read_bytes()


def test_what_is_done_to_keys_is_on_record_and_holds_together(
    home: Path, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """By whom of this machine's users, before and after; without the key's name or its secret.

    Its id is no secret: it is what the records of whoever calls with the key go by.
    """
    _, key_id, secret = key.split("_", 2)
    assert main(["keys", "revoke", key_id]) == 0
    assert main(["audit", "verify"]) == 0
    assert "hold together" in capsys.readouterr().out
    assert main(["audit", "search"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "keys " in line]
    assert len(lines) == 4
    assert all("by=os:" in line for line in lines)
    kept = b"".join(path.read_bytes() for path in (home / "audit").rglob("*.jsonl"))
    for text in ("help desk", "Ann", key, secret):
        assert text.encode() not in kept
    assert f"key:{key_id}".encode() in kept


def test_whoever_runs_the_service_finds_who_is_behind_a_pseudonym(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the tenant's people, and no other's; that it was asked is on record."""
    assert main(["keys", "create", "x", "--person", "okta:00u1a2b3"]) == 0
    capsys.readouterr()
    hidden = read_keys(home / "audit.keys").pseudonym("okta:00u1a2b3")
    assert main(["audit", "who", hidden]) == 0
    assert capsys.readouterr().out == "okta:00u1a2b3\n"
    assert main(["audit", "who", hidden, "--tenant", "another"]) == 1
    assert main(["audit", "who", "h:0000"]) == 1
    assert "okta:00u1a2b3" not in capsys.readouterr().out
    assert main(["audit", "search", "--action", "audit who"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 6, "each begun and done"


def test_without_an_audit_log_no_key_is_made(
    home: Path, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file where the folder belongs: the key is not printed, and is not in the list."""
    shutil.rmtree(home / "audit")
    (home / "audit").write_text("in the way")
    assert main(["keys", "create", "another"]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert "audit" in told.err
    assert main(["keys", "list"]) == 0
    assert "another" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (lambda text: text.replace(b"northwind", b"southwind", 1), "altered"),
        (lambda text: b"".join(text.splitlines(keepends=True)[:3]), "unsealed tail"),
        (lambda text: b"".join(text.splitlines(keepends=True)[:4]), "truncated"),
        (lambda text: b"".join((rows := text.splitlines(keepends=True))[:4] + rows[5:]), "entry missing"),
    ],
)  # fmt: skip
def test_verify_names_what_was_done_to_a_chain(
    home: Path, key: str, damage: object, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With 1, the file and the line."""
    path = chain(home)
    assert callable(damage)
    path.write_bytes(damage(path.read_bytes()))
    assert main(["audit", "verify"]) == 1
    told = capsys.readouterr().out
    assert f": {fault}: " in told
    assert path.parent.name in told


def test_a_truncated_chain_is_found_by_the_database_where_heads_went_with_it(
    home: Path, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever has the disk may take the heads along; the search has seen further."""
    assert main(["audit", "search"]) == 0
    shutil.rmtree(home / "audit-heads")
    path = chain(home)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:4]))
    assert main(["audit", "verify"]) == 1
    assert "truncated" in capsys.readouterr().out


def test_a_chain_that_is_gone_with_its_heads_is_missed_by_the_database(
    home: Path, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also after the next process has begun another, which holds together."""
    gone = chain(home).parent.name
    assert main(["audit", "search"]) == 0
    shutil.rmtree(home / "audit-heads")
    shutil.rmtree(home / "audit")
    capsys.readouterr()
    assert main(["audit", "verify"]) == 1
    assert f"{gone}: chain missing: " in capsys.readouterr().out
    assert main(["keys", "create", "another"]) == 0
    assert main(["audit", "verify"]) == 1
    told = capsys.readouterr().out
    assert f"{gone}: chain missing: " in told
    assert "hold together" in told


def test_a_copy_is_verified_with_the_public_key_alone(
    home: Path, key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As an auditor does: a folder, the heads, a public key; and nothing else is believed."""
    copy, heads = tmp_path / "copy", tmp_path / "copied-heads"
    shutil.copytree(home / "audit", copy)
    shutil.copytree(home / "audit-heads", heads)
    public = tmp_path / "auditor.pem"
    shutil.copy(home / "audit.pub", public)
    (home / "audit.keys").unlink()
    arguments = ["audit", "verify", str(copy), "--heads", str(heads), "--public-key", str(public)]
    assert main(arguments) == 0
    capsys.readouterr()
    # This machine makes itself new keys, which the copy was not signed with.
    assert main(["audit", "verify", str(copy)]) == 1
    assert "wrong signature" in capsys.readouterr().out
    assert main(["audit", "verify", str(tmp_path / "nothing")]) == 1


@pytest.mark.parametrize("there", ["nothing", "an empty folder", "a chain's folder", "a file"])
def test_heads_that_are_not_where_they_are_said_to_be_are_missed(
    home: Path, key: str, there: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A cut chain, held against nothing, would be told to hold together: a slip in a path is an error."""
    [own] = (home / "audit-heads").iterdir()
    path = {"a chain's folder": own, "a file": home / "audit.pub"}.get(there, tmp_path / "headz")
    if there == "an empty folder":
        path.mkdir()
    copy = tmp_path / "copy"
    shutil.copytree(home / "audit", copy)
    [cut] = copy.glob("*/000001.jsonl")
    cut.write_bytes(b"".join(cut.read_bytes().splitlines(keepends=True)[:4]))
    for folder in ([], [str(copy)]):
        assert main(["audit", "verify", *folder, "--heads", str(path)]) == 1
        told = capsys.readouterr()
        assert str(path) in told.err
        assert told.out == ""


def test_a_chain_that_was_held_against_no_head_is_said_to_be(
    home: Path, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a copy without heads the end may be missing, and nobody reads that out of a zero."""
    copied = ["audit", "verify", str(home / "audit")]
    assert main(copied) == 0
    assert "held against no head, so that its end may be missing" in capsys.readouterr().out
    assert main([*copied, "--heads", str(home / "audit-heads")]) == 0
    assert ", anchored at " in capsys.readouterr().out


def test_the_export_is_lines_of_ocsf(key: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Of everybody's, the strangers' and the log's own records."""
    assert main(["audit", "export", "--format", "ocsf"]) == 0
    events = [orjson.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {event["api"]["operation"] for event in events} >= {"keys create", "audit.opened"}
    assert all(event["metadata"]["version"] == "1.6.0" for event in events)
    since = rfc3339(SystemClock().now() + 60)
    assert main(["audit", "export", "--since", "2026-01-01", "--until", "2026-01-02"]) == 0
    assert capsys.readouterr().out == ""
    assert main(["audit", "search", "--since", since]) == 1
    assert main(["audit", "search", "--action", "keys create", "--tenant", "rival"]) == 0
    assert capsys.readouterr().out == ""
