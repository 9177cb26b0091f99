"""A SAML response: who signed on, if the provider we asked says so to us, now, and once."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.x509 import Certificate

from deployments.security.claims import LEEWAY_S
from deployments.security.errors import TokenRefused
from deployments.security.saml.document import (
    ASSERTION,
    DOCUMENT_MAX,
    NAMES,
    PROTOCOL,
    SIGNATURE,
    Element,
    at_most_one,
    one,
    read_document,
    text_of,
)
from deployments.security.saml.encryption import decrypted
from deployments.security.saml.names import NAME_MAX, NameId, person_in
from deployments.security.saml.signature import signed

_SUCCESS = "urn:oasis:names:tc:SAML:2.0:status:Success"
_BEARER = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
# Providers give five minutes to an hour.
_LIFE_MAX_S = 24 * 3600.0
_CONDITIONS = {f"{{{ASSERTION}}}{name}" for name in ("AudienceRestriction", "OneTimeUse")}


@dataclass(frozen=True, slots=True)
class Expected:
    """What an answer has to fit: whom we asked, who we are, and what we asked.

    `contexts` are the ways to show who one is of which one was demanded; any, where there is none.
    With `persistent` the name has to be of the format that says so.
    """

    issuer: str
    certificates: Sequence[Certificate]
    audience: str
    recipient: str
    request_id: str
    key: RSAPrivateKey | None = None
    contexts: Sequence[str] = ()
    persistent: bool = False


@dataclass(frozen=True, slots=True)
class Asserted:
    """Who signed on, by the provider's name, and what it says of them.

    `name_id` is the name as the provider knows it again, `issued_at` is when it said so (IssueInstant),
    `ends_at` when their session has to end (SessionNotOnOrAfter), `at` when they proved who they are
    (AuthnInstant), in seconds since the epoch.
    """

    name_id: NameId
    attributes: Mapping[str, list[str]]
    session: str | None
    issued_at: float
    ends_at: float | None
    at: float | None

    @property
    def name(self) -> str:
        """The name alone."""
        return self.name_id.text


def read_response(text: str, expected: Expected, now: float) -> Asserted:
    """Who signed on.

    What is read comes out of what was signed, never out of the document it came in. An answer
    nobody asked for is refused, so an answer is good once: the attempt it belongs to is.

    Raises:
        TokenRefused: the answer is anything else.
    """
    if len(text) > 2 * DOCUMENT_MAX:
        raise TokenRefused("too long")
    try:
        root = read_document(base64.b64decode("".join(text.split()), validate=True))
    except ValueError as error:
        raise TokenRefused("malformed") from error
    if root.tag != f"{{{PROTOCOL}}}Response" or root.get("Version") != "2.0":
        raise TokenRefused("not a response")
    head, assertion = _parts(root, expected, now)
    # Bindings 3.5.5.2: the destination must be there where the whole message is signed.
    _check_head(head, expected, whole=head is not root)
    _check_assertion(assertion, expected, now)
    return _asserted(assertion, expected)


def _parts(root: Element, expected: Expected, now: float) -> tuple[Element, Element]:
    """The response and its assertion, the latter signed itself or in the former."""
    plain = root.findall(f".//{{{ASSERTION}}}Assertion")
    sealed = root.findall(f".//{{{ASSERTION}}}EncryptedAssertion")
    (held,) = [*plain, *sealed] if len(plain) + len(sealed) == 1 else (None,)
    if held is None or held.getparent() is not root:
        raise TokenRefused("not one assertion")
    if root.findall(f".//{{{PROTOCOL}}}Response"):
        raise TokenRefused("a response in a response")
    for each in root.iter(f"{{{SIGNATURE}}}Signature"):
        if each.getparent() is not root and each.getparent() is not held:
            raise TokenRefused("a signature elsewhere")
    whole = at_most_one(root, "ds:Signature") is not None
    head = signed(root, root, "./", expected.certificates, now) if whole else root
    if sealed:
        return head, _opened(one(head, "a:EncryptedAssertion"), expected, now, whole=whole)
    if at_most_one(held, "ds:Signature") is not None:
        where = f"./{{{ASSERTION}}}Assertion/"
        return head, signed(root, held, where, expected.certificates, now)
    if not whole:
        raise TokenRefused("not signed")
    return head, one(head, "a:Assertion")


def _opened(envelope: Element, expected: Expected, now: float, *, whole: bool) -> Element:
    """The assertion in an envelope; `whole` if the envelope itself is signed."""
    if expected.key is None:
        raise TokenRefused("encryption")
    inner = read_document(decrypted(envelope, expected.key))
    if inner.tag != f"{{{ASSERTION}}}Assertion" or inner.findall(f".//{{{ASSERTION}}}Assertion"):
        raise TokenRefused("not one assertion")
    for each in inner.iter(f"{{{SIGNATURE}}}Signature"):
        if each.getparent() is not inner:
            raise TokenRefused("a signature elsewhere")
    if at_most_one(inner, "ds:Signature") is not None:
        return signed(inner, inner, "./", expected.certificates, now)
    if not whole:
        raise TokenRefused("not signed")
    return inner


def _check_head(head: Element, expected: Expected, *, whole: bool) -> None:
    if one(head, "p:Status/p:StatusCode").get("Value") != _SUCCESS:
        raise TokenRefused("status")
    destination = head.get("Destination")
    if destination != expected.recipient and (whole or destination is not None):
        raise TokenRefused("destination")
    issuer = at_most_one(head, "a:Issuer")
    if issuer is not None and text_of(issuer) != expected.issuer:
        raise TokenRefused("issuer")
    if head.get("InResponseTo") not in {None, expected.request_id}:
        raise TokenRefused("another request")


def _check_assertion(assertion: Element, expected: Expected, now: float) -> None:
    if assertion.get("Version") != "2.0" or not assertion.get("ID"):
        raise TokenRefused("version")
    if time_in(assertion.get("IssueInstant")) > now + LEEWAY_S:
        raise TokenRefused("not yet valid")
    if text_of(one(assertion, "a:Issuer")) != expected.issuer:
        raise TokenRefused("issuer")
    _check_conditions(one(assertion, "a:Conditions"), expected, now)
    statement = one(assertion, "a:AuthnStatement")
    if expected.contexts and _context(statement) not in expected.contexts:
        raise TokenRefused("authentication context")
    if (until := statement.get("SessionNotOnOrAfter")) is not None and time_in(until) <= now:
        raise TokenRefused("expired")
    if (at := statement.get("AuthnInstant")) is not None and time_in(at) > now + LEEWAY_S:
        raise TokenRefused("not yet valid")
    if not any(
        _confirms(each, expected, now)
        for each in one(assertion, "a:Subject").findall("a:SubjectConfirmation", NAMES)
    ):
        raise TokenRefused("confirmation")


def _check_conditions(conditions: Element, expected: Expected, now: float) -> None:
    # Core 2.5.1: what is not understood makes the whole assertion void.
    if any(child.tag not in _CONDITIONS for child in conditions):
        raise TokenRefused("conditions")
    if (begins := conditions.get("NotBefore")) is not None and time_in(begins) > now + LEEWAY_S:
        raise TokenRefused("not yet valid")
    ends_at = time_in(conditions.get("NotOnOrAfter"))
    if not now - LEEWAY_S < ends_at <= now + _LIFE_MAX_S:
        raise TokenRefused("expired")
    restrictions = conditions.findall("a:AudienceRestriction", NAMES)
    if not restrictions:
        raise TokenRefused("audience")
    for restriction in restrictions:
        if expected.audience not in [text_of(a) for a in restriction.findall("a:Audience", NAMES)]:
            raise TokenRefused("audience")


def _confirms(confirmation: Element, expected: Expected, now: float) -> bool:
    """Whether who brings the assertion may, here and in answer to our request."""
    data = at_most_one(confirmation, "a:SubjectConfirmationData")
    return (
        confirmation.get("Method") == _BEARER
        and data is not None
        and data.get("Recipient") == expected.recipient
        and data.get("InResponseTo") == expected.request_id
        and data.get("NotBefore") is None
        and time_in(data.get("NotOnOrAfter")) > now - LEEWAY_S
    )


def _asserted(assertion: Element, expected: Expected) -> Asserted:
    named = one(assertion, "a:Subject/a:NameID")
    name = person_in(named, persistent=expected.persistent)
    attributes = dict[str, list[str]]()
    for attribute in assertion.findall("a:AttributeStatement/a:Attribute", NAMES):
        values = [text_of(value) for value in attribute.findall("a:AttributeValue", NAMES)]
        attributes.setdefault(str(attribute.get("Name", "")), []).extend(values)
    statement = one(assertion, "a:AuthnStatement")
    session = statement.get("SessionIndex")
    if not session or len(session) > NAME_MAX:
        session = None
    until, at = statement.get("SessionNotOnOrAfter"), statement.get("AuthnInstant")
    return Asserted(
        name,
        attributes,
        session,
        issued_at=time_in(assertion.get("IssueInstant")),
        ends_at=None if until is None else time_in(until),
        at=None if at is None else time_in(at),
    )


def _context(statement: Element) -> str | None:
    """How it was shown; Core 2.7.2.2: by one class, or by a declaration that nobody here can read."""
    context = at_most_one(statement, "a:AuthnContext")
    named = None if context is None else at_most_one(context, "a:AuthnContextClassRef")
    return None if named is None else text_of(named)


def time_in(text: str | None) -> float:
    """Seconds since the epoch; SAML's times are UTC and say so."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError as error:
        raise TokenRefused("times") from error
    if moment.tzinfo is None:
        raise TokenRefused("times")
    return moment.astimezone(UTC).timestamp()
