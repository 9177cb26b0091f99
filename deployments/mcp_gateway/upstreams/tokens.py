"""Tokens for upstreams in a caller's name: RFC 8693 token exchange, and Entra's on-behalf-of.

The caller's own token is shown to the authorization server that knows it and to nobody else; what
comes back is for one upstream alone (RFC 8707), kept only as long as it lives, and never shared
between two callers.
"""

import asyncio
import hashlib
import logging
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote_plus

import httpx2
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deployments.mcp_gateway.tool_server import UpstreamFailed
from routing.clock import Clock

_log = logging.getLogger(__name__)

# Callers with tokens in one replica; one takes about 2 KB.
TOKENS_MAX = 10_000
# A token is not used in its last 30 s: it has to arrive and be checked while it lives.
MARGIN_S = 30.0
# Never kept longer, whatever it says: what is revoked at its source ends here too.
LIFE_MAX_S = 3_600.0
# 10 s: two round trips and a slow directory behind the authorization server.
EXCHANGE_S = 10.0
# After a refusal nobody asks again for so long: a model calls ten tools a turn.
PAUSE_S = 5.0

_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
_ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105  a name of RFC 8693
_ON_BEHALF_OF = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_SENDABLE = re.compile(r"[!-~]{1,16384}")


@dataclass(frozen=True, slots=True)
class AuthorizationServer:
    """Who gives tokens, and who we are there."""

    kind: Literal["token_exchange", "on_behalf_of"]
    token_url: str
    client_id: str
    client_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Target:
    """For what a token is to be good."""

    resource: str
    audience: str | None = None
    scope: str | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose token it is to be; `token` is the one they came with."""

    tenant: str
    name: str
    token: str = field(repr=False)


class _Granted(BaseModel):
    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    access_token: str = Field(min_length=1, max_length=16_384)
    token_type: str
    expires_in: float = Field(default=0.0, ge=0)


@dataclass(frozen=True, slots=True)
class _Kept:
    token: str = field(repr=False)
    until: float
    failure: str = ""


class Tokens:
    """The tokens of one authorization server, asked for once by however many wait for the same one."""

    def __init__(self, server: AuthorizationServer, http: httpx2.AsyncClient, clock: Clock) -> None:
        self._server = server
        self._http = http
        self._clock = clock
        self._kept: OrderedDict[bytes, _Kept] = OrderedDict()
        self._asked: dict[bytes, asyncio.Task[_Kept]] = {}

    async def of(self, subject: Subject | None, target: Target) -> str:
        """The token for `subject` at `target`; without a subject that of SupportMax itself.

        Raises:
            UpstreamFailed: the authorization server gives none.
        """
        key = _key(subject, target)
        kept = self._kept.get(key)
        if kept is None or self._clock.monotonic() >= kept.until:
            kept = await self._once(key, subject, target)
        else:
            self._kept.move_to_end(key)
        if kept.failure:
            raise UpstreamFailed(kept.failure)
        return kept.token

    def forget(self, subject: Subject | None, target: Target) -> None:
        """The upstream refused it; the next call asks for another."""
        self._kept.pop(_key(subject, target), None)

    async def aclose(self) -> None:
        """Wait for nothing any more."""
        for task in list(self._asked.values()):
            task.cancel()
        await asyncio.gather(*self._asked.values(), return_exceptions=True)

    async def _once(self, key: bytes, subject: Subject | None, target: Target) -> _Kept:
        task = self._asked.get(key)
        if task is None:
            task = asyncio.create_task(self._ask(subject, target))
            self._asked[key] = task
            task.add_done_callback(lambda _: self._asked.pop(key, None))
        # Others wait for the same one: who leaves must not take it along.
        kept = await asyncio.shield(task)
        self._kept[key] = kept
        self._kept.move_to_end(key)
        if len(self._kept) > TOKENS_MAX:
            self._kept.popitem(last=False)
        return kept

    async def _ask(self, subject: Subject | None, target: Target) -> _Kept:
        asked_at = self._clock.monotonic()
        try:
            async with asyncio.timeout(EXCHANGE_S):
                answer = await self._http.post(
                    self._server.token_url,
                    data=self._form(subject, target),
                    headers={"Accept": "application/json", **self._identity()},
                )
                granted = self._granted(answer, subject)
        except (httpx2.HTTPError, TimeoutError, ValueError) as error:
            # The words of the server may repeat what it was sent; its status says enough.
            _log.warning("%s gave no token: %s", self._server.token_url, _words(error))
            failure = "The authorization server gives no token for this caller at this server."
            return _Kept("", self._clock.monotonic() + PAUSE_S, failure)
        life = min(granted.expires_in, LIFE_MAX_S)
        return _Kept(granted.access_token, asked_at + life - min(MARGIN_S, life / 2))

    def _form(self, subject: Subject | None, target: Target) -> dict[str, str]:
        form = {"resource": target.resource}
        if target.audience is not None:
            form["audience"] = target.audience
        if target.scope is not None:
            form["scope"] = target.scope
        if self._server.kind == "on_behalf_of":
            form = {key: value for key, value in form.items() if key == "scope"}
            form |= {
                "client_id": self._server.client_id,
                "client_secret": self._server.client_secret,
            }
        if subject is None:
            return form | {"grant_type": "client_credentials"}
        if self._server.kind == "on_behalf_of":
            own = {"grant_type": _ON_BEHALF_OF, "assertion": subject.token}
            return form | own | {"requested_token_use": "on_behalf_of"}
        return form | {
            "grant_type": _EXCHANGE,
            "subject_token": subject.token,
            "subject_token_type": _ACCESS_TOKEN,
            "requested_token_type": _ACCESS_TOKEN,
        }

    def _identity(self) -> Mapping[str, str]:
        if self._server.kind == "on_behalf_of":
            return {}
        who = httpx2.BasicAuth(
            quote_plus(self._server.client_id), quote_plus(self._server.client_secret)
        )
        request = next(who.auth_flow(httpx2.Request("POST", self._server.token_url)))
        return {"Authorization": request.headers["Authorization"]}

    def _granted(self, answer: httpx2.Response, subject: Subject | None) -> _Granted:
        if answer.status_code != 200:
            raise ValueError(f"status {answer.status_code}")
        try:
            granted = _Granted.model_validate_json(answer.content)
        except ValidationError as error:
            raise ValueError("an answer that is no token") from error
        if granted.token_type.lower() != "bearer" or not _SENDABLE.fullmatch(granted.access_token):
            raise ValueError("a token that cannot be sent as a bearer")
        if subject is not None and granted.access_token == subject.token:
            raise ValueError("the caller's own token, which goes to nobody else")
        return granted


def _key(subject: Subject | None, target: Target) -> bytes:
    whose = ("", "", "") if subject is None else (subject.tenant, subject.name, subject.token)
    parts = (*whose, target.resource, target.audience or "", target.scope or "")
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).digest()


def _words(error: Exception) -> str:
    return str(error)[:200] if isinstance(error, ValueError) else type(error).__name__
