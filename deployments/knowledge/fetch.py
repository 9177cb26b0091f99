"""Fetch one page that a person named, and never anything inside our own network.

The name is resolved by us, every address it has must be a public one, and the connection is
made to an address that was checked: a name that answers differently the second time gains
nothing. No proxy, no cookies, no redirect to another origin.
"""

import io
import ipaddress
import socket
from dataclasses import dataclass

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from typing_extensions import override
from yarl import URL

from actors.knowledge.draft import MIB, SourceFile
from actors.knowledge.readers import SUFFIXES
from routing.errors import ConfigError

TIMEOUT_S = 60.0  # a manual of 32 MiB at 5 Mbit/s
BYTES_MAX = 32 * MIB
REDIRECTS_MAX = 5  # a slash, a language, a session: more is a loop

# IPv6 addresses that carry an IPv4 one inside, and lead wherever that leads.
_TUNNELS = tuple(
    ipaddress.ip_network(net)
    for net in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")
)
_KINDS = {
    "text/html": ".html",
    "application/xhtml+xml": ".html",
    "application/pdf": ".pdf",
    "text/csv": ".csv",
    "text/markdown": ".md",
    "message/rfc822": ".eml",
    "application/mbox": ".mbox",
}


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a server said: where to go instead, or a page and what it is."""

    content: bytes = b""
    kind: str = ""
    charset: str | None = None
    location: URL | None = None


async def fetch(address: str, *, allow_private: bool = False) -> SourceFile | None:
    """The page at an address; None if its server says that it is gone.

    Raises:
        ConfigError: the address cannot be meant, is not public (unless `allow_private`), leads
            elsewhere, or what is there is too large, too slow or of no kind that can be read.
    """
    url = _checked(address, allow_private=allow_private)
    connector = aiohttp.TCPConnector(
        resolver=_Resolver(allow_private=allow_private), use_dns_cache=False, limit=1
    )
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=timeout,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
    ) as session:
        try:
            answer = await _follow(session, url)
        except TimeoutError as error:
            message = f"took longer than {TIMEOUT_S:.0f} s"
            raise ConfigError(address, None, "", message) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise ConfigError(address, None, "", f"cannot be fetched: {error}") from error
    if answer is None:
        return None
    suffix = _suffix(url, answer.kind)
    path = (url.path + (f"?{url.query_string}" if url.query_string else "")).lstrip("/")
    return SourceFile(
        address, path, suffix, lambda: io.BytesIO(answer.content), str(url), answer.charset
    )


async def _follow(session: aiohttp.ClientSession, url: URL) -> _Answer | None:
    at = url
    for _ in range(REDIRECTS_MAX + 1):
        answer = await _get(session, at)
        if answer is None or answer.location is None:
            return answer
        if answer.location.origin() != url.origin():
            message = f"leads to {answer.location}; ingest that if it is meant"
            raise ConfigError(str(url), None, "", message)
        at = answer.location
    raise ConfigError(str(url), None, "", f"is redirected more than {REDIRECTS_MAX} times")


async def _get(session: aiohttp.ClientSession, url: URL) -> _Answer | None:
    # identity: what is compressed has no size until it is too late.
    headers = {"Accept-Encoding": "identity", "User-Agent": "SupportMax"}
    async with session.get(url, headers=headers, allow_redirects=False) as response:
        if response.status in {404, 410}:
            return None
        if response.status in {301, 302, 303, 307, 308}:
            return _Answer(location=url.join(URL(response.headers.get("Location", ""))))
        if response.status != 200:
            raise ConfigError(str(url), None, "", f"was answered with status {response.status}")
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise ConfigError(str(url), None, "", "is compressed although nobody asked for that")
        content = bytearray()
        async for piece in response.content.iter_chunked(64 * 1024):
            content += piece
            if len(content) > BYTES_MAX:
                raise ConfigError(str(url), None, "", f"is larger than {BYTES_MAX // MIB} MiB")
        return _Answer(bytes(content), response.content_type, response.charset)


def _checked(address: str, *, allow_private: bool) -> URL:
    try:
        url = URL(address).with_fragment(None)
    except ValueError as error:
        raise ConfigError(address, None, "", "is no address") from error
    if url.scheme not in {"http", "https"} or not url.host:
        raise ConfigError(address, None, "", "is no http or https address")
    if url.user is not None or url.password is not None:
        raise ConfigError(str(url.with_user(None)), None, "", "must not hold a name or password")
    try:
        literal = ipaddress.ip_address(url.host)
    except ValueError:
        return url  # A name: the resolver looks at where it leads.
    if not allow_private and not _is_public(str(literal)):
        raise ConfigError(address, None, "", _private(url.host))
    return url


def _is_public(text: str) -> bool:
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return _is_public(str(address.ipv4_mapped))
        if any(address in net for net in _TUNNELS):
            return False
    return address.is_global and not address.is_multicast


def _private(host: str) -> str:
    return f"{host} is not on the public internet; say --allow-private if it is meant"


class _Resolver(AbstractResolver):
    """Resolves names, and refuses one with any address that is not public."""

    def __init__(self, *, allow_private: bool) -> None:
        self._resolver: AbstractResolver = ThreadedResolver()
        self._allow_private = allow_private

    @override
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        if not self._allow_private and not all(_is_public(one["host"]) for one in found):
            raise ConfigError(host, None, "", _private(host))
        return found

    @override
    async def close(self) -> None:
        await self._resolver.close()


def _suffix(url: URL, kind: str) -> str:
    named = url.suffix.lower()
    suffix = _KINDS.get(kind)
    if suffix is None and kind in {"text/plain", "application/octet-stream"}:
        suffix = named if named in SUFFIXES else None
    if suffix is None:
        raise ConfigError(str(url), None, "", f"is {kind}, which cannot be read")
    return suffix
