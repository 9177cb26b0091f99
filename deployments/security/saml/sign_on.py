"""Signing on by SAML: what we ask, who we say we are, and what comes of the answer."""

import asyncio
import base64
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from lxml import etree  # type: ignore[import-untyped]

from config.saml import SamlProvider
from deployments.security.attempts import Attempts, Begun, Finished, again, fresh
from deployments.security.bearer_tokens import Entitlements
from deployments.security.errors import TokenRefused
from deployments.security.saml.document import ASSERTION, PROTOCOL, SIGNATURE
from deployments.security.saml.response import Expected, read_response
from deployments.security.sessions import Sessions
from deployments.security.trail import Trail
from routing.clock import Clock, rfc3339
from routing.errors import AccessError, ConfigError

_POST = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
_METADATA = "urn:oasis:names:tc:SAML:2.0:metadata"
_RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
_RSA_BITS_MIN = 2048
_FILE_MAX = 64 * 1024


@dataclass(frozen=True, slots=True)
class Known:
    """A provider with what its files hold."""

    provider: SamlProvider
    certificates: tuple[x509.Certificate, ...]
    key: rsa.RSAPrivateKey | None = field(repr=False)
    own: x509.Certificate | None

    def expects(self, request_id: str) -> Expected:
        """What an answer to that request of ours has to fit."""
        return Expected(
            issuer=self.provider.issuer,
            certificates=self.certificates,
            audience=self.provider.entity_id,
            recipient=self.provider.recipient,
            request_id=request_id,
            key=self.key,
        )


class SamlSignOn:
    """Every provider of SAML."""

    def __init__(
        self,
        providers: Iterable[SamlProvider],
        entitlements: Entitlements,
        attempts: Attempts,
        sessions: Sessions,
        clock: Clock,
        trail: Trail,
    ) -> None:
        """Read certificates and keys.

        Raises:
            ConfigError: a file cannot be read, or a key is too weak to mean anything.
        """
        self._known = {each.name: read_files(each) for each in providers}
        self._entitlements = entitlements
        self._attempts = attempts
        self._sessions = sessions
        self._clock = clock
        self._trail = trail

    @property
    def names(self) -> frozenset[str]:
        """The providers there are."""
        return frozenset(self._known)

    @property
    def origins(self) -> frozenset[str]:
        """Where our own pages are."""
        parts = (urlsplit(known.provider.public_url) for known in self._known.values())
        return frozenset(f"{part.scheme}://{part.netloc}" for part in parts)

    async def begin(self, name: str, wanted: str | None, browser: str | None) -> Begun:
        """Begin an attempt with a provider there is; raises RequestError for a `wanted` elsewhere."""
        known = self._known[name]
        # Its ID is what the answer has to name; an XML ID does not begin with a figure.
        request_id = f"_{fresh()}"
        state, secret = await self._attempts.begin(name, wanted or "/", browser, request_id, "")
        request = _request(known.provider, request_id, self._clock.now())
        return Begun(_redirect(known, request, state), secret, posts_back=True)

    async def finish(
        self,
        name: str,
        answer: str,
        state: str,
        browser: str | None,
        previous: str | None,
    ) -> Finished:
        """What comes of an attempt: a new session, whatever session there was before.

        The one before is ended if the browser shows it. With a form of another site most do not
        send that cookie: it is replaced in the browser, and its session ends by itself.

        Raises:
            AccessError: somebody else's attempt, a used one, or not what the provider signed.
        """
        row = await self._attempts.take(state, browser)
        known = self._known.get(name)
        if known is None or row.provider != name:
            raise again("it came back by another provider's address")
        provider = known.provider
        try:
            # In a thread: signatures and a quarter of a megabyte of XML are not for the event loop.
            found = await asyncio.to_thread(
                read_response, answer, known.expects(row.nonce), self._clock.now()
            )
            roles = self._entitlements.roles_in(provider, found.attributes)
        except TokenRefused as error:
            self._trail.sign_on_refused(provider.tenant, name, error.reason)
            detail = f"What {name} says is refused: {error.reason}."
            raise AccessError("unauthenticated", detail) from error
        secret = await self._sessions.open(
            provider.tenant, f"{name}:{found.name}", name, roles, found.session, "", found.ends_at
        )
        if previous:
            await self._sessions.end(previous)
        return Finished(secret, row.next)

    def metadata(self, name: str) -> bytes:
        """Who we are, for the provider's configuration; raises AccessError for an unknown one."""
        known = self._known.get(name)
        if known is None:
            raise AccessError("not_found", "There is no such provider.")
        root = etree.Element(
            f"{{{_METADATA}}}EntityDescriptor",
            nsmap={"md": _METADATA, "ds": SIGNATURE},
            entityID=known.provider.entity_id,
        )
        descriptor = etree.SubElement(
            root,
            f"{{{_METADATA}}}SPSSODescriptor",
            protocolSupportEnumeration=PROTOCOL,
            AuthnRequestsSigned="true" if known.key else "false",
            WantAssertionsSigned="true",
        )
        for use in ("signing", "encryption") if known.own is not None else ():
            assert known.own is not None  # noqa: S101  for the types
            _add_certificate(descriptor, use, known.own)
        etree.SubElement(
            descriptor,
            f"{{{_METADATA}}}AssertionConsumerService",
            Binding=_POST,
            Location=known.provider.recipient,
            index="0",
            isDefault="true",
        )
        return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8"))


