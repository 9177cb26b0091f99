"""The one module that speaks Redis: memory's windows and limits' leases, in one Redis or in a Redis Cluster.

A Redis that is gone or slow costs a fraction of a second whoever is asking it at that moment, and
from then on one caller a second: after a failure it is left alone for a moment.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.maint_notifications import MaintNotificationsConfig

from actors import lease_store
from actors.lease_store import Claim, Loan
from actors.window_store import LEASE_S, TTL_S, Key, StoreUnavailable, prefix_of
from routing.clock import Clock

_log = logging.getLogger(__name__)

# A Redis in the same zone answers in a millisecond, and the database that answers in its place
# in five: who waits longer has nothing to gain.
OPERATION_S = 0.25
# To find a cluster's nodes and be connected, TLS and all; nobody waits for it longer than for an answer.
CONNECT_S = 5.0
# How long it is left alone after a failure: a caller a second finds out whether it is back.
AWAY_S = 1.0
# A scan of ten million keys takes about so long; it is nobody's answer that waits for it.
FORGET_S = 60.0
# Keys a step of a scan looks at: a millisecond of the server's only thread.
_SCAN_COUNT = 1_000

_HERE = float("-inf")

_Client: TypeAlias = "Redis | RedisCluster"

_EXTEND = """
local last = redis.call('LINDEX', KEYS[1], -1)
if last and string.sub(last, 1, #ARGV[1]) == ARGV[1] then
  redis.call('RPUSH', KEYS[1], unpack(ARGV, 4))
  redis.call('LTRIM', KEYS[1], -tonumber(ARGV[2]), -1)
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  return 1
end
redis.call('DEL', KEYS[1], KEYS[2])
return 0
"""
_FILL = """
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('RPUSH', KEYS[1], unpack(ARGV, 3))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
"""
# One hash a limit: its debt and when that was so, and each holder's number, use, lease and its end.
# The time is the server's own, so no replica's clock matters.
_CLAIM = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local per_s, burst, holder = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local seq, used, told = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local held, want, lease_s = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local debt, lent, ends = 0, 0, now
local fields = redis.call('HGETALL', KEYS[1])
for i = 1, #fields, 2 do
  local a, b, c, d = string.match(fields[i + 1], '(%S+) (%S+) ?(%S*) ?(%S*)')
  a, b, c, d = tonumber(a), tonumber(b), tonumber(c), tonumber(d)
  if fields[i] == 'debt' then
    debt = debt + math.max(0, a - math.max(0, now - b) * per_s)
  elseif fields[i] == holder then
    if seq < a then return {'0', '0', '0'} end
    told = b
    if d <= now then
      debt = debt + c
    end
  elseif d <= now then
    debt = debt + c
    redis.call('HDEL', KEYS[1], fields[i])
  else
    lent, ends = lent + c, math.max(ends, d)
  end
end
debt = math.max(0, debt + used - told)
local room = math.max(0, burst - debt - lent - held)
local granted = math.min(want, room)
redis.call('HSET', KEYS[1], 'debt', string.format('%.17g %.17g', debt, now))
redis.call('HSET', KEYS[1], holder, string.format('%.0f %.17g %.17g %.17g', seq, used, held + granted, now + lease_s))
local keep_s = 86400
if per_s > 0 then keep_s = math.min(keep_s, (debt + burst) / per_s) end
redis.call('PEXPIRE', KEYS[1], math.ceil((math.max(ends - now, lease_s) + keep_s) * 1000))
return {string.format('%.17g', granted), string.format('%.17g', room - granted), string.format('%.17g', debt)}
"""


@dataclass(frozen=True, slots=True)
class RedisOptions:
    """Where Redis is: `redis://` or `rediss://` addresses without a secret, one or a cluster's nodes.

    `connections_max` bounds what one process asks at once.
    """

    urls: tuple[str, ...]
    is_cluster: bool
    username: str | None = None
    password: str | None = None
    tls_ca_file: str | None = None
    tls_cert_file: str | None = None
    tls_key_file: str | None = None
    connections_max: int = 50


class _RedisStore:
    """A connection to Redis, which has `operation_s` for each thing it is asked."""

    def __init__(
        self, options: RedisOptions, clock: Clock, operation_s: float = OPERATION_S
    ) -> None:
        self._client = _open(options, operation_s)
        self._operation_s = operation_s
        self._places = asyncio.Semaphore(options.connections_max)
        self._clock = clock
        self._away_until = _HERE
        self._connecting: asyncio.Task[None] | None = None
        self._is_connected = False

    async def start(self) -> None:
        """Connect; if that cannot be done now, it is when somebody asks."""
        with contextlib.suppress(StoreUnavailable):
            async with self._failing(CONNECT_S):
                await self._connected()

    async def aclose(self) -> None:
        """Close the connections."""
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.gather(self._connecting, return_exceptions=True)
        await self._client.aclose()
        if isinstance(self._client, RedisCluster):
            # After an error it takes itself for closed, and leaves its nodes open.
            await self._client.nodes_manager.aclose()
            await self._client.nodes_manager.aclose("startup_nodes")

    async def _ask(self, command: Callable[[], Awaitable[Any]]) -> Any:
        now = self._clock.monotonic()
        if now < self._away_until:
            raise StoreUnavailable("Redis did not answer a moment ago.")
        if self._away_until != _HERE:
            # This caller finds out whether it is back; the others go without meanwhile.
            self._away_until = now + AWAY_S
        async with self._failing(self._operation_s), self._places:
            await self._connected()
            answer = await command()
        self._away_until = _HERE
        return answer

    async def _connected(self) -> None:
        """Wait until the nodes are known; finding them goes on when whoever waits has left."""
        if self._is_connected:
            return
        if self._connecting is None or self._connecting.done():
            self._connecting = asyncio.create_task(self._connect())
            # Whoever waited for it may have left: what it came to is then nobody's.
            self._connecting.add_done_callback(lambda done: done.cancelled() or done.exception())
        await asyncio.shield(self._connecting)

    async def _connect(self) -> None:
        async with asyncio.timeout(CONNECT_S):
            await self._client.initialize()
        self._is_connected = True

    @contextlib.asynccontextmanager
    async def _failing(self, within_s: float) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(within_s):
                yield
        except (RedisError, OSError, TimeoutError) as error:
            self._away_until = self._clock.monotonic() + AWAY_S
            self._is_connected = False
            _log.warning("Redis: %s: %s", type(error).__name__, error)
            raise StoreUnavailable("Redis did not answer.") from error


class RedisWindows(_RedisStore):
    """A WindowStore in Redis."""

    async def read(self, key: Key) -> list[bytes]:
        """The list."""
        found: list[bytes] = await self._ask(lambda: self._client.lrange(key.text, 0, -1))
        return found

    async def extend(self, key: Key, after: bytes, items: Sequence[bytes], keep: int) -> bool:
        """Add to it, on the server in one step."""
        ttl_ms = int(TTL_S * 1000)
        given: tuple[str | bytes | int, ...] = (key.text, key.lease, after, keep, ttl_ms, *items)
        return bool(await self._ask(lambda: self._client.eval(_EXTEND, 2, *given)))

    async def lease(self, key: Key, token: str) -> None:
        """Take the right to fill it."""
        ttl_ms = int(LEASE_S * 1000)
        await self._ask(lambda: self._client.set(key.lease, token, px=ttl_ms))

    async def fill(self, key: Key, token: str, items: Sequence[bytes]) -> bool:
        """Replace it, on the server in one step."""
        ttl_ms = int(TTL_S * 1000)
        given: tuple[str | bytes | int, ...] = (key.text, key.lease, token, ttl_ms, *items)
        return bool(await self._ask(lambda: self._client.eval(_FILL, 2, *given)))

    async def forget(self, owner: str) -> int:
        """Remove all of the owner, found by a scan of every key there is.

        It is always tried, and again where it is interrupted it finds the rest.
        """
        # A quoted owner holds no character that a pattern knows; braces are none.
        pattern, lists = f"{prefix_of(owner)}*", 0
        async with self._failing(FORGET_S):
            await self._connected()
            async for name in self._client.scan_iter(match=pattern, count=_SCAN_COUNT):
                removed = await self._client.unlink(name)
                lists += 0 if bytes(name).endswith(b":lease") else int(removed)
        return lists


class RedisLeases(_RedisStore):
    """A LeaseStore in Redis: what is lent of a limit is one hash, changed by one script."""

    async def claim(self, claim: Claim) -> Loan:
        """Settle and lend, on the server in one step."""
        rate = claim.rate
        given: tuple[str | float | int, ...] = (
            claim.key.text, rate.per_s, rate.burst, claim.holder, claim.seq, claim.used, claim.told,
            claim.held, claim.want, lease_store.LEASE_S,
        )  # fmt: skip
        told = await self._ask(lambda: self._client.eval(_CLAIM, 1, *given))
        granted, room, debt = (float(figure) for figure in told)
        return Loan(granted, room, debt)


def _open(options: RedisOptions, operation_s: float) -> _Client:
    parts = [urlsplit(url) for url in options.urls]
    common: dict[str, Any] = {
        "username": options.username,
        "password": options.password,
        "max_connections": options.connections_max,
        "socket_timeout": operation_s,
        "socket_connect_timeout": operation_s,
        # One more try, at once: a connection that was idle while Redis was restarted is dead, and
        # the commands above may be made twice.
        "retry": Retry(NoBackoff(), 1),
        # Notices of hosted Redis Enterprise; asking for them is a round trip a connection.
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }
    if parts[0].scheme == "rediss":
        common |= {
            "ssl": True,
            "ssl_ca_certs": options.tls_ca_file,
            "ssl_certfile": options.tls_cert_file,
            "ssl_keyfile": options.tls_key_file,
        }
    if options.is_cluster:
        nodes = [ClusterNode(part.hostname or "", part.port or 6379) for part in parts]
        return RedisCluster(startup_nodes=nodes, **common)
    first = parts[0]
    database = int(first.path.strip("/") or 0)
    return Redis(host=first.hostname or "", port=first.port or 6379, db=database, **common)
