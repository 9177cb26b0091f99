"""What is too old goes, a batch at a time, by one process at a time, and on record."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, update

from actors.database import Database, NewTurn
from actors.database.audit_tables import audit_event
from actors.database.conversations import Conversations
from actors.database.duties import Duties
from actors.database.legal_holds import LegalHold, LegalHolds
from actors.database.person_erasure import PersonErasure
from actors.database.retention import DAY_S, KINDS, Ages, Retention
from actors.database.tables import metadata
from actors.memory import Memory
from config.loader import load_settings
from config.problems import ConfigErrors
from config.retention import RetentionDays, RetentionSettings
from deployments.security.trail import Trail
from deployments.user_data.erasing import Erasing
from deployments.user_data.sweeping import LEASE_S, RETENTION, SWEPT, Sweeping, too_old
from routing.clock import ManualClock
from tests.audit_world import AuditWorld
from tests.people_world import ANN, AT, everything

LONG = 4_000 * DAY_S
USUAL = RetentionSettings()


def sweeping(
    database: Database,
    memory: Memory,
    trail: Trail,
    clock: ManualClock,
    settings: RetentionSettings = USUAL,
    holder: str = "one",
) -> Sweeping:
    erasing = Erasing(PersonErasure(database), memory.erasure, trail, clock)
    retention = Retention(database, batch=3)
    return Sweeping(retention, settings, erasing, Duties(database, holder), trail, clock)


async def test_every_kind_of_row_goes_when_it_is_too_old_and_not_before(
    database: Database, memory: Memory, trail: Trail, clock: ManualClock
) -> None:
    """Each kind by the day it goes; what is derived goes with its source."""
    settings = RetentionSettings()
    rows = Retention(database)
    event = dict.fromkeys((c.name for c in audit_event.c), "x") | {
        "tenant": ANN.tenant, "at_ms": 0, "n": 1, "status": 200, "count": 1,
    }  # fmt: skip
    await database.write(lambda connection: connection.execute(insert(audit_event), event).close())
    for kind in KINDS:
        days = settings.days(kind.name)
        ages = _ages(days)
        aged = AT if kind.per_second == 1 else int(AT * 1000)
        await database.write(_setting(kind.table.name, kind.aged, aged))
        assert not await rows.too_old(kind, ages, AT + days * DAY_S)
        found = await rows.too_old(kind, ages, AT + days * DAY_S + 1)
        assert found, kind.name
    clock.advance(LONG)
    await sweeping(database, memory, trail, clock).once()
    left = await everything(database)
    for kind in KINDS:
        assert not left[kind.table.name], kind.name
    for derived in ("turn", "tool_turn", "thread_item", "runbook_step", "saving_target"):
        assert not left[derived]
    assert left["invoice"]


async def test_a_tenants_own_days_hold_for_it_alone(
    database: Database, memory: Memory, trail: Trail, clock: ManualClock
) -> None:
    settings = RetentionSettings(tenants={"acme": RetentionDays(conversations=30)})
    clock.advance(31 * DAY_S)
    await sweeping(database, memory, trail, clock, settings).once()
    left = (await everything(database))["conversation"]
    assert len(left) == 2
    assert all("'globex'" in row for row in left)


async def test_what_is_used_again_is_young_again(
    database: Database, memory: Memory, trail: Trail, clock: ManualClock
) -> None:
    clock.advance(LONG)
    conversations = Conversations(database)
    turns = [NewTurn("user", "hello", clock.now())]
    await conversations.append(ANN.tenant, f"conv_{ANN.id}", ANN.user, turns)
    await sweeping(database, memory, trail, clock).once()
    (left,) = (await everything(database))["conversation"]
    assert ANN.id in left


async def test_what_is_under_a_hold_stays(
    database: Database, memory: Memory, trail: Trail, clock: ManualClock
) -> None:
    await LegalHolds(database).place(ANN.tenant, LegalHold(ANN.user, "key:1", AT))
    clock.advance(LONG)
    await sweeping(database, memory, trail, clock).once()
    left = await everything(database)
    for table in ("conversation", "memory_fact", "thread", "tool_call", "tool_approval"):
        assert ANN.id in str(left[table]) or ANN.user in str(left[table])
        assert not [row for row in left[table] if "'globex'" in row]


async def test_a_sweep_is_on_record_for_the_tenant_before_and_after(
    audit: AuditWorld, database: Database, memory: Memory, clock: ManualClock
) -> None:
    clock.advance(731 * DAY_S)
    async with audit.trail() as trail:
        await sweeping(database, memory, trail, clock).once()
    swept = [record for record in audit.records() if record["action"] == SWEPT]
    of_acme = [record for record in swept if record["tenant"] == "acme"]
    assert [record["outcome"] for record in of_acme] == ["begun", "done"]
    assert "conversations:2" in str(of_acme[1]["reason"])


async def test_one_process_sweeps_and_of_one_that_died_another_takes_over(
    database: Database,
) -> None:
    one, two = Duties(database, "one"), Duties(database, "two")
    taken = await asyncio.gather(
        one.take(RETENTION, 0.0, LEASE_S), two.take(RETENTION, 0.0, LEASE_S)
    )
    assert sorted(taken) == [False, True]
    first, second = (one, two) if taken[0] else (two, one)
    assert not await second.take(RETENTION, LEASE_S - 1, LEASE_S)
    assert await first.renew(RETENTION, LEASE_S - 1, LEASE_S)
    assert not await second.take(RETENTION, LEASE_S, LEASE_S)
    # The first says nothing more.
    assert await second.take(RETENTION, 2 * LEASE_S, LEASE_S)
    assert not await first.renew(RETENTION, 2 * LEASE_S, LEASE_S)
    await second.done(RETENTION, 5_000.0)
    assert not await first.take(RETENTION, 4_999.0, LEASE_S)
    assert await first.take(RETENTION, 5_000.0, LEASE_S)


async def test_a_look_removes_nothing(database: Database) -> None:
    before = await everything(database)
    found = await too_old(Retention(database), RetentionSettings(), AT + LONG)
    assert found["acme"]["conversations"] == 2
    assert await everything(database) == before


def test_a_tenant_cannot_keep_longer_than_is_told_of_all(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(
        "retention:\n  conversations: 90\n  tenants:\n    acme:\n      conversations: 91\n"
    )
    with pytest.raises(ConfigErrors) as refused:
        load_settings((file,), {}, "development")
    said = str(refused.value)
    assert "conversations of acme is 91 days, and 90 are the most" in said


def _ages(days: int) -> Ages:
    return Ages(days, {})


def _setting(table: str, column: object, value: float) -> Callable[[Connection], None]:
    named = metadata.tables[table]
    name = str(getattr(column, "name", ""))
    # Of some it is the later of two moments.
    two = ["ended_at", "started_at"] if table == "runbook_run" else ["updated_at", "leased_until"]
    columns = [name] if name in named.columns else two
    statement = update(named).values(dict.fromkeys(columns, value))
    return lambda connection: connection.execute(statement).close()
