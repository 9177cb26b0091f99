"""What the database knows of chains that are no longer here, and of whose they were."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from actors.audit import open_chain
from actors.audit.anchor import process_name
from actors.audit.indexing import index_all
from actors.audit.record import AuditRecord
from actors.database.audit_events import AuditEvents
from actors.database.engine import open_database
from config.audit import AuditSettings
from deployments.audit_witness import seen
from deployments.auditing import keys_of
from deployments.boot import Boot
from routing.clock import ManualClock

BEGAN_S = 1_800_000_000.0
DAY_S = 86_400.0


@dataclass
class Home:
    """A home of this machine whose database is another's too."""

    boot: Boot
    database: Path
    clock: ManualClock

    def write(self, name: str) -> Path:
        """A chain of that name with one record, of now."""
        keys = keys_of(self.boot, AuditSettings())
        os.utime(self.boot.audit_keys, (BEGAN_S, BEGAN_S))
        self.boot.audit.mkdir(parents=True, exist_ok=True)
        chain = open_chain(self.boot.audit, name, keys, self.clock)
        chain.append([AuditRecord(int(self.clock.now() * 1000), "acme", "x", "done")])
        chain.close()
        return self.boot.audit / chain.name

    async def index(self) -> None:
        database = open_database(self.database)
        await database.migrate()
        await index_all(self.boot.audit, AuditEvents(database))
        await database.aclose()


def home(folder: Path, database: Path) -> Home:
    folder.mkdir()
    config = folder / "supportmax.yaml"
    config.write_text(f"database:\n  url: sqlite:///{database}\n")
    return Home(Boot(folder, "development", (config,)), database, ManualClock(BEGAN_S))


@pytest.fixture
def here(tmp_path: Path) -> Home:
    return home(tmp_path / "here", tmp_path / "shared.db")


async def test_a_chain_of_this_machine_that_is_gone_is_missed_as_far_as_it_was_read(
    here: Home,
) -> None:
    """Also where all of them are, and where the next process has begun another since."""
    gone = here.write(process_name("ingress"))
    await here.index()
    shutil.rmtree(gone)
    told = await seen(here.boot)
    assert {name: at.number for name, at in told.items()} == {gone.name: 6}
    here.clock.advance(DAY_S)
    after = here.write(process_name("ingress"))
    assert set(await seen(here.boot)) == {gone.name}
    await here.index()
    assert set(await seen(here.boot)) == {gone.name, after.name}


async def test_chains_of_other_machines_in_one_database_are_not_missed(here: Home) -> None:
    """Not those either whose machine's name begins with the name of this one."""
    others = ["elsewhere-ingress", process_name("2-ingress"), process_name("ingress-ingress")]
    gone = [here.write(name) for name in others]
    own = here.write(process_name("mcp"))
    await here.index()
    for folder in gone:
        shutil.rmtree(folder)
    assert set(await seen(here.boot)) == {own.name}


async def test_what_an_earlier_home_wrote_is_not_missed_in_a_new_one(
    here: Home, tmp_path: Path
) -> None:
    here.clock = ManualClock(BEGAN_S - DAY_S)
    here.write(process_name("ingress"))
    await here.index()
    new = home(tmp_path / "new", here.database)
    assert await seen(new.boot) == {}
    chain = new.write(process_name("ingress"))
    await new.index()
    assert set(await seen(new.boot)) == {chain.name}


async def test_a_chain_that_was_put_away_is_not_missed_once_its_rows_went_with_age(
    here: Home,
) -> None:
    """Until then it is: a copy of it can be verified where it was put."""
    old = here.write(process_name("cli"))
    await here.index()
    shutil.rmtree(old)
    assert set(await seen(here.boot)) == {old.name}
    database = open_database(here.database)
    await AuditEvents(database).prune(int((BEGAN_S + DAY_S) * 1000))
    await database.aclose()
    assert await seen(here.boot) == {}


async def test_what_was_not_read_yet_is_missed_by_nobody(here: Home) -> None:
    here.write(process_name("ingress"))
    assert await seen(here.boot) == {}


async def test_in_a_home_with_a_database_of_its_own_every_chain_is_this_homes(
    tmp_path: Path,
) -> None:
    """Whatever the machine was called then: a container is called anew at each start."""
    own = home(tmp_path / "own", tmp_path / "own" / "supportmax.sqlite")
    own.boot = Boot(own.boot.home, "development")
    gone = own.write("b0a1c2-ingress")
    await own.index()
    shutil.rmtree(gone)
    assert set(await seen(own.boot)) == {gone.name}
