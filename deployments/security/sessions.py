"""A browser's session: an opaque secret in a cookie, and what it opens in the database.

The database holds a hash of the secret. What it keeps of the provider's ID token, which RP-initiated
logout shows back, is sealed under the secret itself: who steals the database can read neither.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from actors.database.sessions import SessionRow, SessionStore
from deployments.security.attempts import again
from deployments.security.naming import AS_SAID, Names
from deployments.security.principal import Principal
from deployments.security.standing import Standing
from deployments.security.trail import Trail
from routing.clock import Clock
from routing.errors import AccessError

# A session nobody uses for as long as a lunch is over.
IDLE_S = 3600.0
# A working day; then the provider is asked again whether this person is still there.
ABSOLUTE_S = 12 * 3600.0
# A session that was ended, by whomever, opens nothing in any replica after this.
CACHE_S = 5.0
CACHE_MAX = 10_000
# How exactly the idle time is known: one write a minute and session.
_SEEN_S = 60.0
_BYTES = 32
_LENGTH = 43
_NONCE_BYTES = 12

PrincipalOf = Callable[[SessionRow], Principal | None]
"""Who a session's holder is by today's policy; None where its provider was taken away."""


@dataclass(frozen=True, slots=True)
class Session:
    """A session that is open. `csrf` is what pages show to prove they are ours."""

    principal: Principal
    row: SessionRow
    csrf: str = field(repr=False)


class Sessions:
    """Opens, recognises and ends sessions."""

    def __init__(
        self,
        store: SessionStore,
        principal_of: PrincipalOf,
        clock: Clock,
        trail: Trail,
        standing: Standing | None = None,
        names: Names = AS_SAID,
    ) -> None:
        """`standing` is who may have a session at all; without it, all whom a provider vouches for."""
        self._standing = standing
        self._names = names
        self._store = store
        self._principal_of = principal_of
        self._clock = clock
        self._trail = trail
        self._open: dict[str, tuple[float, Session]] = {}

    async def open(
        self,
        tenant: str,
        subject: str,
        provider: str,
        roles: frozenset[str],
        provider_session: str | None,
        id_token: str,
        ends_at: float | None = None,
        signed_on_at: float | None = None,
        *,
        vouched_at: float | None,
    ) -> str:
        """A new session's secret, which nobody has seen before: none is ever taken over.

        It is over at `ends_at` (seconds since the epoch) if the provider says one, and in any case
        after ABSOLUTE_S. `signed_on_at` is when the person proved who they are, if the provider
        says so: it may have let them through to this session without asking. `vouched_at` is when it gave
        its word for them, or before, as its logouts are dated; None of one that signs nobody off.

        Raises:
            AccessError: the directory does not let them in, or the provider signed them off since.
            AuditUnavailable: who signs on cannot be put on record, so there is none.
            DatabaseUnavailable: whom the directory lets in cannot be read.
        """
        secret = secrets.token_urlsafe(_BYTES)
        now = self._clock.now()
        id_hash = _hash(secret)
        row = SessionRow(
            tenant=tenant,
            id_hash=id_hash,
            subject=self._names.of(tenant, subject),
            provider=provider,
            provider_session=provider_session,
            roles=roles,
            created_at=now,
            seen_at=now,
            expires_at=now + ABSOLUTE_S if ends_at is None else min(now + ABSOLUTE_S, ends_at),
            sealed_id_token=_seal(secret, id_hash, id_token),
            # Never later than now, which a clock that is ahead would say.
            signed_on_at=None if signed_on_at is None else min(signed_on_at, now),
        )
        await self._must_stand(row)
        # Asked twice: here for the record, which is to say who came in, and where the row is written,
        # where nothing comes in between.
        if vouched_at is not None and await self._store.is_signed_off(row, vouched_at):
            raise self._signed_off(row)
        await self._trail.signed_on(Principal(tenant, row.subject, roles), provider)
        if not await self._store.add(row, vouched_at):
            raise self._signed_off(row)
        return secret

    async def authenticate(self, secret: str) -> Session:
        """The session of `secret`.

        Raises:
            AccessError: there is none, or it is over.
        """
        if len(secret) != _LENGTH or not secret.isascii():
            raise _over()
        id_hash = _hash(secret)
        kept = self._open.get(id_hash)
        now = self._clock.now()
        if kept is not None and self._clock.monotonic() < kept[0] and now < kept[1].row.expires_at:
            # What a row says is kept; what its holder may do is asked at each use, for roles change.
            return replace(kept[1], principal=self._holder(kept[1].row))
        until = self._clock.monotonic() + CACHE_S
        self._open.pop(id_hash, None)
        row = await self._store.find(id_hash)
        if row is None or row.ended_at is not None or now >= row.expires_at:
            raise _over()
        if now >= row.seen_at + IDLE_S:
            raise _over()
        principal = self._holder(row)
        if now >= row.seen_at + _SEEN_S:
            await self._store.seen(row, now)
        if len(self._open) >= CACHE_MAX:
            self._open.clear()
        session = Session(principal, row, _csrf(secret))
        self._open[id_hash] = (until, session)
        return session

    async def end(self, secret: str) -> str | None:
        """End a session; its ID token, if it was open."""
        id_hash = _hash(secret)
        self._open.pop(id_hash, None)
        row = await self._store.find(id_hash)
        if row is None or not await self._store.end(row.tenant, id_hash, self._clock.now()):
            return None
        self._trail.signed_off(Principal(row.tenant, row.subject, row.roles), row.provider)
        return None if row.sealed_id_token is None else _unseal(secret, row)

    async def _must_stand(self, row: SessionRow) -> None:
        if self._standing is None:
            return
        await self._standing.refresh()
        try:
            who = Principal(row.tenant, row.subject, row.roles, as_of=row.created_at)
            self._standing.must_stand(who)
        except AccessError:
            self._trail.sign_on_refused(row.tenant, row.provider, "not_active")
            raise

    def _signed_off(self, row: SessionRow) -> AccessError:
        self._trail.sign_on_refused(row.tenant, row.provider, "signed off since")
        return again(f"{row.provider} has signed you off since")

    def _holder(self, row: SessionRow) -> Principal:
        principal = self._principal_of(row)
        if principal is None or principal.tenant != row.tenant:
            raise _over()
        return replace(principal, as_of=row.created_at)

    def named(self, tenant: str, subject: str) -> str:
        """Whose sessions those are that a provider means by `subject`."""
        return self._names.of(tenant, subject)

    def forget(self) -> None:
        """Look every session up again: some were ended otherwise."""
        self._open.clear()


def _over() -> AccessError:
    return AccessError("unauthenticated", "The session is over; sign on again.")


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _derived(secret: str, purpose: bytes) -> bytes:
    return hmac.new(secret.encode(), purpose, hashlib.sha256).digest()


def _csrf(secret: str) -> str:
    return base64.urlsafe_b64encode(_derived(secret, b"csrf")).rstrip(b"=").decode()


def _seal(secret: str, id_hash: str, text: str) -> str:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    sealed = AESGCM(_derived(secret, b"id token")).encrypt(nonce, text.encode(), id_hash.encode())
    return base64.b85encode(nonce + sealed).decode()


def _unseal(secret: str, row: SessionRow) -> str | None:
    sealed = base64.b85decode(row.sealed_id_token or "")
    key = AESGCM(_derived(secret, b"id token"))
    try:
        text = key.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], row.id_hash.encode())
    except (InvalidTag, ValueError):
        return None  # Somebody wrote into the row; it was ended all the same.
    return text.decode()