def _request(provider: SamlProvider, request_id: str, now: float) -> bytes:
    root = etree.Element(
        f"{{{PROTOCOL}}}AuthnRequest",
        nsmap={"samlp": PROTOCOL, "saml": ASSERTION},
        ID=request_id,
        Version="2.0",
        IssueInstant=rfc3339(now),
        Destination=provider.sso_url,
        AssertionConsumerServiceURL=provider.recipient,
        ProtocolBinding=_POST,
    )
    etree.SubElement(root, f"{{{ASSERTION}}}Issuer").text = provider.entity_id
    return bytes(etree.tostring(root))


def _redirect(known: Known, request: bytes, state: str) -> str:
    """The request in an address (Bindings 3.4.4.1), signed if we have a key."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = base64.b64encode(deflate.compress(request) + deflate.flush()).decode()
    query = f"SAMLRequest={quote(packed, safe='')}&RelayState={quote(state, safe='')}"
    if known.key is not None:
        query += f"&SigAlg={quote(_RSA_SHA256, safe='')}"
        signature = known.key.sign(query.encode(), padding.PKCS1v15(), hashes.SHA256())
        query += f"&Signature={quote(base64.b64encode(signature).decode(), safe='')}"
    where = known.provider.sso_url
    return f"{where}{'&' if urlsplit(where).query else '?'}{query}"


def _add_certificate(descriptor: object, use: str, certificate: x509.Certificate) -> None:
    der = certificate.public_bytes(serialization.Encoding.DER)
    key = etree.SubElement(descriptor, f"{{{_METADATA}}}KeyDescriptor", use=use)
    data = etree.SubElement(
        etree.SubElement(key, f"{{{SIGNATURE}}}KeyInfo"), f"{{{SIGNATURE}}}X509Data"
    )
    etree.SubElement(data, f"{{{SIGNATURE}}}X509Certificate").text = base64.b64encode(der).decode()


def read_files(provider: SamlProvider) -> Known:
    """The provider's certificates and our key.

    Raises:
        ConfigError: a file cannot be read, or a key is too weak to mean anything.
    """
    certificates = tuple(_certificate(file) for file in provider.certificate_files)
    if provider.key_file is None or provider.key_certificate_file is None:
        return Known(provider, certificates, None, None)
    try:
        key = serialization.load_pem_private_key(_bytes(provider.key_file), None)
    except (ValueError, TypeError) as error:
        raise _unusable(provider.key_file, "is no private key in PEM") from error
    own = _certificate(provider.key_certificate_file)
    if not isinstance(key, rsa.RSAPrivateKey) or key.public_key() != own.public_key():
        raise _unusable(provider.key_file, "is not the RSA key of key_certificate_file")
    return Known(provider, certificates, key, own)


def _certificate(file: Path) -> x509.Certificate:
    try:
        found = x509.load_pem_x509_certificate(_bytes(file))
        key = found.public_key()
    except ValueError as error:
        raise _unusable(file, "is no certificate in PEM") from error
    strong = isinstance(key, rsa.RSAPublicKey) and key.key_size >= _RSA_BITS_MIN
    if not strong and not isinstance(key, ec.EllipticCurvePublicKey):
        raise _unusable(file, "has a key that is neither RSA of 2048 bits nor of an elliptic curve")
    return found


def _bytes(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(_FILE_MAX)
    except OSError as error:
        raise _unusable(file, f"cannot be read ({error.strerror})") from error


def _unusable(file: Path, message: str) -> ConfigError:
    return ConfigError(str(file), None, "", message)
