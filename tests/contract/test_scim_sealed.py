"""The directory at rest: who reads the database reads nobody's name, and without keys nobody is changed."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import update

from actors.database.directory_tables import directory_user
from actors.database.resealing import Resealing, Walked
from actors.sealing.ring import KeyRing
from routing.clock import ManualClock
from tests.people_world import everything
from tests.scim_world import Directory, Scim, directory, directory_settings
from tests.unit.sealing.keyed import LocalProvider, ring_over

OUT = {"op": "replace", "path": "active", "value": False}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Directory]:
    async with directory(tmp_path, directory_settings(subject="id")) as world:
        yield world


@pytest.fixture
async def scim(world: Directory) -> Scim:
    return Scim(world.http, await world.key("provisioner"))


async def test_who_reads_the_database_reads_no_name_and_no_address(
    world: Directory, scim: Scim
) -> None:
    said = {"displayName": "Kingfisher", "emails": [{"value": "kingfisher@corp.example"}]}
    made = await scim.person("KingFisher@corp.example", externalId="k.fisher", **said)
    kept = str(await everything(world.database)).lower()
    assert made["id"] in kept
    assert "fisher" not in kept
    for text in (
        'userName eq "kingfisher@CORP.example"',
        'externalId eq "k.fisher"',
        'userName sw "king"',
    ):
        assert [one["displayName"] for one in await scim.found("Users", text)] == ["Kingfisher"]
    assert await scim.found("Users", 'externalId eq "K.fisher"') == []


async def test_without_keys_nobody_is_changed_and_the_provider_is_told_to_come_back(
    world: Directory, scim: Scim
) -> None:
    ann = await scim.person("ann")
    path, sealing, refusing = f"/Users/{ann['id']}", world.database.sealing, LocalProvider()
    refusing.refuses = True
    world.database.sealing = ring_over(world.database, refusing, ManualClock())
    for answer in (await scim.patch(path, OUT), await scim.ask("GET", path)):
        assert answer.status_code == 503, answer.text
        assert int(answer.headers["retry-after"]) > 0
    world.database.sealing = sealing
    assert (await scim.ask("GET", path)).json()["active"] is True
    assert (await scim.patch(path, OUT)).json()["active"] is False


async def test_what_an_older_process_wrote_beside_is_read_and_sealed_with_the_rest(
    world: Directory, scim: Scim
) -> None:
    """It knows nothing of keyed hashes: an id in clear, found by nothing, is nobody's fault."""
    ann = await scim.person("ann", externalId="a.1")
    clear = update(directory_user).where(directory_user.c.id == ann["id"])
    await world.database.write(
        lambda c: c.execute(clear.values(external_id="a.2", external_key=None)).close()
    )
    assert (await scim.ask("GET", f"/Users/{ann['id']}")).json()["externalId"] == "a.2"
    assert [one["id"] for one in await scim.found("Users", 'userName eq "ann"')] == [ann["id"]]
    ring = world.database.sealing
    assert isinstance(ring, KeyRing)
    walk = Resealing(world.database, ring, world.clock)
    for place in await walk.begin():
        walked = Walked(place.name)
        while not walked.is_done:
            walked = await walk.step(walked, place)
        assert not walked.unreadable
    assert "a.2" not in str(await everything(world.database))
    assert [one["id"] for one in await scim.found("Users", 'externalId eq "a.2"')] == [ann["id"]]
