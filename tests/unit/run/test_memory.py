"""`supportmax memory`: the same memory from a terminal."""

import asyncio
import re
from pathlib import Path

import orjson
import pytest

from actors.database import NewTurn, open_database
from actors.database.data_keys import DataKeys
from actors.memory import Said, make_memory
from actors.window_store import InProcessWindows
from deployments.cli import main
from routing.clock import ManualClock


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SUPPORTMAX_HOME", str(tmp_path))

    async def remember() -> None:
        database, clock = open_database(tmp_path / "supportmax.sqlite"), ManualClock()
        await database.migrate()
        memory = make_memory(database, InProcessWindows(clock), clock)
        await memory.episodes.append("northwind", "conv_1", "ann", [NewTurn("user", "Team", 1.0)])
        said = Said("conv_1", 1)
        await memory.facts.remember_said("northwind", "ann", "plan", "Team", said, "key:1")
        await database.aclose()

    asyncio.run(remember())
    return tmp_path


def test_a_customer_is_shown_and_erased(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["memory", "show", "ann"]) == 0
    shown = capsys.readouterr().out
    assert "plan: Team  (customer conv_1#1)" in shown
    assert "conv_1  1 turns" in shown
    assert main(["memory", "--tenant", "globex", "erase", "ann"]) == 0
    assert set(orjson.loads(capsys.readouterr().out)["erased"].values()) == {0}
    assert main(["memory", "erase", "ann"]) == 0
    erased = orjson.loads(capsys.readouterr().out)
    assert (erased["erased"]["facts"], erased["complete"]) == (1, True)
    assert main(["memory", "show", "ann"]) == 0
    assert capsys.readouterr().out == ""


async def test_a_tenant_that_was_mistyped_is_left_without_keys(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who asks about nobody makes nothing: `data reseal` would carry a key of such a tenant for ever."""
    for command in ("user export", "user erase", "memory show", "memory erase"):
        group, action = command.split()
        named = ["--tenant", "nortwind"]
        asked = (
            ["user", action, "ann", *named] if group == "user" else [group, *named, action, "ann"]
        )
        await asyncio.to_thread(main, asked)
    assert "nothing is stored about such a person of nortwind" in capsys.readouterr().err
    database = open_database(home / "supportmax.sqlite")
    try:
        assert await DataKeys(database).keys("nortwind") == []
    finally:
        await database.aclose()


def test_an_erasure_is_on_record_before_it_is_made(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both commands: of whom, and that it was done; without the log nothing is."""
    assert main(["memory", "erase", "ann"]) == 0
    assert main(["user", "erase", "nobody", "--tenant", "northwind"]) == 1
    capsys.readouterr()
    assert main(["audit", "search", "--object", "ann"]) == 0
    told = [line.split()[1:3] for line in capsys.readouterr().out.splitlines()]
    assert told == [["done", "memory.erase"], ["begun", "memory.erase"]]
    assert main(["audit", "search", "--action", "user.erase", "--outcome", "failed"]) == 0
    assert "user.erase" in capsys.readouterr().out
    (home / "audit").rename(home / "elsewhere")
    (home / "audit").write_text("not a folder")
    assert main(["memory", "erase", "ann"]) == 1
    assert main(["user", "erase", "ann", "--tenant", "northwind"]) == 1
    assert main(["user", "export", "ann"]) == 1
    assert capsys.readouterr().out == ""


def test_who_does_not_say_whose_person_it_is_erases_nobody(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["user", "erase", "ann"])
    assert left.value.code == 2
    assert "--tenant" in capsys.readouterr().err
    assert main(["memory", "show", "ann"]) == 0
    assert "plan: Team" in capsys.readouterr().out


def test_what_is_too_old_is_shown_and_nothing_goes(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was said in 1970 would go now."""
    for _ in range(2):
        assert main(["data", "retention"]) == 0
        shown = capsys.readouterr().out
        assert re.search(r"northwind +conversations +730 days +1 rows", shown)
    assert main(["memory", "show", "ann"]) == 0
    assert "conv_1" in capsys.readouterr().out


def test_a_runbook_is_published_by_version(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = home / "refund.yaml"
    for version, do in enumerate(("Look.", "Look twice."), 1):
        file.write_text(f"name: refund\ntitle: Refund\nsteps: [{{id: look, do: {do}}}]\n")
        assert main(["memory", "publish", str(file)]) == 0
        assert capsys.readouterr().out == f"refund version {version}\n"
    file.write_text("name: refund\n")
    assert main(["memory", "publish", str(file)]) == 1
    assert "write name, title and steps" in capsys.readouterr().err.replace("\n", " ")
