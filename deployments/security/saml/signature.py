"""What an identity provider signed, and exactly that: nothing else of a document is ever read."""

from collections.abc import Sequence
from datetime import UTC, datetime

from cryptography.x509 import Certificate
from lxml import etree  # type: ignore[import-untyped]
from signxml.algorithms import DigestAlgorithm, SignatureMethod
from signxml.exceptions import SignXMLException
from signxml.verifier import SignatureConfiguration, XMLVerifier

from deployments.security.errors import TokenRefused
from deployments.security.saml.document import NAMES, Element, at_most_one, one

_EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
_ENVELOPED = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
_METHODS = frozenset(
    {
        SignatureMethod.RSA_SHA256, SignatureMethod.RSA_SHA384, SignatureMethod.RSA_SHA512,
        SignatureMethod.ECDSA_SHA256, SignatureMethod.ECDSA_SHA384, SignatureMethod.ECDSA_SHA512,
    }
)  # fmt: skip
_DIGESTS = frozenset({DigestAlgorithm.SHA256, DigestAlgorithm.SHA384, DigestAlgorithm.SHA512})


def signed(
    root: Element, element: Element, where: str, certificates: Sequence[Certificate], now: float
) -> Element:
    """`element` as it was signed by the holder of one of the certificates.

    `where` is the path from the root to the parent of the signature. The signature has one
    reference, to the element it stands in, and leaves nothing of it out but itself.

    Raises:
        TokenRefused: it is not signed so.
    """
    _check_shape(element)
    for certificate in certificates:
        found = _verified(root, where, certificate, now)
        if found is not None:
            break
    else:
        raise TokenRefused("signature")
    if found.tag != element.tag or found.get("ID") != element.get("ID"):
        raise TokenRefused("something else is signed")
    return found


def _check_shape(element: Element) -> None:
    signature = one(element, "ds:Signature")
    info = one(signature, "ds:SignedInfo")
    reference = one(info, "ds:Reference")
    if not element.get("ID") or reference.get("URI") != f"#{element.get('ID')}":
        raise TokenRefused("reference")
    listed = one(reference, "ds:Transforms").findall("ds:Transform", NAMES)
    names = [transform.get("Algorithm") for transform in listed]
    if names not in ([_ENVELOPED, _EXCLUSIVE], [_ENVELOPED]):
        raise TokenRefused("transforms")
    if one(info, "ds:CanonicalizationMethod").get("Algorithm") != _EXCLUSIVE:
        raise TokenRefused("transforms")
    if at_most_one(signature, "ds:Object") is not None:
        raise TokenRefused("an object in the signature")


def _verified(root: Element, where: str, certificate: Certificate, now: float) -> Element | None:
    """What `certificate` signed; None if it signed nothing here."""
    # Certificates are pinned keys here and nothing more: their dates say nothing about trust, and
    # providers sign with expired ones for years.
    at = min(
        max(datetime.fromtimestamp(now, UTC), certificate.not_valid_before_utc),
        certificate.not_valid_after_utc,
    )
    expected = SignatureConfiguration(
        location=where,
        expect_references=1,
        signature_methods=_METHODS,
        digest_algorithms=_DIGESTS,
        ignore_ambiguous_key_info=True,
        verification_time=at,
    )
    try:
        result = XMLVerifier().verify(
            etree.tostring(root), x509_cert=certificate, id_attribute="ID", expect_config=expected
        )
    except (
        SignXMLException, etree.LxmlError, ValueError, TypeError, KeyError, AttributeError,
    ):  # fmt: skip
        return None
    return result[0].signed_xml if isinstance(result, list) else result.signed_xml
