"""API keys: `smk_<key id>_<secret>`, shown once and kept as a hash."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field

from sqlalchemy import Row, bindparam, insert, select, update

from actors.database.engine import Database
from actors.database.tables import api_key

_PREFIX = "smk"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is kept; `hash` never leaves the service."""

    tenant: str
    key_id: str
    name: str
    roles: frozenset[str]
    created_at: float
    expires_at: float | None
    revoked_at: float | None
    hash: str = field(repr=False)

    def is_live(self, now: float) -> bool:
        """Neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def opens_with(self, secret: str) -> bool:
        """Whether `secret`, the whole `smk_…` text, is this key; takes the same time either way."""
        return hmac.compare_digest(self.hash, _hash(secret))


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """A key just made, with the secret that nobody can be shown again."""

    key: ApiKey
    secret: str = field(repr=False)


class Accounts:
    """Makes, finds and revokes the keys of tenants."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create_key(
        self,
        tenant: str,
        name: str,
        roles: frozenset[str],
        now: float,
        expires_at: float | None = None,
    ) -> NewApiKey:
        """Make a key; the secret is in the result and nowhere else."""
        key_id = secrets.token_hex(8)
        secret = f"{_PREFIX}_{key_id}_{secrets.token_urlsafe(32)}"
        key = ApiKey(tenant, key_id, name, roles, now, expires_at, None, _hash(secret))
        statement = insert(api_key).values(
            tenant=tenant,
            key_id=key_id,
            hash=key.hash,
            name=name,
            roles=sorted(roles),
            created_at=now,
            expires_at=expires_at,
        )
        await self._database.write(lambda connection: connection.execute(statement).close())
        return NewApiKey(key, secret)

    async def find_key(self, key_id: str) -> ApiKey | None:
        """The key of that id, live or not, whoever's it is: the caller checks both and the secret.

        The one read without a tenant: who shows a key says by it whose he is.
        """
        asked = {"named": key_id}
        row = await self._database.read(
            lambda connection: connection.execute(_BY_ID, asked).first()
        )
        return None if row is None else _key_of(row)

    async def verify(self, secret: str, now: float) -> ApiKey | None:
        """The live key that `secret` is, or None."""
        key_id = key_id_of(secret)
        key = None if key_id is None else await self.find_key(key_id)
        if key is None or not key.opens_with(secret) or not key.is_live(now):
            return None
        return key

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


def key_id_of(secret: str) -> str | None:
    """The id inside a key's text; None if the text is not shaped like a key."""
    prefix, _, rest = secret.partition("_")
    key_id, _, random = rest.partition("_")
    return key_id if prefix == _PREFIX and key_id and random else None


def _hash(secret: str) -> str:
    # Plain SHA-256: 256 random bits have no dictionary to try, so a slow or keyed hash
    # would only add a pepper to lose.
    return hashlib.sha256(secret.encode()).hexdigest()


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
    )
