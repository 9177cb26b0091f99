"""A message of a provider of SAML about signing off, by either binding, if the provider signed it."""

import base64
import re
import zlib
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.x509 import Certificate

from deployments.security.claims import LEEWAY_S
from deployments.security.errors import TokenRefused
from deployments.security.saml.document import (
    ASSERTION,
    DOCUMENT_MAX,
    PROTOCOL,
    Element,
    at_most_one,
    one,
    read_document,
    text_of,
)
from deployments.security.saml.encryption import decrypted
from deployments.security.saml.files import Known
from deployments.security.saml.names import NAME_MAX, NameId, name_in
from deployments.security.saml.response import time_in
from deployments.security.saml.signature import signed

# A message is shown at once; browsers and clocks get five minutes, as logout tokens do.
MESSAGE_LIFE_S = 300.0
_SESSIONS_MAX = 100
_PARTS = frozenset({"SAMLRequest", "SAMLResponse", "RelayState", "SigAlg", "Signature"})
_MORE = "http://www.w3.org/2001/04/xmldsig-more#"
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512(),
}  # fmt: skip
_METHOD = re.compile(re.escape(_MORE) + r"(rsa|ecdsa)-(sha256|sha384|sha512)")


@dataclass(frozen=True, slots=True)
class Received:
    """A message that the provider signed, for us."""

    root: Element
    is_request: bool
    relay_state: str | None


@dataclass(frozen=True, slots=True)
class Leaving:
    """Whose sessions the provider ends: those of the names, or all of the person's without any.

    `at` is when it says so, in seconds since the epoch.
    """

    request_id: str
    at: float
    name: NameId
    sessions: tuple[str, ...]


def by_redirect(query: str, known: Known, now: float) -> Received:
    """The message in an address, whose query is `query` as it was sent.

    The signature is over the very letters that were sent, so they are not decoded before.

    Raises:
        TokenRefused: the provider did not sign that, or it is not for us, or not for now.
    """
    raw = _parts_of(query)
    kind = _kind(raw)
    if not {"SigAlg", "Signature"} <= raw.keys():
        raise TokenRefused("not signed")
    names = [name for name in (kind, "RelayState", "SigAlg") if name in raw]
    what = "&".join(f"{name}={raw[name]}" for name in names).encode()
    method = _METHOD.fullmatch(_text(raw["SigAlg"]))
    if method is None:
        raise TokenRefused("signature")
    signature = _decoded(_text(raw["Signature"]))
    if not any(_signed_by(each, method, what, signature) for each in known.certificates):
        raise TokenRefused("signature")
    root = read_document(_inflated(_decoded(_text(raw[kind]))))
    relay_state = _text(raw["RelayState"]) if "RelayState" in raw else None
    return _received(root, kind, relay_state, known, now)


def by_form(form: dict[str, str], known: Known, now: float) -> Received:
    """The message in a form, signed inside; raises TokenRefused as `by_redirect`."""
    kind = _kind(form)
    if len(form[kind]) > 2 * DOCUMENT_MAX:
        raise TokenRefused("too long")
    root = read_document(_decoded("".join(form[kind].split())))
    if at_most_one(root, "ds:Signature") is None:
        raise TokenRefused("not signed")
    root = signed(root, root, "./", known.certificates, now)
    return _received(root, kind, form.get("RelayState"), known, now)


def leaving_in(received: Received, known: Known, now: float) -> Leaving:
    """Who is to be signed off; raises TokenRefused where a LogoutRequest does not say it."""
    root = received.root
    if (until := root.get("NotOnOrAfter")) is not None and time_in(until) <= now - LEEWAY_S:
        raise TokenRefused("expired")
    if (sealed := at_most_one(root, "a:EncryptedID")) is None:
        named = one(root, "a:NameID")
    else:
        if known.key is None or at_most_one(root, "a:NameID") is not None:
            raise TokenRefused("encryption")
        named = read_document(decrypted(sealed, known.key))
        if named.tag != f"{{{ASSERTION}}}NameID":
            raise TokenRefused("name")
    sessions = tuple(text_of(each) for each in root.findall(f"{{{PROTOCOL}}}SessionIndex"))
    if len(sessions) > _SESSIONS_MAX or any(not 0 < len(s) <= NAME_MAX for s in sessions):
        raise TokenRefused("sessions")
    at = time_in(root.get("IssueInstant"))
    return Leaving(str(root.get("ID")), at, name_in(named), sessions)


def _received(
    root: Element, kind: str, relay_state: str | None, known: Known, now: float
) -> Received:
    is_request = kind == "SAMLRequest"
    expected = "LogoutRequest" if is_request else "LogoutResponse"
    if root.tag != f"{{{PROTOCOL}}}{expected}" or root.get("Version") != "2.0":
        raise TokenRefused("not about signing off")
    if not 0 < len(root.get("ID") or "") <= NAME_MAX:
        raise TokenRefused("version")
    if text_of(one(root, "a:Issuer")) != known.provider.issuer:
        raise TokenRefused("issuer")
    # Bindings 3.4.5.2 and 3.5.5.2: where a message is signed it has to say for whom it is.
    if root.get("Destination") != known.provider.sign_off:
        raise TokenRefused("destination")
    if not -LEEWAY_S <= now - time_in(root.get("IssueInstant")) < MESSAGE_LIFE_S:
        raise TokenRefused("expired")
    return Received(root, is_request, relay_state)


def _parts_of(query: str) -> dict[str, str]:
    """The parameters as they were sent; nothing stands twice, and nothing else stands beside them."""
    found = dict[str, str]()
    for part in query.split("&"):
        name, _, value = part.partition("=")
        if name in found or name not in _PARTS:
            raise TokenRefused("parameters")
        found[name] = value
    return found


def _kind(parts: dict[str, str]) -> str:
    kinds = [name for name in ("SAMLRequest", "SAMLResponse") if name in parts]
    if len(kinds) != 1:
        raise TokenRefused("parameters")
    return kinds[0]


def _text(raw: str) -> str:
    try:
        return unquote_to_bytes(raw.replace("+", "%20")).decode()
    except UnicodeDecodeError as error:
        raise TokenRefused("parameters") from error


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise TokenRefused("malformed") from error


def _inflated(packed: bytes) -> bytes:
    """Unpacked, as far as a document may be long: a thousand bytes can hold a million."""
    unpacking = zlib.decompressobj(-15)
    try:
        xml = unpacking.decompress(packed, DOCUMENT_MAX + 1)
    except zlib.error as error:
        raise TokenRefused("malformed") from error
    if len(xml) > DOCUMENT_MAX or not unpacking.eof or unpacking.unused_data:
        raise TokenRefused("malformed")
    return xml


def _signed_by(
    certificate: Certificate, method: re.Match[str], what: bytes, signature: bytes
) -> bool:
    key, hashing = certificate.public_key(), _HASHES[method[2]]
    try:
        if method[1] == "rsa" and isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, what, padding.PKCS1v15(), hashing)
            return True
        if method[1] == "ecdsa" and isinstance(key, ec.EllipticCurvePublicKey):
            # XML Signature writes both numbers one behind the other, each as long as the curve.
            size = (key.curve.key_size + 7) // 8
            if len(signature) != 2 * size:
                return False
            r, s = (int.from_bytes(half, "big") for half in (signature[:size], signature[size:]))
            key.verify(encode_dss_signature(r, s), what, ec.ECDSA(hashing))
            return True
    except InvalidSignature:
        return False
    return False
