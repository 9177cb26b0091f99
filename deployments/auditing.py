"""The audit log of one process: opened, anchored and indexed while it runs, closed at its end."""

import contextlib
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from actors.audit import AuditKeys, AuditLog, make_keys, open_chain, read_keys
from actors.audit.anchor import Anchoring, process_name
from actors.audit.indexing import Indexing
from actors.database.audit_events import AuditEvents
from actors.database.engine import Database
from actors.subjects import MACHINE
from config.audit import AuditSettings
from config.loader import load_settings
from deployments.boot import Boot
from deployments.security.principal import Principal
from deployments.security.trail import Deed, Trail
from routing.clock import Clock
from routing.errors import SupportMaxError

Role = Literal["ingress", "mcp", "cli"]
"""The kinds of processes that have a log, as their chains are called."""


class AuditDesk:
    """Everything a process needs to put deeds on record; `trail` is what the rest of it is given."""

    def __init__(
        self, boot: Boot, settings: AuditSettings, role: Role, database: Database, clock: Clock
    ) -> None:
        """Read the keys and begin, on the running event loop. A folder that cannot be written refuses changes, not the start.

        Raises:
            ConfigError: the keys cannot be read.
        """
        keys = keys_of(boot, settings)
        heads = heads_of(boot, settings)
        _make(boot, settings)
        name = process_name(role)
        self._log = AuditLog(lambda: open_chain(boot.audit, name, keys, clock), clock)
        self.events = AuditEvents(database)
        self.trail = Trail(self._log, keys, clock)
        self._anchoring = Anchoring(self._log, heads, keys, clock)
        self._indexing = Indexing(self._log, boot.audit, self.events, clock)
        self._anchoring.start()
        self._indexing.start()

    @property
    def degraded(self) -> tuple[str, ...]:
        """What does not work as it should, in a word each."""
        return ("audit_heads",) if self._anchoring.is_failing else ()

    async def aclose(self) -> None:
        """Write what waits, and everything that follows from it; before the database is closed."""
        await self._log.aclose()
        await self._anchoring.aclose()
        await self._indexing.aclose()


class Recorded(NamedTuple):
    """For what has more to say on record: its trail and who does it, and `words` of what came of it."""

    trail: Trail
    who: Principal
    words: list[str]


@contextlib.asynccontextmanager
async def on_record(
    boot: Boot,
    tenant: str,
    action: str,
    clock: Clock,
    about: str = "",
    intent: Sequence[str] = (),
) -> AsyncIterator[Recorded]:
    """What is done inside to `about`, by whoever may use this machine, is on record before and after.

    Before, with the words of `intent`; after, with those and the result's. Where the inside
    raises it is recorded as failed, so what was not done must raise in here.

    Raises:
        AuditUnavailable: it cannot be, and the inside was not begun.
        ConfigError: the configuration or the keys cannot be read.
    """
    settings = load_settings(boot.config, os.environ, boot.profile).settings.audit
    keys, heads = keys_of(boot, settings), heads_of(boot, settings)
    _make(boot, settings)
    role: Role = "cli"
    name = process_name(role)
    log = AuditLog(lambda: open_chain(boot.audit, name, keys, clock), clock)
    trail, who = Trail(log, keys, clock), Principal(tenant, f"{MACHINE}{os.getuid()}")
    try:
        await trail.commit(who, Deed(action, "begun", about, words=tuple(intent)))
        recorded = Recorded(trail, who, list(intent))
        try:
            yield recorded
        except BaseException as error:
            code = error.code if isinstance(error, SupportMaxError) else ""
            trail.note(who, Deed(action, "failed", about, reason=code))
            raise
        trail.note(who, Deed(action, "done", about, words=tuple(recorded.words)))
    finally:
        await log.aclose()
        await Anchoring(log, heads, keys, clock).aclose()


def keys_of(boot: Boot, settings: AuditSettings) -> AuditKeys:
    """The configured keys, or the ones of the data directory, which are made if missing.

    Raises:
        ConfigError: they cannot be read.
    """
    if settings.signing_keys_file is not None:
        return read_keys(Path(settings.signing_keys_file))
    make_keys(boot.audit_keys)
    return read_keys(boot.audit_keys)


def heads_of(boot: Boot, settings: AuditSettings) -> Path:
    """Where heads are written down."""
    configured = settings.heads_folder
    return boot.audit_heads if configured is None else Path(configured)


def _make(boot: Boot, settings: AuditSettings) -> None:
    """Where it fails, the first commit says why.

    A folder for heads that is the configuration's is not made: where it is a volume that is not
    mounted, they would go to the very disk they are to be kept away from.
    """
    own = [boot.audit, *([boot.audit_heads] if settings.heads_folder is None else [])]
    for folder in own:
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
