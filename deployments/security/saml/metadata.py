"""Who a provider of SAML says it is, in a file; and who we say we are."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from lxml import etree  # type: ignore[import-untyped]

from config.saml import SamlProvider
from deployments.security.errors import TokenRefused
from deployments.security.saml.document import (
    METADATA,
    PROTOCOL,
    SIGNATURE,
    Element,
    at_most_one,
    one,
    read_document,
)
from deployments.security.saml.names import PERSISTENT
from deployments.security.saml.signature import signed

POST = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
REDIRECT = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
_MD = f"{{{METADATA}}}"
# Two while it changes over, and some more of who forgets to take the old ones away.
_CERTIFICATES_MAX = 8


@dataclass(frozen=True, slots=True)
class Theirs:
    """What a provider's metadata says. `valid_until` is in seconds since the epoch."""

    issuer: str
    sso_url: str
    slo_url: str | None
    slo_answers: str | None
    certificates: tuple[x509.Certificate, ...]
    valid_until: float | None


def read_metadata(
    xml: bytes, issuer: str, signers: Sequence[x509.Certificate], now: float
) -> Theirs:
    """What the provider called `issuer` says of itself, or the only one there is if that is empty.

    With `signers` only what one of them signed is read.

    Raises:
        TokenRefused: there is no such provider in it, it is over, or nobody who counts signed it.
    """
    root = read_document(xml)
    if signers:
        root = signed(root, root, "./", signers, now)
    entities = [root] if root.tag == f"{_MD}EntityDescriptor" else _entities(root)
    found = [each for each in entities if not issuer or each.get("entityID") == issuer]
    if len(found) != 1:
        raise TokenRefused("not one provider of that name")
    (entity,) = found
    role = one(entity, "md:IDPSSODescriptor")
    if PROTOCOL not in role.get("protocolSupportEnumeration", "").split():
        raise TokenRefused("no identity provider of SAML 2.0")
    ends = [_time(e.get("validUntil")) for e in (root, entity, role) if e.get("validUntil")]
    until = min(ends, default=None)
    if until is not None and until <= now:
        raise TokenRefused("over")
    sign_off = _service(role, "SingleLogoutService")
    sign_on = _service(role, "SingleSignOnService")
    where = None if sign_on is None else sign_on.get("Location")
    name = entity.get("entityID")
    if not where or not name:
        raise TokenRefused("no sign-on by HTTP-Redirect")
    asks = None if sign_off is None else sign_off.get("Location")
    answers = None if sign_off is None else sign_off.get("ResponseLocation") or asks
    return Theirs(name, where, asks, answers, _certificates(role), until)


def metadata_of(
    provider: SamlProvider, certificate: x509.Certificate | None, *, signs_off: bool
) -> bytes:
    """Who we are, for the provider's configuration."""
    root = etree.Element(
        f"{_MD}EntityDescriptor",
        nsmap={"md": METADATA, "ds": SIGNATURE},
        entityID=provider.entity_id,
    )
    descriptor = etree.SubElement(
        root,
        f"{_MD}SPSSODescriptor",
        protocolSupportEnumeration=PROTOCOL,
        AuthnRequestsSigned="true" if certificate else "false",
        WantAssertionsSigned="true",
    )
    if certificate is not None:
        for use in ("signing", "encryption") if provider.encrypts else ("signing",):
            _add_certificate(descriptor, use, certificate)
    # The order of the schema: where sessions end, what people are called, then where answers go.
    for binding in (REDIRECT, POST) if signs_off else ():
        etree.SubElement(
            descriptor, f"{_MD}SingleLogoutService", Binding=binding, Location=provider.sign_off
        )
    if provider.persistent_names:
        etree.SubElement(descriptor, f"{_MD}NameIDFormat").text = PERSISTENT
    etree.SubElement(
        descriptor,
        f"{_MD}AssertionConsumerService",
        Binding=POST,
        Location=provider.recipient,
        index="0",
        isDefault="true",
    )
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8"))


def _entities(root: Element) -> list[Element]:
    if root.tag != f"{_MD}EntitiesDescriptor":
        raise TokenRefused("not metadata")
    return [each for each in root.findall(f"{_MD}EntityDescriptor") if _is_provider(each)]


def _is_provider(entity: Element) -> bool:
    return entity.find(f"{_MD}IDPSSODescriptor") is not None


def _service(role: Element, name: str) -> Element | None:
    for each in role.findall(f"{_MD}{name}"):
        if each.get("Binding") == REDIRECT:
            return each
    return None


def _certificates(role: Element) -> tuple[x509.Certificate, ...]:
    found = list[x509.Certificate]()
    for key in role.findall(f"{_MD}KeyDescriptor"):
        if key.get("use") not in {None, "signing"}:
            continue
        data = at_most_one(key, "ds:KeyInfo/ds:X509Data")
        if data is None:
            continue
        text = one(data, "ds:X509Certificate").text or ""
        try:
            der = base64.b64decode("".join(text.split()), validate=True)
            found.append(x509.load_der_x509_certificate(der))
        except ValueError as error:
            raise TokenRefused("a certificate that is none") from error
    if not 0 < len(found) <= _CERTIFICATES_MAX:
        raise TokenRefused("no certificate, or too many")
    return tuple(found)


def _time(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise TokenRefused("times") from error
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()


def _add_certificate(descriptor: Element, use: str, certificate: x509.Certificate) -> None:
    der = certificate.public_bytes(serialization.Encoding.DER)
    key = etree.SubElement(descriptor, f"{_MD}KeyDescriptor", use=use)
    data = etree.SubElement(
        etree.SubElement(key, f"{{{SIGNATURE}}}KeyInfo"), f"{{{SIGNATURE}}}X509Data"
    )
    etree.SubElement(data, f"{{{SIGNATURE}}}X509Certificate").text = base64.b64encode(der).decode()
