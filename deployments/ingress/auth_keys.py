"""/admin/keys: make, list, replace and revoke the tenant's API keys."""

from collections.abc import Mapping
from typing import Literal

from starlette.responses import Response

from actors.database.accounts import Accounts, ApiKey, NewApiKey
from actors.subjects import API_KEY
from deployments.ingress import auth_keys_schema as schema
from deployments.ingress.routes import Call, Operation, reply
from deployments.security.client_address import narrower, networks_of
from deployments.security.money_limits import MoneyLimits
from deployments.security.principal import Principal
from routing.clock import Clock, rfc3339
from routing.errors import AccessError, RequestError, Violation

_UNKNOWN = "There is no live key of this id."


class KeyRoutes:
    """The routes of keys. Nobody can give a key more than they may do themselves.

    Nor can a key give one more than it has: no other networks, no longer life.
    """

    def __init__(
        self,
        accounts: Accounts,
        grants: Mapping[str, frozenset[str]],
        limits: MoneyLimits,
        clock: Clock,
    ) -> None:
        self._accounts = accounts
        self._grants = grants
        self._limits = limits
        self._clock = clock

    def operations(self) -> list[Operation]:
        """The rows of the table."""
        one = "/admin/keys/{id}"
        return [
            Operation(
                "GET", "/admin/keys", "The tenant's API keys, without their secrets",
                "keys:manage", "admin", "access", self.every, schema.KeyList,
            ),
            Operation(
                "POST", "/admin/keys", "Make an API key; its secret is shown once",
                "keys:manage", "admin", "action", self.create, schema.NewKey, schema.KeyBody,
                conflict="The person whose key it would be is being erased",
                intent=self.intent,
            ),
            Operation(
                "POST", f"{one}/rotate", "Replace an API key; the old one opens a while longer",
                "keys:manage", "admin", "action", self.rotate, schema.NewKey, schema.RotateBody,
                conflict="The last replacement of this key still has both keys open, or its person is being erased",
                intent=lambda call: [f"overlap_s:{call.body.overlap_s}"],
            ),
            Operation(
                "DELETE", one, "Revoke an API key; every replica refuses it within five seconds",
                "keys:manage", "admin", "action", self.revoke, schema.KeyRow,
            ),
        ]  # fmt: skip

    def intent(self, call: Call) -> list[str]:
        """Of a new key: what it is to be given. What the policy does not know is refused, and no word of it."""
        body: schema.KeyBody = call.body
        roles = sorted(self._grants.keys() & set(body.roles))
        granted = frozenset[str]().union(*(self._grants[role] for role in roles))
        words = [f"gives:{role}" for role in roles]
        words += [f"scope:{scope}" for scope in sorted(granted & set(body.scopes or ()))]
        return words if body.expires_in_s is None else [*words, f"expires_in_s:{body.expires_in_s}"]

    async def every(self, call: Call) -> Response:
        """GET /admin/keys."""
        keys = await self._accounts.list_keys(call.principal.tenant)
        return reply({"keys": [self._row(key) for key in keys]})

    async def create(self, call: Call) -> Response:
        """POST /admin/keys."""
        body: schema.KeyBody = call.body
        unknown = [role for role in body.roles if role not in self._grants]
        if unknown:
            there = f"no such role; there are: {', '.join(self._grants)}"
            raise RequestError("unknown_role", there, (Violation("/roles", there),))
        roles = frozenset(body.roles)
        scopes = None if body.scopes is None else frozenset(body.scopes)
        self._must_have(call.principal, roles, scopes)
        maker = await self._maker(call.principal)
        networks = None if body.networks is None else tuple(body.networks)
        if networks is None and maker is not None:
            networks = maker.networks
        _must_be_within(networks, maker)
        now = self._clock.now()
        made = await self._accounts.create_key(
            call.principal.tenant,
            body.name,
            roles,
            now,
            _end(None if body.expires_in_s is None else now + body.expires_in_s, maker),
            scopes,
            networks,
            call.principal.person,
        )
        call.words.append(f"{API_KEY}{made.key.key_id}")
        return self._shown(made)

    async def rotate(self, call: Call) -> Response:
        """POST /admin/keys/{id}/rotate."""
        body: schema.RotateBody = call.body
        old = await self._own(call)
        self._must_have(call.principal, old.roles, old.scopes)
        maker = await self._maker(call.principal)
        _must_be_within(old.networks, maker)
        now = self._clock.now()
        life_s = body.expires_in_s
        if life_s is None and old.expires_at is not None:
            life_s = round(old.expires_at - old.created_at)
        expires_at = _end(None if life_s is None else now + life_s, maker)
        made = await self._accounts.replace_key(
            old.tenant, old.key_id, now, body.overlap_s, expires_at, call.principal.person
        )
        if made is None:
            raise AccessError("not_found", _UNKNOWN)
        call.words.extend([f"{API_KEY}{made.key.key_id}", f"replaces:{API_KEY}{old.key_id}"])
        return self._shown(made)

    async def revoke(self, call: Call) -> Response:
        """DELETE /admin/keys/{id}."""
        key = await self._own(call)
        if not await self._accounts.revoke_key(key.tenant, key.key_id, self._clock.now()):
            raise AccessError("not_found", _UNKNOWN)
        call.words.append(f"{API_KEY}{key.key_id}")
        return reply(self._row(await self._own(call)))

    async def _own(self, call: Call) -> ApiKey:
        key = await self._accounts.find_key(call.request.path_params["id"])
        if key is None or key.tenant != call.principal.tenant:
            raise AccessError("not_found", _UNKNOWN)
        return key

    async def _maker(self, principal: Principal) -> ApiKey | None:
        """The key that asks; None if a person or a token does."""
        if not principal.subject.startswith(API_KEY):
            return None
        key = await self._accounts.find_key(principal.subject.removeprefix(API_KEY))
        if key is None:
            raise AccessError("forbidden", "The key that asks is not there any more.")
        return key

    def _must_have(
        self, principal: Principal, roles: frozenset[str], scopes: frozenset[str] | None
    ) -> None:
        """Return if a key of these powers could do nothing that its maker cannot."""
        granted = frozenset[str]().union(*(self._grants.get(role, ()) for role in roles))
        if scopes is not None:
            if unknown := sorted(scopes - granted):
                message = f"not granted by the roles: {', '.join(unknown)}"
                raise RequestError("unknown_scope", message, (Violation("/scopes", message),))
            granted &= scopes
        if beyond := sorted(granted - principal.permissions):
            raise AccessError(
                "forbidden", f"A key cannot be given what you may not do: {', '.join(beyond)}."
            )
        for name in self._limits.cents:
            if self._limits.of(name, roles) > self._limits.of(name, principal.roles):
                raise AccessError("forbidden", f"A key cannot move more than you may: {name}.")

    def _shown(self, made: NewApiKey) -> Response:
        answer = reply({**self._row(made.key), "secret": made.secret})
        answer.headers["Cache-Control"] = "no-store"
        return answer

    def _row(self, key: ApiKey) -> dict[str, object]:
        return {
            "id": key.key_id,
            "name": key.name,
            "owner": key.created_by,
            "roles": sorted(key.roles),
            "scopes": None if key.scopes is None else sorted(key.scopes),
            "networks": None if key.networks is None else list(key.networks),
            "state": _state(key, self._clock.now()),
            "family": key.family,
            "created_at": rfc3339(key.created_at),
            "expires_at": None if key.expires_at is None else rfc3339(key.expires_at),
            "revoked_at": None if key.revoked_at is None else rfc3339(key.revoked_at),
        }


def _must_be_within(networks: tuple[str, ...] | None, maker: ApiKey | None) -> None:
    """Return if a key of these networks opens from nowhere that its maker does not."""
    if maker is None or maker.networks is None:
        return
    if networks is None or not narrower(networks_of(networks), networks_of(maker.networks)):
        bound = ", ".join(maker.networks)
        raise AccessError("forbidden", f"The key that asks opens from these alone: {bound}.")


def _end(asked: float | None, maker: ApiKey | None) -> float | None:
    """When a key ends: as asked, and with its maker at the latest."""
    latest = None if maker is None else maker.expires_at
    if asked is None or latest is None:
        return latest if asked is None else asked
    return min(asked, latest)


def _state(key: ApiKey, now: float) -> Literal["live", "expired", "revoked"]:
    if key.revoked_at is not None:
        return "revoked"
    return "live" if key.is_live(now) else "expired"
