"""Fetch one page that a person named, and never anything inside our own network.

Over the client for strangers' addresses (`deployments.security.outbound`); a redirect is followed
on the origin that was named, and on no other.
"""

import io
import ipaddress
from dataclasses import dataclass
from pathlib import PurePosixPath

import httpx2

from actors.knowledge.draft import MIB, SourceFile
from actors.knowledge.readers import SUFFIXES
from deployments.security.addresses import Private
from deployments.security.outbound import OutboundPolicy, OutboundRefused, outbound_client
from routing.errors import ConfigError

TIMEOUT_S = 60.0  # a manual of 32 MiB at 5 Mbit/s
BYTES_MAX = 32 * MIB
REDIRECTS_MAX = 5  # a slash, a language, a session: more is a loop

_EVERYWHERE = Private(networks=(ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0")))
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
    location: httpx2.URL | None = None


async def fetch(address: str, *, allow_private: bool = False) -> SourceFile | None:
    """The page at an address; None if its server says that it is gone.

    Raises:
        ConfigError: the address cannot be meant, is not public (unless `allow_private`), leads
            elsewhere, or what is there is too large, too slow or of no kind that can be read.
    """
    url = _read(address)
    policy = OutboundPolicy(
        _EVERYWHERE if allow_private else Private(),
        # Whoever names a page names its port; redirects stay on it.
        frozenset({url.port} if url.port is not None else ()),
        plain_http=True,
        answer_bytes=BYTES_MAX,
        answer_s=TIMEOUT_S,
    )
    async with outbound_client(policy) as client:
        try:
            answer = await _follow(client, url)
        except OutboundRefused as error:
            raise ConfigError(
                address, None, "", _told(error, allow_private=allow_private)
            ) from error
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise ConfigError(address, None, "", f"cannot be fetched: {error}") from error
    if answer is None:
        return None
    suffix = _suffix(url, answer.kind)
    path = (url.path + (f"?{url.query.decode()}" if url.query else "")).lstrip("/")
    return SourceFile(
        address, path, suffix, lambda: io.BytesIO(answer.content), str(url), answer.charset
    )


async def _follow(client: httpx2.AsyncClient, url: httpx2.URL) -> _Answer | None:
    at = url
    for _ in range(REDIRECTS_MAX + 1):
        answer = await _get(client, at)
        if answer is None or answer.location is None:
            return answer
        if _origin(answer.location) != _origin(url):
            message = f"leads to {answer.location}; ingest that if it is meant"
            raise ConfigError(str(url), None, "", message)
        at = answer.location
    raise ConfigError(str(url), None, "", f"is redirected more than {REDIRECTS_MAX} times")


async def _get(client: httpx2.AsyncClient, url: httpx2.URL) -> _Answer | None:
    response = await client.get(url)
    if response.status_code in {404, 410}:
        return None
    if response.status_code in {301, 302, 303, 307, 308}:
        return _Answer(location=url.join(response.headers.get("Location", "")))
    if response.status_code != 200:
        raise ConfigError(str(url), None, "", f"was answered with status {response.status_code}")
    kind = response.headers.get("Content-Type", "application/octet-stream")
    return _Answer(
        response.content, kind.partition(";")[0].strip().lower(), response.charset_encoding
    )


def _read(address: str) -> httpx2.URL:
    try:
        url = httpx2.URL(address).copy_with(fragment=None)
    except (httpx2.InvalidURL, ValueError) as error:
        raise ConfigError(address, None, "", f"is not a canonical address: {error}") from error
    if url.scheme not in {"http", "https"} or not url.host:
        raise ConfigError(address, None, "", "is no http or https address")
    if url.userinfo:
        message = "must not hold a name or password"
        raise ConfigError(str(url.copy_with(userinfo=b"")), None, "", message)
    return url


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _told(error: OutboundRefused, *, allow_private: bool) -> str:
    said = str(error)
    hint = "" if allow_private or "public" not in said else " Say --allow-private if it is meant."
    return f"cannot be fetched: {said}{hint}"


def _suffix(url: httpx2.URL, kind: str) -> str:
    named = PurePosixPath(url.path).suffix.lower()
    suffix = _KINDS.get(kind)
    if suffix is None and kind in {"text/plain", "application/octet-stream"}:
        suffix = named if named in SUFFIXES else None
    if suffix is None:
        raise ConfigError(str(url), None, "", f"is {kind}, which cannot be read")
    return suffix
