"""`supportmax keys`: make, list and revoke API keys, also while SupportMax runs."""

import os
import re
import sys
from collections.abc import Sequence

from actors.database.accounts import Accounts, ApiKey
from actors.database.engine import Database, open_database
from actors.subjects import API_KEY
from config.identity import identities_of
from config.loader import load_settings
from config.scim import directories_of
from config.settings import Settings
from deployments.auditing import on_record
from deployments.boot import Boot
from deployments.database import address_of
from deployments.security.client_address import networks_of
from deployments.security.naming import Names
from deployments.security.pepper import make_pepper, read_pepper
from deployments.security.rbac import roles_of
from routing.clock import Clock, rfc3339
from routing.errors import RequestError

# A provider's name and its id of somebody; keys and commands on this machine are called otherwise.
_PERSON = re.compile(r"(?!key:|os:|client:)[a-z0-9-]{1,32}:[^\x00-\x20\x7f]{1,255}")


async def create(
    boot: Boot,
    tenant: str,
    name: str,
    roles: Sequence[str],
    clock: Clock,
    scopes: frozenset[str] = frozenset(),
    networks: tuple[str, ...] = (),
    days: float | None = None,
    person: str | None = None,
) -> None:
    """Print a new key, alone on standard output: nobody can be shown it again.

    It is `person`'s, as a key is that they made themselves: it ends with them, and does not approve
    what they asked for. None is nobody's, for programs.

    Raises:
        RequestError: there is no such role, scope or network, or nobody can be called so.
    """
    _must_be_somebody(person)
    settings = load_settings(boot.config, os.environ, boot.profile).settings
    known = roles_of(settings.rbac).grants
    if unknown := [role for role in roles if role not in known]:
        there = ", ".join(known)
        raise RequestError("unknown_role", f"no role {', '.join(unknown)}; there are: {there}")
    granted = frozenset[str]().union(*(known[role] for role in roles))
    if beyond := sorted(scopes - granted):
        raise RequestError("unknown_scope", f"not granted by the roles: {', '.join(beyond)}")
    try:
        networks_of(networks)
    except ValueError as error:
        raise RequestError("invalid_network", f"{error}; write 10.0.0.0/8") from error
    now = clock.now()
    expires_at = None if days is None else now + days * 86_400
    database = open_database(address_of(boot))
    try:
        await database.migrate()
        intent = [f"gives:{role}" for role in sorted(set(roles))]
        intent += [f"scope:{scope}" for scope in sorted(scopes)]
        if expires_at is not None:
            intent.append(f"expires_in_s:{expires_at - now:.0f}")
        async with on_record(boot, tenant, "keys create", clock, intent=intent) as recorded:
            made = await _accounts(boot, database).create_key(
                tenant, name, frozenset(roles), now, expires_at, scopes or None, networks or None,
                _named(settings, tenant, person),
            )  # fmt: skip
            recorded.words.append(f"{API_KEY}{made.key.key_id}")
    finally:
        await database.aclose()
    sys.stdout.write(made.secret + "\n")


async def show(boot: Boot, tenant: str) -> None:
    """Print the tenant's keys, newest first, without their secrets."""
    database = open_database(address_of(boot))
    try:
        await database.migrate()
        for key in await Accounts(database).list_keys(tenant):
            ended = _ended(key)
            roles = ",".join(sorted(key.roles))
            made = rfc3339(key.created_at)
            sys.stdout.write(f"{key.key_id}  {made}  {roles:<12}  {key.name}{ended}\n")
    finally:
        await database.aclose()


async def rotate(
    boot: Boot, tenant: str, key_id: str, hours: float, clock: Clock, person: str | None = None
) -> None:
    """Print the key that replaces another, which opens so many hours more.

    It is `person`'s; if none is named, whose the old one is.

    Raises:
        RequestError: the tenant has no such live key.
        ConflictError: it was replaced a moment ago, and both keys still open.
    """
    _must_be_somebody(person)
    settings = load_settings(boot.config, os.environ, boot.profile).settings
    database = open_database(address_of(boot, settings))
    try:
        await database.migrate()
        now = clock.now()
        accounts = _accounts(boot, database)
        old = await accounts.find_key(key_id)
        ends_at = None if old is None else old.expires_at
        # Nobody's would be cut and ended by nothing.
        # As it stands: what its maker's last sign-on gave is found under that spelling.
        same = None if old is None else old.created_by
        owner = same if person is None else _named(settings, tenant, person)
        life_s = None if old is None or ends_at is None else ends_at - old.created_at
        overlap_s = hours * 3600
        intent = [f"overlap_s:{overlap_s:.0f}"]
        async with on_record(boot, tenant, "keys rotate", clock, key_id, intent) as recorded:
            made = await accounts.replace_key(
                tenant, key_id, now, overlap_s, None if life_s is None else now + life_s,
                owner,
            )  # fmt: skip
            if made is None:
                raise _unknown(tenant, key_id)
            recorded.words.extend([f"{API_KEY}{made.key.key_id}", f"replaces:{API_KEY}{key_id}"])
    finally:
        await database.aclose()
    sys.stdout.write(made.secret + "\n")


async def revoke(boot: Boot, tenant: str, key_id: str, clock: Clock) -> None:
    """End a key; every replica refuses it within five seconds.

    Raises:
        RequestError: the tenant has no such key, or it was revoked before.
    """
    database = open_database(address_of(boot))
    try:
        await database.migrate()
        async with on_record(boot, tenant, "keys revoke", clock, key_id) as recorded:
            if not await Accounts(database).revoke_key(tenant, key_id, clock.now()):
                raise _unknown(tenant, key_id)
            recorded.words.append(f"{API_KEY}{key_id}")
    finally:
        await database.aclose()


def _unknown(tenant: str, key_id: str) -> RequestError:
    return RequestError("unknown_key", f"{tenant} has no live key {key_id}")


def _must_be_somebody(person: str | None) -> None:
    """Return if a provider of identities could call somebody so, or nobody is named."""
    if person is not None and not _PERSON.fullmatch(person):
        message = "write a person as /auth/user/permissions shows them, like okta:00u1a2b3"
        raise RequestError("invalid_person", message)


def _named(settings: Settings, tenant: str, person: str | None) -> str | None:
    """Somebody as the service names them, if they are anybody."""
    if person is None:
        return None
    return Names(directories_of(settings, identities_of(settings))).of(tenant, person)


def _ended(key: ApiKey) -> str:
    """Whose a key is, what narrows it, and when it ends or ended."""
    parts = [
        "" if key.created_by is None else f"of {key.created_by}",
        "" if key.scopes is None else f"only {','.join(sorted(key.scopes))}",
        "" if key.networks is None else f"from {','.join(key.networks)}",
        "" if key.expires_at is None else f"until {rfc3339(key.expires_at)}",
        "" if key.revoked_at is None else f"revoked {rfc3339(key.revoked_at)}",
    ]
    return "".join(f"  {part}" for part in parts if part)


def _accounts(boot: Boot, database: Database) -> Accounts:
    """Also before the first start: the pepper made here is the one it will find."""
    make_pepper(boot.key_pepper)
    return Accounts(database, read_pepper(boot.key_pepper))
