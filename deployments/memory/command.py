"""`supportmax memory`: what is remembered of a customer, erased or shown, and runbooks published."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import orjson

from actors.memory import Memory
from actors.memory.runbooks import Runbooks, read_runbook
from config.document import read_document
from config.loader import load_settings
from config.problems import ConfigErrors
from deployments.auditing import on_record
from deployments.boot import Boot
from deployments.database import address_of
from deployments.key_management.opening import sealed_store
from deployments.memory.opening import open_memory
from routing.clock import Clock, rfc3339
from routing.errors import ConfigError, RequestError

ERASE = "memory.erase"
# What a terminal shows of each kind.
_SHOWN_MAX = 1_000


async def show(boot: Boot, tenant: str, user_id: str, clock: Clock) -> None:
    """Print what is remembered of the customer, one fact or conversation a line."""
    async with _memory(boot, clock) as memory:
        for fact in await memory.facts.history(tenant, user_id, _SHOWN_MAX):
            until = "" if fact.valid_to is None else f" until {rfc3339(fact.valid_to)}"
            since = rfc3339(fact.valid_from)
            said = f"{fact.attribute}: {fact.value}  ({fact.source} {fact.source_ref})"
            sys.stdout.write(f"fact          {since}{until}  {said}\n")
        for id_, turns, at in await memory.conversations.of_user(tenant, user_id, _SHOWN_MAX):
            sys.stdout.write(f"conversation  {rfc3339(at)}  {id_}  {turns} turns\n")
        for run in await memory.runbooks.runs_of(tenant, user_id, _SHOWN_MAX):
            of = f"{run.name} version {run.version}"
            sys.stdout.write(
                f"runbook       {rfc3339(run.started_at)}  {run.id}  {of}, {run.state}\n"
            )


async def erase(boot: Boot, tenant: str, user_id: str, clock: Clock) -> bool:
    """Erase it and print what was removed; False where the store of windows was away.

    Raises:
        AuditUnavailable: it cannot be put on record, and nothing was removed.
    """
    async with on_record(boot, tenant, ERASE, clock, user_id), _memory(boot, clock) as memory:
        erased = await memory.erasure.erase(tenant, user_id)
    counts = {"erased": dict(erased.rows), "windows": erased.windows}
    body = {"user_id": user_id, **counts, "complete": erased.is_complete}
    sys.stdout.write(orjson.dumps(body, option=orjson.OPT_INDENT_2).decode() + "\n")
    return erased.is_complete


async def publish(boot: Boot, tenant: str, path: Path, clock: Clock) -> None:
    """Publish the runbook in the file, and print its version."""
    async with _memory(boot, clock) as memory:
        name, version = await publish_file(memory.runbooks, tenant, path)
    sys.stdout.write(f"{name} version {version}\n")


async def publish_file(runbooks: Runbooks, tenant: str, path: Path) -> tuple[str, int]:
    """Publish the runbook in the file; its name and version.

    Raises:
        ConfigError: the file is no YAML, or no runbook.
    """
    document = read_document(path)
    if document.errors:
        raise ConfigErrors(document.errors)
    try:
        name, title, steps = read_runbook(document.data)
    except RequestError as error:
        raise ConfigError(str(path), None, "", error.detail) from error
    return name, await runbooks.publish(tenant, name, title, steps)


@asynccontextmanager
async def _memory(boot: Boot, clock: Clock) -> AsyncIterator[Memory]:
    settings = load_settings(boot.config, os.environ, boot.profile).settings
    address = address_of(boot, settings)
    async with sealed_store(address, boot, settings.encryption, clock) as database:
        memory = await open_memory(settings, database, clock)
        try:
            yield memory
        finally:
            await memory.aclose()
