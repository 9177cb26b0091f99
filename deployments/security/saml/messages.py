"""What we send to a provider of SAML in an address: requests and answers, packed and signed."""

import base64
import zlib
from urllib.parse import quote, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from lxml import etree  # type: ignore[import-untyped]

from config.saml import SamlProvider
from deployments.security.saml.document import ASSERTION, PROTOCOL, Element
from deployments.security.saml.files import Known
from deployments.security.saml.metadata import POST
from deployments.security.saml.names import PERSISTENT, NameId
from routing.clock import rfc3339

SUCCESS = "urn:oasis:names:tc:SAML:2.0:status:Success"
_RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
_P, _A = f"{{{PROTOCOL}}}", f"{{{ASSERTION}}}"


def authn_request(
    provider: SamlProvider, request_id: str, now: float, *, asks_anew: bool = False
) -> bytes:
    """Who is this? Where the configuration says how it has to be shown, or called, that too.

    With `asks_anew` a session that the person has with the provider does not suffice.
    """
    root = _message("AuthnRequest", provider, request_id, provider.sso_url, now)
    root.set("AssertionConsumerServiceURL", provider.recipient)
    root.set("ProtocolBinding", POST)
    if asks_anew:
        root.set("ForceAuthn", "true")
    if provider.persistent_names:
        # Not unasked: AD FS refuses a format that its rules do not issue, and to Entra ID the format
        # that is asked for counts before its own configuration, so that everybody is called anew.
        etree.SubElement(root, f"{_P}NameIDPolicy", Format=PERSISTENT, AllowCreate="true")
    if provider.authn_contexts:
        asked = etree.SubElement(root, f"{_P}RequestedAuthnContext", Comparison="exact")
        for context in provider.authn_contexts:
            etree.SubElement(asked, f"{_A}AuthnContextClassRef").text = context
    return bytes(etree.tostring(root))


def logout_request(
    provider: SamlProvider, request_id: str, name: NameId, session: str | None, now: float
) -> bytes:
    """This person left: their session at the provider ends too."""
    root = _message("LogoutRequest", provider, request_id, provider.slo_url or "", now)
    named = etree.SubElement(root, f"{_A}NameID", **name.qualifiers)
    named.text = name.text
    if session is not None:
        etree.SubElement(root, f"{_P}SessionIndex").text = session
    return bytes(etree.tostring(root))


def logout_response(
    provider: SamlProvider, answers: str, response_id: str, request_id: str, now: float
) -> bytes:
    """The sessions that the provider's request named are over here."""
    root = _message("LogoutResponse", provider, response_id, answers, now)
    root.set("InResponseTo", request_id)
    status = etree.SubElement(root, f"{_P}Status")
    etree.SubElement(status, f"{_P}StatusCode", Value=SUCCESS)
    return bytes(etree.tostring(root))


def redirect_to(
    known: Known, where: str, kind: str, message: bytes, relay_state: str | None
) -> str:
    """The message in an address (Bindings 3.4.4.1), signed if we have a key."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = base64.b64encode(deflate.compress(message) + deflate.flush()).decode()
    query = f"{kind}={quote(packed, safe='')}"
    if relay_state is not None:
        query += f"&RelayState={quote(relay_state, safe='')}"
    if known.key is not None:
        query += f"&SigAlg={quote(_RSA_SHA256, safe='')}"
        signature = known.key.sign(query.encode(), padding.PKCS1v15(), hashes.SHA256())
        query += f"&Signature={quote(base64.b64encode(signature).decode(), safe='')}"
    return f"{where}{'&' if urlsplit(where).query else '?'}{query}"


def _message(
    kind: str, provider: SamlProvider, message_id: str, destination: str, now: float
) -> Element:
    root = etree.Element(
        f"{_P}{kind}",
        nsmap={"samlp": PROTOCOL, "saml": ASSERTION},
        ID=message_id,
        Version="2.0",
        IssueInstant=rfc3339(now),
        Destination=destination,
    )
    etree.SubElement(root, f"{_A}Issuer").text = provider.entity_id
    return root
