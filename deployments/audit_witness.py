"""What the database saw of this machine's audit chains: a witness, also of those that are gone."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import get_args

import orjson

from actors.audit.anchor import Anchor, process_name
from actors.audit.folder import chains_in, file_name, plain
from actors.audit.record import LINE_MAX, take_apart
from actors.database.audit_events import AuditEvents
from actors.database.engine import open_database
from deployments.auditing import Role
from deployments.boot import Boot
from deployments.database import address_of


async def seen(boot: Boot) -> dict[str, Anchor]:
    """The heads up to which the database read each chain that is here, or that belongs here.

    A chain whose folder is not here belongs here if a process of this machine wrote it, or if the
    database is this home's own; if it was written to since this home began, so that an earlier
    home's is not missed in a new one; and if rows of it are left, which go with age.
    """
    address = address_of(boot)
    database = open_database(address)
    try:
        await database.migrate()
        events = AuditEvents(database)
        positions = {at.chain: at for at in await events.positions()}
        folders = {path.name for path in chains_in(boot.audit)}
        gone = [name for name in positions if name not in folders]
        if address != boot.database:
            gone = list(_of_this_machine(gone))
        newest = await events.newest() if gone else {}
    finally:
        await database.aclose()
    began = _began_ms(boot)
    missed = {name for name in gone if began is not None and began <= newest.get(name, -1)}
    return {
        name: Anchor(at.n, at.head, "the database's row of it")
        for name, at in positions.items()
        if name in folders or name in missed
    }


def _of_this_machine(chains: Iterable[str]) -> Iterator[str]:
    """Those that processes of this machine began, by its name; others may share the database."""
    ours = {plain(process_name(role)) for role in get_args(Role)}
    return (name for name in chains if name.rpartition("-")[0] in ours)


def _began_ms(boot: Boot) -> int | None:
    """When this home began, at the latest: when the first of its chains did, or its key was made."""
    told = [_opened_ms(folder) for folder in chains_in(boot.audit)]
    if boot.audit_keys.exists():
        told.append(int(boot.audit_keys.stat().st_mtime * 1000))
    return min((at_ms for at_ms in told if at_ms is not None), default=None)


def _opened_ms(folder: Path) -> int | None:
    """When a chain began; None where its first line does not say so, which `verify` names."""
    try:
        with (folder / file_name(1)).open("rb") as file:
            said = orjson.loads(take_apart(file.readline(LINE_MAX + 1)).body)
        return int(str(said["at_ms"]))
    except (OSError, ValueError, LookupError, TypeError):
        return None
