"""`supportmax keys`: make, list and revoke API keys, also while SupportMax runs."""

import os
import sys
from collections.abc import Sequence

from actors.database.accounts import Accounts
from actors.database.engine import open_database
from config.loader import load_settings
from deployments.boot import Boot
from deployments.security.rbac import roles_of
from routing.clock import Clock, rfc3339
from routing.errors import RequestError


async def create(boot: Boot, tenant: str, name: str, roles: Sequence[str], clock: Clock) -> None:
    """Print a new key, alone on standard output: nobody can be shown it again.

    Raises:
        RequestError: there is no such role.
    """
    settings = load_settings(boot.config, os.environ, boot.profile).settings
    known = roles_of(settings.rbac).grants
    if unknown := [role for role in roles if role not in known]:
        there = ", ".join(known)
        raise RequestError("unknown_role", f"no role {', '.join(unknown)}; there are: {there}")
    database = open_database(boot.database)
    try:
        await database.migrate()
        made = await Accounts(database).create_key(tenant, name, frozenset(roles), clock.now())
    finally:
        await database.aclose()
    sys.stdout.write(made.secret + "\n")


async def show(boot: Boot, tenant: str) -> None:
    """Print the tenant's keys, newest first, without their secrets."""
    database = open_database(boot.database)
    try:
        await database.migrate()
        for key in await Accounts(database).list_keys(tenant):
            ended = "" if key.revoked_at is None else f"  revoked {rfc3339(key.revoked_at)}"
            roles = ",".join(sorted(key.roles))
            made = rfc3339(key.created_at)
            sys.stdout.write(f"{key.key_id}  {made}  {roles:<12}  {key.name}{ended}\n")
    finally:
        await database.aclose()


async def revoke(boot: Boot, tenant: str, key_id: str, clock: Clock) -> None:
    """End a key; every replica refuses it within five seconds.

    Raises:
        RequestError: the tenant has no such key, or it was revoked before.
    """
    database = open_database(boot.database)
    try:
        await database.migrate()
        if not await Accounts(database).revoke_key(tenant, key_id, clock.now()):
            raise RequestError("unknown_key", f"{tenant} has no live key {key_id}")
    finally:
        await database.aclose()
