"""API keys: `smk_<key id>_<secret>`, shown once and kept as a hash."""

import secrets
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection, Row, bindparam, insert, or_, select, update

from actors.database.engine import Database
from actors.database.erasing import is_being_erased
from actors.database.key_hash import KeyHash
from actors.database.tables import api_key
from routing.errors import ConflictError

_PREFIX = "smk"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is kept; `hash` never leaves the service.

    It may do what its roles may, and of that only `scopes` if there are some; it may be used
    from `networks` (CIDR) if there are some. `family` is the first of the keys that replaced
    one another. `created_by` is the subject of the person who made it, themselves or by a key of
    theirs, or of the first key behind which nobody is known; None of a key that was made on the
    machine.
    """

    tenant: str
    key_id: str
    name: str
    roles: frozenset[str]
    created_at: float
    expires_at: float | None
    revoked_at: float | None
    hash: str = field(repr=False)
    scopes: frozenset[str] | None = None
    networks: tuple[str, ...] | None = None
    family: str | None = None
    created_by: str | None = None

    def is_live(self, now: float) -> bool:
        """Neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """A key just made, with the secret that nobody can be shown again."""

    key: ApiKey
    secret: str = field(repr=False)


class Accounts:
    """Makes, finds, replaces and revokes the keys of tenants."""

    def __init__(self, database: Database, hashing: KeyHash | None = None) -> None:
        self._database = database
        self._hashing = hashing or KeyHash()

    async def create_key(
        self,
        tenant: str,
        name: str,
        roles: frozenset[str],
        now: float,
        expires_at: float | None = None,
        scopes: frozenset[str] | None = None,
        networks: tuple[str, ...] | None = None,
        created_by: str | None = None,
    ) -> NewApiKey:
        """Make a key; the secret is in the result and nowhere else.

        Raises:
            ConflictError: `being_erased`: the person it is for is.
        """
        key = ApiKey(
            tenant, "", name, roles, now, expires_at, None, "", scopes, networks, None, created_by
        )
        made = self._fresh(key)
        await self._database.write(lambda connection: _insert(connection, made.key))
        return made

    async def replace_key(
        self,
        tenant: str,
        key_id: str,
        now: float,
        overlap_s: float,
        expires_at: float | None,
        created_by: str | None = None,
    ) -> NewApiKey | None:
        """A new key that may do the same; the old one ends after `overlap_s`. None: no such live key.

        It is whose who asks for it, not the old one's: that person is shown the secret.

        Raises:
            ConflictError: a key this one replaced, or that replaced it, is still live: two are
                enough to change a program over, and more are forgotten. Or `being_erased`.
        """

        def work(connection: Connection) -> NewApiKey | None:
            row = connection.execute(
                select(api_key)
                .where(api_key.c.tenant == tenant, api_key.c.key_id == key_id)
                .with_for_update()  # two who replace it at once come one after the other
            ).first()
            old = None if row is None else _key_of(row)
            if old is None or not old.is_live(now):
                return None
            family = old.family or old.key_id
            others = connection.execute(
                select(api_key.c.key_id)
                .where(api_key.c.tenant == tenant, api_key.c.key_id != key_id)
                .where(or_(api_key.c.family == family, api_key.c.key_id == family))
                .where(api_key.c.revoked_at.is_(None))
                .where(or_(api_key.c.expires_at.is_(None), api_key.c.expires_at > now))
            ).scalars()
            if (other := next(iter(others), None)) is not None:
                raise ConflictError(
                    "rotation_under_way", f"Revoke {other} first, or wait for its end."
                )
            heir = replace(
                old, created_at=now, expires_at=expires_at, family=family, created_by=created_by
            )
            made = self._fresh(heir)
            _insert(connection, made.key)
            ends_at = now + overlap_s
            if old.expires_at is None or ends_at < old.expires_at:
                connection.execute(
                    update(api_key)
                    .where(api_key.c.tenant == tenant, api_key.c.key_id == key_id)
                    .values(expires_at=ends_at, family=family)
                )
            return made

        return await self._database.write(work)

    async def find_key(self, key_id: str) -> ApiKey | None:
        """The key of that id, live or not, whoever's it is: the caller checks both and the secret.

        The one read without a tenant: who shows a key says by it whose he is.
        """
        asked = {"named": key_id}
        row = await self._database.read(
            lambda connection: connection.execute(_BY_ID, asked).first()
        )
        return None if row is None else _key_of(row)

    async def proven(self, secret: str) -> ApiKey | None:
        """The key that `secret` is, live or not: whoever sends it has it."""
        key_id = key_id_of(secret)
        key = None if key_id is None else await self.find_key(key_id)
        return None if key is None or not self._hashing.matches(key.hash, secret) else key

    async def verify(self, secret: str, now: float) -> ApiKey | None:
        """The live key that `secret` is, or None."""
        key = await self.proven(secret)
        return None if key is None or not key.is_live(now) else key

    async def list_keys(self, tenant: str) -> list[ApiKey]:
        """The tenant's keys, revoked ones too, newest first."""
        statement = (
            select(api_key)
            .where(api_key.c.tenant == tenant)
            .order_by(api_key.c.created_at.desc(), api_key.c.key_id)
        )
        rows = await self._database.read(lambda connection: connection.execute(statement).all())
        return [_key_of(row) for row in rows]

    async def revoke_key(self, tenant: str, key_id: str, now: float) -> bool:
        """End a key; False if the tenant has no such key or it was revoked before."""
        statement = (
            update(api_key)
            .where(api_key.c.tenant == tenant, api_key.c.key_id == key_id)
            .where(api_key.c.revoked_at.is_(None))
            .values(revoked_at=now)
        )
        return await self._database.write(
            lambda connection: connection.execute(statement).rowcount > 0
        )

    def _fresh(self, like: ApiKey) -> NewApiKey:
        """A key of the same powers with an id and a secret of its own."""
        key_id = secrets.token_hex(8)
        secret = f"{_PREFIX}_{key_id}_{secrets.token_urlsafe(32)}"
        return NewApiKey(replace(like, key_id=key_id, hash=self._hashing.of(secret)), secret)


def key_id_of(secret: str) -> str | None:
    """The id inside a key's text; None if the text is not shaped like a key."""
    prefix, _, rest = secret.partition("_")
    key_id, _, random = rest.partition("_")
    return key_id if prefix == _PREFIX and key_id and random else None


def _insert(connection: Connection, key: ApiKey) -> None:
    if is_being_erased(connection, key.tenant, key.created_by):
        raise ConflictError("being_erased", "The person whose key it would be is being erased.")
    connection.execute(
        insert(api_key).values(
            tenant=key.tenant,
            key_id=key.key_id,
            hash=key.hash,
            name=key.name,
            roles=sorted(key.roles),
            created_at=key.created_at,
            expires_at=key.expires_at,
            scopes=None if key.scopes is None else sorted(key.scopes),
            networks=None if key.networks is None else list(key.networks),
            family=key.family,
            created_by=key.created_by,
        )
    ).close()


_BY_ID = select(api_key).where(api_key.c.key_id == bindparam("named"))


def _key_of(row: Row[*tuple[object, ...]]) -> ApiKey:
    return ApiKey(
        tenant=row.tenant,
        key_id=row.key_id,
        name=row.name,
        roles=frozenset(row.roles),
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        hash=row.hash,
        scopes=None if row.scopes is None else frozenset(row.scopes),
        networks=None if row.networks is None else tuple(row.networks),
        family=row.family,
        created_by=row.created_by,
    )
