"""An identity provider of SAML in memory: it signs what it is told to, well or badly."""

import base64
import copy
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.x509.oid import NameOID
from lxml import etree  # type: ignore[import-untyped]
from signxml import methods
from signxml.algorithms import CanonicalizationMethod
from signxml.signer import XMLSigner

from deployments.security.saml.document import ASSERTION, PROTOCOL, SIGNATURE
from deployments.security.saml.response import Asserted, Expected, read_response

NOW = 1_767_225_600.0  # 2026-01-01T00:00:00Z
IDP = "https://idp.acme.test/saml"
SP = "https://support.acme.test/auth/sso/saml/acme"
ACS = f"{SP}/acs"
REQUEST = "_request"


def _pair(name: str) -> tuple[rsa.RSAPrivateKey, x509.Certificate]:
    key = rsa.generate_private_key(65_537, 2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    begins = datetime.fromtimestamp(NOW, UTC) - timedelta(days=900)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        # Long over, as half of all providers' are.
        .not_valid_after(begins + timedelta(days=365))
        .sign(key, hashes.SHA256())
    )
    return key, certificate


KEY, CERTIFICATE = _pair("idp")
EVIL_KEY, EVIL_CERTIFICATE = _pair("evil")
OWN_KEY, OWN_CERTIFICATE = _pair("sp")
EXPECTED = Expected(IDP, (CERTIFICATE,), SP, ACS, REQUEST, OWN_KEY)


def instant(seconds: float) -> str:
    """A time as SAML writes it."""
    return datetime.fromtimestamp(NOW + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


ASSERTION_XML = f"""<saml:Assertion xmlns:saml="{ASSERTION}" ID="_a" Version="2.0" IssueInstant="{instant(0)}">\
<saml:Issuer>{IDP}</saml:Issuer><saml:Subject><saml:NameID>ann</saml:NameID>\
<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData \
NotOnOrAfter="{instant(300)}" Recipient="{ACS}" InResponseTo="{REQUEST}"/></saml:SubjectConfirmation>\
</saml:Subject><saml:Conditions NotBefore="{instant(0)}" NotOnOrAfter="{instant(300)}">\
<saml:AudienceRestriction><saml:Audience>{SP}</saml:Audience></saml:AudienceRestriction></saml:Conditions>\
<saml:AuthnStatement AuthnInstant="{instant(0)}" SessionIndex="_s"><saml:AuthnContext>\
<saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:Password</saml:AuthnContextClassRef>\
</saml:AuthnContext></saml:AuthnStatement><saml:AttributeStatement><saml:Attribute Name="groups">\
<saml:AttributeValue>Agents</saml:AttributeValue><saml:AttributeValue>Staff</saml:AttributeValue>\
</saml:Attribute></saml:AttributeStatement></saml:Assertion>"""
RESPONSE_XML = f"""<samlp:Response xmlns:samlp="{PROTOCOL}" xmlns:saml="{ASSERTION}" ID="_r" Version="2.0" \
IssueInstant="{instant(0)}" Destination="{ACS}" InResponseTo="{REQUEST}"><saml:Issuer>{IDP}</saml:Issuer>\
<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>\
</samlp:Response>"""


def element(xml: str) -> Any:
    """Parsed."""
    return etree.fromstring(xml.encode())


def sign(root: Any, key: rsa.RSAPrivateKey = KEY, algorithm: str = "rsa-sha256") -> Any:
    """The element with an enveloped signature behind its issuer, as providers place it."""
    signer = XMLSigner(
        method=methods.enveloped,
        signature_algorithm=algorithm,
        c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    cert = CERTIFICATE.public_bytes(serialization.Encoding.PEM).decode()
    done = signer.sign(
        root, key=pem, cert=cert, reference_uri=f"#{root.get('ID')}", id_attribute="ID"
    )
    # Read anew: what is signed is what a reader sees.
    done = etree.fromstring(etree.tostring(done))
    signature = done.find(f"{{{SIGNATURE}}}Signature")
    done.remove(signature)
    done.insert(1, signature)
    return done


def assertion(change: Callable[[str], str] = str) -> Any:
    """The assertion, changed as text and not signed."""
    return element(change(ASSERTION_XML))


def response(*held: Any, change: Callable[[str], str] = str) -> Any:
    """A response around what it holds, not signed."""
    root = element(change(RESPONSE_XML))
    for each in held:
        root.append(copy.deepcopy(each))
    return root


def encrypted(held: Any, cipher: str = "http://www.w3.org/2009/xmlenc11#aes256-gcm") -> Any:
    """The assertion in an envelope for us."""
    secret, nonce = AESGCM.generate_key(256), b"n" * 12
    oaep = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)  # noqa: S303
    wrapped = base64.b64encode(OWN_KEY.public_key().encrypt(secret, oaep)).decode()
    sealed = base64.b64encode(nonce + AESGCM(secret).encrypt(nonce, etree.tostring(held), None))
    return element(
        f'<saml:EncryptedAssertion xmlns:saml="{ASSERTION}">'
        '<xenc:EncryptedData xmlns:xenc="http://www.w3.org/2001/04/xmlenc#" '
        'Type="http://www.w3.org/2001/04/xmlenc#Element">'
        f'<xenc:EncryptionMethod Algorithm="{cipher}"/><ds:KeyInfo xmlns:ds="{SIGNATURE}">'
        "<xenc:EncryptedKey><xenc:EncryptionMethod "
        'Algorithm="http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p"/><xenc:CipherData>'
        f"<xenc:CipherValue>{wrapped}</xenc:CipherValue></xenc:CipherData></xenc:EncryptedKey>"
        f"</ds:KeyInfo><xenc:CipherData><xenc:CipherValue>{sealed.decode()}</xenc:CipherValue>"
        "</xenc:CipherData></xenc:EncryptedData></saml:EncryptedAssertion>"
    )


def shown(root: Any, expected: Expected = EXPECTED, now: float = NOW) -> Asserted:
    """What comes of showing it to us, as an element or as bytes."""
    xml = root if isinstance(root, bytes) else etree.tostring(root)
    return read_response(base64.b64encode(xml).decode(), expected, now)
