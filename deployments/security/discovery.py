"""What an identity provider says of itself: its addresses and its keys, read from its own documents."""

import asyncio
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx2

from config.identity import IdentityProvider, is_loopback
from deployments.security.addresses import Private
from deployments.security.errors import IdentityProviderUnavailable
from deployments.security.outbound import OutboundPolicy, outbound_client
from deployments.security.renewed import Reading, Renewed
from deployments.security.signing_keys import SigningKeys
from deployments.security.strict_json import read_object
from routing.clock import Clock

# Entra's keys are 12 KB, and a sign-on waits for both documents the first time.
_DOCUMENT_BYTES = 256 * 1024
_ANSWER_S = 5.0
_MAX_AGE = re.compile(r"(?:^|[\s,])max-age=(\d{1,9})(?:$|[\s,])")


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a provider does what; `names_itself` is RFC 9207's promise to add `iss` to its answers."""

    keys: str
    authorization: str | None = None
    token: str | None = None
    end_session: str | None = None
    userinfo: str | None = None
    names_itself: bool = False


def client_for(providers: Iterable[IdentityProvider]) -> httpx2.AsyncClient:
    """An HTTP client that reaches the public internet and the hosts the operator named as issuers."""
    return outbound_client(policy_for(providers))


def policy_for(providers: Iterable[IdentityProvider]) -> OutboundPolicy:
    """What sign-on may ask: https anywhere public, and the issuers themselves wherever they are."""
    issuers = [urlsplit(provider.issuer) for provider in providers]
    return OutboundPolicy(
        private=Private.of(tuple(sorted({part.hostname for part in issuers if part.hostname}))),
        ports=frozenset({443, *(part.port for part in issuers if part.port)}),
        answer_bytes=_DOCUMENT_BYTES,
        answer_s=_ANSWER_S,
    )


class Directory:
    """The documents of every provider, each read when it is first needed."""

    def __init__(
        self, providers: Iterable[IdentityProvider], http: httpx2.AsyncClient, clock: Clock
    ) -> None:
        self._http = http
        self._addresses: dict[str, Renewed[Addresses]] = {}
        self._keys: dict[str, Renewed[SigningKeys]] = {}
        for provider in providers:
            self._open(provider, clock)

    def keys(self, provider: IdentityProvider) -> Renewed[SigningKeys]:
        """Its public keys."""
        return self._keys[provider.issuer]

    async def addresses(self, provider: IdentityProvider) -> Addresses:
        """Where it does what; raises IdentityProviderUnavailable."""
        return await self._addresses[provider.issuer].get()

    async def userinfo(
        self, provider: IdentityProvider, url: str, access_token: str
    ) -> Mapping[str, object]:
        """What a provider says of whoever it gave the token to, over TLS and unsigned.

        Raises:
            IdentityProviderUnavailable: it says nothing.
        """
        try:
            told, _ = await self._read(provider, url, Authorization=f"Bearer {access_token}")
        except (httpx2.HTTPError, ValueError) as error:
            detail = f"{provider.name} does not say who that is: {type(error).__name__}"
            raise IdentityProviderUnavailable(provider.name, detail) from error
        return told

    async def aclose(self) -> None:
        """Stop reading; the client is whoever's who made it."""
        await asyncio.gather(*(document.aclose() for document in self._addresses.values()))
        await asyncio.gather(*(document.aclose() for document in self._keys.values()))

    def _open(self, provider: IdentityProvider, clock: Clock) -> None:
        async def read_addresses() -> Reading[Addresses]:
            url = provider.issuer.rstrip("/") + "/.well-known/openid-configuration"
            document, life_s = await self._read(provider, url)
            return Reading(addresses_of(provider, document), life_s)

        async def read_keys() -> Reading[SigningKeys]:
            addresses = await self.addresses(provider)
            document, life_s = await self._read(provider, addresses.keys)
            return Reading(SigningKeys(document), life_s)

        self._addresses[provider.issuer] = Renewed(provider.name, read_addresses, clock)
        self._keys[provider.issuer] = Renewed(provider.name, read_keys, clock)

    async def _read(
        self, provider: IdentityProvider, url: str, **headers: str
    ) -> tuple[Mapping[str, object], float | None]:
        answer = await self._http.get(url, headers={"Accept": "application/json", **headers})
        if answer.status_code != 200:
            raise IdentityProviderUnavailable(
                provider.name, f"{provider.name} answered {answer.status_code}"
            )
        said = _MAX_AGE.search(answer.headers.get("cache-control", ""))
        return read_object(answer.content), float(said[1]) if said else None


def addresses_of(provider: IdentityProvider, document: Mapping[str, object]) -> Addresses:
    """The addresses in a discovery document.

    The algorithms it lists are not read: which may sign is our configuration's to say, and a
    document that lists `none` would otherwise open every door.

    Raises:
        ValueError: it is another issuer's, or leads where nothing is secret on the way.
    """
    if document.get("issuer") != provider.issuer:
        raise ValueError("the document is another issuer's")
    keys = _address(provider, document, "jwks_uri")
    if keys is None:
        raise ValueError("the document names no keys")
    return Addresses(
        keys=keys,
        authorization=_address(provider, document, "authorization_endpoint"),
        token=_address(provider, document, "token_endpoint"),
        end_session=_address(provider, document, "end_session_endpoint"),
        userinfo=_address(provider, document, "userinfo_endpoint"),
        names_itself=document.get("authorization_response_iss_parameter_supported") is True,
    )


def _address(provider: IdentityProvider, document: Mapping[str, object], name: str) -> str | None:
    found = document.get(name)
    if found is None:
        return None
    if not isinstance(found, str):
        raise ValueError(f"{name} is no address")  # noqa: TRY004  the document is wrong
    parts = urlsplit(found)
    own = urlsplit(provider.issuer)
    if parts.scheme == "https" and parts.hostname and not parts.username:
        return found
    if own.scheme == "http" == parts.scheme and parts.hostname and is_loopback(parts.hostname):
        return found
    raise ValueError(f"{name} is not an https address")
