"""`supportmax data`: rows of before are sealed, an old key may go, and a tenant is forgotten on record."""

import secrets
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from actors.database import Conversations, NewTurn, open_database
from actors.sealing.errors import ClearRefused, SealBroken
from config.encryption import EncryptionSettings
from deployments.boot import Boot
from deployments.database import address_of
from deployments.key_management.command import forget_tenant, reseal, verify
from deployments.key_management.opening import make_own_keys, sealed_store
from routing.clock import SystemClock
from routing.errors import RequestError

pytestmark = pytest.mark.anyio

CANARY = "The heron of lake Balaton."


@pytest.fixture
def boot(tmp_path: Path) -> Boot:
    boot = Boot(tmp_path, "development")
    make_own_keys(boot)
    return boot


async def told(boot: Boot) -> list[str]:
    """What the conversation says, with the keys of the moment."""
    settings = EncryptionSettings()
    async with sealed_store(address_of(boot), boot, settings, SystemClock()) as database:
        turns = await Conversations(database).history("northwind", "c", 10)
        return [turn.text for turn in turns or ()]


async def write_in_clear(boot: Boot) -> None:
    database = open_database(address_of(boot))
    await database.migrate()
    await Conversations(database).append("northwind", "c", "ann", [NewTurn("user", CANARY, 1.0)])
    await database.aclose()


async def test_rows_of_before_are_sealed_and_an_old_key_may_go_afterwards(boot: Boot) -> None:
    await write_in_clear(boot)
    lines: list[str] = []
    assert await reseal(boot, SystemClock(), lines.append)
    assert "turn.text: 1 rows, 1 sealed anew\n" in lines
    assert await told(boot) == [CANARY]
    old = boot.data_keys.read_text()
    new = secrets.token_hex(32)
    boot.data_keys.write_text(f"{new}\n{old}\n")
    lines.clear()
    assert await reseal(boot, SystemClock(), lines.append)
    assert "1 keys wrapped by file, 0 could not be\n" in lines
    assert "turn.text: 1 rows, 0 sealed anew\n" in lines
    boot.data_keys.write_text(f"{new}\n")
    assert await told(boot) == [CANARY]


async def test_it_is_said_when_clear_texts_can_be_refused_and_then_they_are(boot: Boot) -> None:
    """Counted by looking: after a walk over everything, and whenever somebody asks."""
    await write_in_clear(boot)
    lines: list[str] = []
    safe = "nothing is in clear: encryption.refuse_clear: true can be switched on\n"
    assert not await verify(boot, SystemClock(), lines.append)
    assert lines == [
        "turn.text: 1 rows, 1 in clear, 0 cannot be read\n",
        "1 texts, 1 in clear, 0 cannot be read\n",
    ]
    assert await reseal(boot, SystemClock(), lines.append)
    assert lines[-2:] == ["1 texts, 0 in clear, 0 cannot be read\n", safe]
    strict = boot.home / "strict.yaml"
    strict.write_text("encryption: {refuse_clear: true}\n")
    boot = replace(boot, config=(strict,))
    lines.clear()
    assert await verify(boot, SystemClock(), lines.append)
    assert safe not in lines
    settings = EncryptionSettings(refuse_clear=True)
    address = address_of(boot)
    async with sealed_store(address, boot, settings, SystemClock()) as database:
        turns = await Conversations(database).history("northwind", "c", 10)
        assert [turn.text for turn in turns or ()] == [CANARY]
        planted = text("UPDATE turn SET text = 'planted'")
        await database.write(lambda connection: connection.execute(planted).close())
        with pytest.raises(ClearRefused):
            await Conversations(database).history("northwind", "c", 10)
    lines.clear()
    assert not await verify(boot, SystemClock(), lines.append)
    assert lines[-1].startswith("encryption.refuse_clear is on")


async def test_without_the_key_that_wraps_nothing_is_changed_and_it_says_so(boot: Boot) -> None:
    await write_in_clear(boot)
    assert await reseal(boot, SystemClock(), lambda _: None)
    kept = boot.data_keys.read_text()
    boot.data_keys.write_text(secrets.token_hex(32))
    lines: list[str] = []
    assert not await reseal(boot, SystemClock(), lines.append)
    assert any("could not be" in line for line in lines)
    boot.data_keys.write_text(kept)
    assert await told(boot) == [CANARY]


async def test_a_tenant_is_forgotten_only_by_its_name_and_then_for_good(boot: Boot) -> None:
    await write_in_clear(boot)
    assert await reseal(boot, SystemClock(), lambda _: None)
    for confirmed in (None, "", "acme"):
        with pytest.raises(RequestError):
            await forget_tenant(boot, "northwind", confirmed, SystemClock(), lambda _: None)
    assert await told(boot) == [CANARY]
    lines: list[str] = []
    await forget_tenant(boot, "northwind", "northwind", SystemClock(), lines.append)
    assert lines == ["1 keys of northwind destroyed\n"]
    with pytest.raises(SealBroken):
        await told(boot)
    with pytest.raises(RequestError):
        await forget_tenant(boot, "northwind", "northwind", SystemClock(), lines.append)
    chains = b"".join(path.read_bytes() for path in boot.audit.rglob("*") if path.is_file())
    assert chains.count(b"data forget-tenant") == 2, "before and after"


def test_the_file_is_the_owners_alone_and_is_not_made_twice(boot: Boot) -> None:
    assert boot.data_keys.stat().st_mode & 0o777 == 0o600
    before = boot.data_keys.read_text()
    make_own_keys(boot)
    assert boot.data_keys.read_text() == before
