"""One contract for every key provider: what is wrapped, for whom, and what callers see when it fails."""

import os
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.database import Conversations, NewTurn, open_database
from actors.database.data_keys import DataKeys
from actors.database.errors import KeysUnavailable
from actors.sealing.errors import ProviderRefused, ProviderUnavailable
from actors.sealing.provider import KeyContext, Providers
from actors.sealing.ring import FRESH_S, STALE_S, KeyRing
from deployments.key_management.patient import Patient
from routing.clock import ManualClock, SystemClock
from tests.key_worlds import NAMES, KeyWorld, key_world

pytestmark = pytest.mark.anyio

KEY = os.urandom(32)
MINE = KeyContext("acme", "seal", 1)
CANARY = "The blue heron paid invoice 4711 twice."


@pytest.fixture(params=NAMES)
async def world(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[KeyWorld]:
    async with key_world(request.param, tmp_path, monkeypatch) as world:
        yield world


async def test_a_key_comes_back_under_its_own_context_and_under_no_other(world: KeyWorld) -> None:
    wrapped = await world.provider.wrap(KEY, MINE)
    assert KEY.hex() not in wrapped
    assert await world.provider.unwrap(wrapped, MINE) == KEY
    for other in (
        KeyContext("globex", "seal", 1),
        KeyContext("acme", "derive", 1),
        KeyContext("acme", "seal", 2),
        KeyContext("acmes", "eal", 1),  # type: ignore[arg-type]
    ):
        with pytest.raises(ProviderRefused):
            await world.provider.unwrap(wrapped, other)


async def test_what_was_not_wrapped_here_is_refused(world: KeyWorld) -> None:
    wrapped = await world.provider.wrap(KEY, MINE)
    damaged = wrapped[:-6] + ("AAAAA=" if wrapped[-6:] != "AAAAA=" else "BBBBB=")
    for text in ("", "x", "a:b", damaged):
        with pytest.raises((ProviderRefused, ProviderUnavailable)):
            await world.provider.unwrap(text, MINE)


async def test_after_a_rotation_both_versions_unwrap(world: KeyWorld) -> None:
    before = await world.provider.wrap(KEY, MINE)
    world.rotate()
    after = await world.provider.wrap(KEY, MINE)
    assert await world.provider.unwrap(before, MINE) == KEY
    assert await world.provider.unwrap(after, MINE) == KEY
    if world.lose_first is not None:
        world.lose_first()
        assert await world.provider.unwrap(after, MINE) == KEY
        with pytest.raises(ProviderRefused):
            await world.provider.unwrap(before, MINE)


async def test_a_refusal_is_told_from_an_outage(world: KeyWorld) -> None:
    wrapped = await world.provider.wrap(KEY, MINE)
    world.set_fault("refuse")
    with pytest.raises(ProviderRefused):
        await world.provider.unwrap(wrapped, MINE)
    world.set_fault("none")
    assert await world.provider.unwrap(wrapped, MINE) == KEY
    world.set_fault("fail")
    with pytest.raises(ProviderUnavailable):
        await world.provider.unwrap(wrapped, MINE)
    world.set_fault("none")
    assert await world.provider.unwrap(wrapped, MINE) == KEY


@pytest.mark.parametrize("world", NAMES[1:], indirect=True)
async def test_throttled_it_may_be_asked_again(world: KeyWorld) -> None:
    wrapped = await world.provider.wrap(KEY, MINE)
    world.set_fault("throttle")
    with pytest.raises(ProviderUnavailable):
        await world.provider.unwrap(wrapped, MINE)


@pytest.mark.parametrize("world", NAMES[1:], indirect=True)
async def test_one_that_hangs_is_given_up(world: KeyWorld) -> None:
    wrapped = await world.provider.wrap(KEY, MINE)
    patient = Patient(world.provider, SystemClock(), random.Random(1), try_s=0.1)  # noqa: S311
    world.set_fault("hang")
    with pytest.raises(ProviderUnavailable):
        await patient.unwrap(wrapped, MINE)
    world.set_fault("none")
    with pytest.raises(ProviderUnavailable, match="a moment ago"):
        await patient.unwrap(wrapped, MINE)


def holding(folder: Path, words: bytes) -> list[Path]:
    """The files of the store in which these words stand."""
    files = list(folder.glob("kept.db*"))
    assert files
    return [path for path in files if words in path.read_bytes()]


async def test_while_keys_cannot_be_had_nothing_is_written_in_clear_and_nothing_is_lost(
    world: KeyWorld, tmp_path: Path
) -> None:
    clock, path = ManualClock(), tmp_path / "kept.db"
    database = open_database(path)
    await database.migrate()
    providers = Providers(world.provider, {world.provider.name: world.provider})
    database.sealing = KeyRing(DataKeys(database), providers, clock)
    kept = Conversations(database)
    await kept.append("acme", "c", "ann", [NewTurn("user", CANARY, 1.0)])
    for fault, pause_s in (("refuse", FRESH_S), ("fail", STALE_S)):
        world.set_fault(fault)  # type: ignore[arg-type]
        clock.advance(pause_s)
        with pytest.raises(KeysUnavailable) as refused:
            await kept.append("acme", "c", "ann", [NewTurn("user", CANARY, 2.0)])
        assert refused.value.retry_after_s > 0
        with pytest.raises(KeysUnavailable):
            await kept.history("acme", "c", 10)
        world.set_fault("none")
        turns = await kept.history("acme", "c", 10)
        assert turns is not None
        assert [turn.text for turn in turns] == [CANARY]
    await database.aclose()
    assert not holding(tmp_path, b"heron")
