"""`supportmax audit`: verify the chains, search them, export them, name people; also while SupportMax runs."""

import os
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from rich.console import Console

from actors.audit import read_public_keys
from actors.audit.anchor import anchored_chains
from actors.audit.indexing import index_all
from actors.audit.ocsf import ocsf_line
from actors.audit.verify import Report, verify
from actors.database.audit_events import SEARCH_MAX, AuditCursor, AuditEvent, AuditEvents
from actors.database.engine import open_database
from actors.database.names_kept import names_kept
from config.audit import AuditSettings
from config.loader import load_settings
from deployments.audit_witness import seen
from deployments.auditing import heads_of, keys_of, on_record
from deployments.boot import Boot
from deployments.database import address_of
from deployments.ingress.audit import query_of
from routing.clock import Clock, rfc3339
from routing.errors import RequestError


async def check(
    boot: Boot, folder: Path | None, heads: Path | None, public_key: Path | None
) -> bool:
    """Print what is wrong with the chains, or that nothing is; whether nothing is.

    `folder` is one that was copied from elsewhere: then only what is named here is held against
    it. Without it they are this machine's, and what the database saw of them is a witness too.

    Raises:
        ConfigError: the keys cannot be read.
        RequestError: there are no chains, or none of the heads that were named.
    """
    settings = _settings(boot)
    # Held against nothing, a chain that was cut behind a seal is as whole as any.
    if heads is not None and not anchored_chains(heads):
        raise RequestError("no_heads", f"--heads {heads}: no head of any chain is in such a folder")
    keys = keys_of(boot, settings).public if public_key is None else read_public_keys(public_key)
    if folder is None:
        told = await seen(boot)
        reports = verify(boot.audit, heads or heads_of(boot, settings), keys, told)
    else:
        reports = verify(folder, heads, keys)
    if not reports:
        raise RequestError("no_chains", f"there are no chains in {folder or boot.audit}")
    console = Console(highlight=False)
    for report in reports:
        _print(console, report)
    return not any(report.findings for report in reports)


async def search(
    boot: Boot, tenant: str | None, asked: Mapping[str, str], limit: int, clock: Clock
) -> None:
    """Print records, the newest first; without a tenant those of all, and of callers nobody knew.

    Raises:
        RequestError: what is sought cannot be meant.
    """
    count = 0
    async for event in _found(boot, tenant, asked, clock):
        said = f"{event.outcome:<7} {event.action}"
        more = " ".join(
            f"{name}={value}"
            for name, value in (
                ("tenant", event.tenant), ("by", event.subject), ("on", event.object),
                ("needs", event.permission), ("why", event.reason), ("request", event.request),
                ("status", event.status or ""), ("count", event.count if event.count != 1 else ""),
            )
            if value != ""
        )  # fmt: skip
        sys.stdout.write(f"{rfc3339(event.at_ms / 1000)} {said} {more} ({event.chain}/{event.n})\n")
        count += 1
        if count >= limit:
            return


async def export(boot: Boot, tenant: str | None, asked: Mapping[str, str], clock: Clock) -> None:
    """Print every record that is sought as a line of OCSF 1.6, the newest first.

    Raises:
        RequestError: what is sought cannot be meant.
    """
    async for event in _found(boot, tenant, asked, clock):
        sys.stdout.buffer.write(ocsf_line(event))
    sys.stdout.buffer.flush()


async def who(boot: Boot, tenant: str, pseudonym: str, clock: Clock) -> bool:
    """Print who of the tenant is behind a pseudonym of the log; whether somebody known here is.

    That it was asked is on record itself.

    Raises:
        AuditUnavailable: that could not be put on record, and nothing is told.
    """
    database = open_database(address_of(boot))
    try:
        await database.migrate()
        async with on_record(boot, tenant, "audit who", clock, pseudonym):
            keys = keys_of(boot, _settings(boot))
            async for name in names_kept(database, tenant):
                if pseudonym in keys.pseudonyms(name):
                    sys.stdout.write(f"{name}\n")
                    return True
    finally:
        await database.aclose()
    sys.stdout.write(
        "nobody who is known here; whoever you think of is sought by: audit search --subject ID\n"
    )
    return False


async def _found(
    boot: Boot, tenant: str | None, asked: Mapping[str, str], clock: Clock
) -> AsyncIterator[AuditEvent]:
    """What is sought, after the rows were brought up to date with the chains of this machine."""
    keys = keys_of(boot, _settings(boot))
    query = query_of(asked, lambda name: (name, *keys.pseudonyms(name)), clock.now())
    database = open_database(address_of(boot))
    try:
        await database.migrate()
        events = AuditEvents(database)
        await index_all(boot.audit, events)
        after: AuditCursor | None = None
        while rows := await events.search(tenant, query, after, SEARCH_MAX):
            for row in rows:
                yield row
            after = AuditCursor(rows[-1].at_ms, rows[-1].chain, rows[-1].n)
    finally:
        await database.aclose()


def _settings(boot: Boot) -> AuditSettings:
    return load_settings(boot.config, os.environ, boot.profile).settings.audit


def _print(console: Console, report: Report) -> None:
    if not report.findings:
        held = (
            f"anchored at {report.anchored}"
            if report.anchored
            else "held against no head, so that its end may be missing"
        )
        console.print(
            f"{report.chain}: {report.records} records in {report.files} files hold together; "
            f"entry {report.entries}, {held}, head {report.head}",
            soft_wrap=True,
            markup=False,
        )
    for finding in report.findings:
        fault = finding.fault.replace("_", " ")
        said = f"{report.chain}: {fault}: {finding.where}: {finding.said}"
        console.print(said, soft_wrap=True, markup=False, style="red")
