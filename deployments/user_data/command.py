"""`supportmax user` and `supportmax data retention`: people's data, by whoever may use this machine."""

import os
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson

from actors.database.engine import Database
from actors.database.person_erasure import PersonErasure
from actors.database.person_records import PersonRecords
from actors.database.retention import Retention
from actors.memory import Memory
from config.loader import load_settings
from config.retention import RetentionDays
from deployments.auditing import on_record
from deployments.boot import Boot
from deployments.database import address_of
from deployments.key_management.opening import sealed_store
from deployments.memory.opening import open_memory
from deployments.user_data.erasing import Erasing
from deployments.user_data.exporting import Exporting
from deployments.user_data.sweeping import too_old
from routing.clock import Clock, rfc3339
from routing.errors import RequestError

EXPORT, ERASE = "user.export", "user.erase"


async def export(boot: Boot, tenant: str, user_id: str, clock: Clock) -> None:
    """Print everything that is stored about the person, as lines of JSON.

    Raises:
        AuditUnavailable: it cannot be put on record, and nothing was read.
        RequestError: `not_found`.
    """
    async with (
        on_record(boot, tenant, EXPORT, clock, user_id) as (trail, _, _),
        _opened(boot, clock) as (database, memory),
    ):
        person = Erasing(PersonErasure(database), memory.erasure, trail, clock).person(
            tenant, user_id
        )
        exporting = Exporting(PersonRecords(database), clock)
        if not await exporting.knows(person):
            raise _nobody(tenant)
        async for lines in exporting.lines(person):
            sys.stdout.buffer.write(lines)
        sys.stdout.buffer.flush()


async def erase(boot: Boot, tenant: str, user_id: str, clock: Clock) -> bool:
    """Erase the person and print the counts; False where Redis was away and is to be asked again.

    Raises:
        AuditUnavailable: it cannot be put on record; where that was before, nothing was done.
        ConflictError: `legal_hold`.
        RequestError: `not_found`.
    """
    async with (
        on_record(boot, tenant, ERASE, clock, user_id) as (trail, who, _),
        _opened(boot, clock) as (database, memory),
    ):
        erasing = Erasing(PersonErasure(database), memory.erasure, trail, clock)
        report = await erasing.erase(who, user_id)
        if report is None:
            raise _nobody(tenant)
    settled = None if report.settled_at is None else rfc3339(report.settled_at)
    body = {
        "user_id": user_id,
        "state": report.row.state,
        "complete": report.is_complete,
        **report.body,
        "settled_at": settled,
        "sha256": report.digest,
    }
    sys.stdout.write(orjson.dumps(body, option=orjson.OPT_INDENT_2).decode() + "\n")
    return report.is_complete


async def retention(boot: Boot, tenant: str | None, clock: Clock) -> None:
    """Print what would go now, by tenant and kind; nothing is removed."""
    settings = load_settings(boot.config, os.environ, boot.profile).settings
    async with sealed_store(
        address_of(boot, settings), boot, settings.encryption, clock
    ) as database:
        found = await too_old(Retention(database), settings.retention, clock.now())
    shown = [tenant] if tenant is not None else sorted({*found, *settings.retention.tenants})
    for name in shown or [""]:
        counts = found.get(name, Counter[str]())
        for kind in RetentionDays.model_fields:
            days = settings.retention.days(kind, name)
            sys.stdout.write(
                f"{name or '-':<20} {kind:<14} {days:>5} days  {counts[kind]:>9} rows\n"
            )


@asynccontextmanager
async def _opened(boot: Boot, clock: Clock) -> AsyncIterator[tuple[Database, Memory]]:
    settings = load_settings(boot.config, os.environ, boot.profile).settings
    address = address_of(boot, settings)
    async with sealed_store(address, boot, settings.encryption, clock) as database:
        memory = await open_memory(settings, database, clock)
        try:
            yield database, memory
        finally:
            await memory.aclose()


def _nobody(tenant: str) -> RequestError:
    return RequestError("not_found", f"nothing is stored about such a person of {tenant}")
