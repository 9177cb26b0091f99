"""Signature wrapping and everything else that was ever done to a SAML response: none is believed."""

import base64
import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree  # type: ignore[import-untyped]

from deployments.security.errors import TokenRefused
from deployments.security.saml.document import ASSERTION, PROTOCOL, SIGNATURE
from deployments.security.saml.response import read_response
from tests.unit.security.saml_world import (
    ACS,
    CERTIFICATE,
    EVIL_CERTIFICATE,
    EVIL_KEY,
    EXPECTED,
    IDP,
    NOW,
    REQUEST,
    SP,
    assertion,
    element,
    encrypted,
    instant,
    response,
    shown,
    sign,
)

Made = Callable[[], Any]
DS = f"{{{SIGNATURE}}}"
SAML = f"{{{ASSERTION}}}"

GOOD: dict[str, Made] = {
    "the assertion signed": lambda: response(sign(assertion())),
    "the response signed": lambda: sign(response(assertion())),
    "both signed": lambda: sign(response(sign(assertion()))),
    "an encrypted assertion, signed inside": lambda: response(encrypted(sign(assertion()))),
    "an encrypted assertion in a signed response": lambda: sign(response(encrypted(assertion()))),
    "both, encrypted": lambda: sign(response(encrypted(sign(assertion())))),
    "by SHA-512": lambda: response(sign(assertion(), algorithm="rsa-sha512")),
}


@pytest.mark.parametrize("name", GOOD)
def test_an_answer_to_our_question_says_who_signed_on(name: str) -> None:
    """In every shape that Entra, Okta and ADFS send."""
    found = shown(GOOD[name]())
    assert (found.name, found.session) == ("ann", "_s")
    assert found.attributes == {"groups": ["Agents", "Staff"]}


def evil(**ids: str) -> Any:
    """The assertion of somebody else."""
    made = assertion(lambda text: text.replace("ann", "root"))
    made.set("ID", ids.get("ID", "_evil"))
    return made


def wrapped(build: Callable[[Any, Any], Any]) -> Made:
    """A truly signed response or assertion, and what is built around it."""
    return lambda: build(response(sign(assertion())), evil())


def _xsw1() -> Any:
    """The signed response inside the signature of a forged one."""
    good = sign(response(assertion()))
    forged = copy.deepcopy(good)
    forged.set("ID", "_evil")
    forged.find(f"{SAML}Assertion").find(f".//{SAML}NameID").text = "root"
    signature = forged.find(f"{DS}Signature")
    inner = copy.deepcopy(good)
    inner.remove(inner.find(f"{DS}Signature"))
    etree.SubElement(signature, f"{DS}Object").append(inner)
    return forged


def _xsw2() -> Any:
    """The signed response beside its signature."""
    good = sign(response(assertion()))
    forged = copy.deepcopy(good)
    forged.set("ID", "_evil")
    forged.find(f".//{SAML}NameID").text = "root"
    inner = copy.deepcopy(good)
    inner.remove(inner.find(f"{DS}Signature"))
    forged.insert(0, inner)
    return forged


def _xsw3(good: Any, bad: Any) -> Any:
    good.insert(0, bad)
    return good


def _xsw4(good: Any, bad: Any) -> Any:
    held = good.find(f"{SAML}Assertion")
    good.remove(held)
    bad.append(held)
    good.append(bad)
    return good


def _xsw5(good: Any, bad: Any) -> Any:
    """The signature taken into the forged assertion, the true one at the end."""
    held = good.find(f"{SAML}Assertion")
    bad.insert(1, held.find(f"{DS}Signature"))
    good.insert(0, bad)
    return good


def _xsw6(good: Any, bad: Any) -> Any:
    """The true assertion inside the signature inside the forged one."""
    held = good.find(f"{SAML}Assertion")
    signature = held.find(f"{DS}Signature")
    good.remove(held)
    held.remove(signature)
    signature.append(held)
    bad.insert(1, signature)
    good.append(bad)
    return good


def _xsw7(good: Any, bad: Any) -> Any:
    extensions = etree.SubElement(good, f"{{{PROTOCOL}}}Extensions")
    extensions.append(bad)
    return good


def _xsw8(good: Any, bad: Any) -> Any:
    """The true assertion in an object of its signature, which is in the forged one."""
    held = good.find(f"{SAML}Assertion")
    signature = held.find(f"{DS}Signature")
    good.remove(held)
    held.remove(signature)
    etree.SubElement(signature, f"{DS}Object").append(held)
    bad.insert(1, signature)
    good.append(bad)
    return good


def _same_id(good: Any, bad: Any) -> Any:
    bad.set("ID", "_a")
    good.insert(0, bad)
    return good


def _in_place(good: Any, bad: Any) -> Any:
    """The signature stays and points nowhere."""
    good.find(f".//{SAML}NameID").text = "root"
    return good


def _moved_signature(good: Any, bad: Any) -> Any:
    """The assertion's signature as the response's."""
    held = good.find(f"{SAML}Assertion")
    good.insert(1, held.find(f"{DS}Signature"))
    return good


def truly(change: Callable[[str], str]) -> Made:
    """Signed by the provider, and not what we asked for."""
    return lambda: response(sign(assertion(change)))


def replaced(old: str, new: str) -> Made:
    def change(text: str) -> str:
        assert old in text
        return text.replace(old, new)

    return truly(change)


def signed_head(old: str, new: str) -> Made:
    return lambda: sign(response(assertion(), change=lambda text: text.replace(old, new)))


def as_text(change: Callable[[str], str]) -> Made:
    """A good answer, changed on its way."""

    def made() -> bytes:
        text = etree.tostring(response(sign(assertion()))).decode()
        changed = change(text)
        assert changed != text
        return changed.encode()

    return made


def cut(xpath: str) -> Made:
    def made() -> Any:
        held = assertion()
        gone = held.find(xpath)
        gone.getparent().remove(gone)
        return response(sign(held))

    return made


DTD = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
LAUGHS = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>'
CONFIRMED = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
SPACES = "http://www.w3.org/2000/09/xmldsig#"

ATTACKS: dict[str, Made] = {
    "not signed": lambda: response(assertion()),
    "not signed, encrypted": lambda: response(encrypted(assertion())),
    "XSW1": _xsw1,
    "XSW2": _xsw2,
    "XSW3": wrapped(_xsw3),
    "XSW4": wrapped(_xsw4),
    "XSW5": wrapped(_xsw5),
    "XSW6": wrapped(_xsw6),
    "XSW7": wrapped(_xsw7),
    "XSW8": wrapped(_xsw8),
    "two of one ID": wrapped(_same_id),
    "the name changed": wrapped(_in_place),
    "the signature moved up": wrapped(_moved_signature),
    "a forged one in an encrypted envelope beside": lambda: _xsw3(
        response(sign(assertion())), encrypted(evil())
    ),
    "encrypted, with an assertion inside the assertion": lambda: response(
        encrypted(_with_child(sign(assertion()), evil()))
    ),
    "another's signature": lambda: response(sign(assertion(), EVIL_KEY)),
    "another's signature on the response": lambda: sign(response(assertion()), EVIL_KEY),
    "another's on the response, the provider's on the assertion": lambda: sign(
        response(sign(assertion())), EVIL_KEY
    ),
    "another's on the assertion, the provider's on the response": lambda: sign(
        response(sign(assertion(), EVIL_KEY))
    ),
    "HMAC": lambda: _algorithm("http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"),
    "RSA-SHA1": lambda: _algorithm("http://www.w3.org/2000/09/xmldsig#rsa-sha1"),
    "an empty signature value": as_text(
        lambda text: _between(text, "SignatureValue>", "</", "SignatureValue>")
    ),
    "an XSLT transform": as_text(
        lambda text: text.replace(
            f"{SPACES}enveloped-signature", "http://www.w3.org/TR/1999/REC-xslt-19991116"
        )
    ),
    "an XPath transform": as_text(
        lambda text: text.replace(
            f"{SPACES}enveloped-signature", "http://www.w3.org/TR/1999/REC-xpath-19991116"
        )
    ),
    "a reference to the whole document": as_text(lambda text: text.replace('URI="#_a"', 'URI=""')),
    "a reference elsewhere": as_text(lambda text: text.replace('URI="#_a"', 'URI="#_r"')),
    "a reference abroad": as_text(
        lambda text: text.replace('URI="#_a"', 'URI="https://evil.test/#_a"')
    ),
    "no reference": as_text(lambda text: text.replace(' URI="#_a"', "")),
    "XXE": as_text(lambda text: DTD + text.replace("ann", "&e;")),
    "a document type": as_text(lambda text: "<!DOCTYPE x>" + text),
    "a billion laughs": as_text(lambda text: LAUGHS + text.replace("ann", "&b;")),
    "an entity in a name": as_text(lambda text: text.replace("ann", "&e;")),
    "a comment in the name": truly(lambda text: text.replace("ann", "an<!---->n")),
    "a comment put into the name": as_text(lambda text: text.replace("ann", "ann<!---->")),
    "an instruction in the name": as_text(lambda text: text.replace("ann", "ann<?x?>")),
    "CDATA in the name": as_text(lambda text: text.replace("ann", "<![CDATA[ann]]>")),
    "an element in the name": truly(
        lambda text: text.replace("ann", "ann<saml:X/>.evil")
    ),
    "two names": truly(
        lambda text: text.replace(
            "<saml:NameID>", "<saml:NameID>root</saml:NameID><saml:NameID>", 1
        )
    ),
    "an element in a group": truly(lambda text: text.replace("Agents", "Agents<saml:X/>")),
    "UTF-16": lambda: etree.tostring(response(sign(assertion())), encoding="UTF-16"),
    "UTF-7 announced": as_text(lambda text: '<?xml version="1.0" encoding="UTF-7"?>' + text),
    "a second root": as_text(lambda text: text + "<x/>"),
    "an instruction behind": as_text(lambda text: text + "<?x?>"),
    "an id in small letters": wrapped(lambda good, bad: _with(good, "id", "_a")),
    "an xml:id": wrapped(
        lambda good, bad: _with(good, "{http://www.w3.org/XML/1998/namespace}id", "_x")
    ),
    "another issuer": replaced(IDP, "https://evil.test/saml"),
    "another issuer of the response": lambda: response(
        sign(assertion()), change=lambda text: text.replace(IDP, "https://evil.test/saml")
    ),
    "no issuer": cut(f"{SAML}Issuer"),
    "another audience": replaced(f"<saml:Audience>{SP}", "<saml:Audience>https://other.test"),
    "an audience that begins with ours": replaced(f"<saml:Audience>{SP}", f"<saml:Audience>{SP}.evil"),
    "no audience": cut(f"{SAML}Conditions/{SAML}AudienceRestriction"),
    "a second restriction without us": replaced(
        "</saml:Conditions>",
        "<saml:AudienceRestriction><saml:Audience>x</saml:Audience></saml:AudienceRestriction></saml:Conditions>",
    ),
    "a condition nobody knows": replaced("</saml:Conditions>", "<saml:Condition/></saml:Conditions>"),
    "no conditions": cut(f"{SAML}Conditions"),
    "another recipient": replaced(f'Recipient="{ACS}"', 'Recipient="https://evil.test/acs"'),
    "a recipient that begins with ours": replaced(f'Recipient="{ACS}"', f'Recipient="{ACS}.evil"'),
    "no recipient": replaced(f'Recipient="{ACS}" ', ""),
    "another request": replaced(f'InResponseTo="{REQUEST}"', 'InResponseTo="_other"'),
    "no request": replaced(f' InResponseTo="{REQUEST}"', ""),
    "another request of the response": lambda: response(
        sign(assertion()), change=lambda text: text.replace(REQUEST, "_other")
    ),
    "another destination": lambda: response(
        sign(assertion()), change=lambda text: text.replace(ACS, "https://evil.test/acs")
    ),
    "a destination that begins with ours": signed_head(ACS, ACS + ".evil"),
    "no destination in a signed response": signed_head(f' Destination="{ACS}"', ""),
    "sender-vouches": replaced(CONFIRMED, "urn:oasis:names:tc:SAML:2.0:cm:sender-vouches"),
    "holder of a key": replaced(CONFIRMED, "urn:oasis:names:tc:SAML:2.0:cm:holder-of-key"),
    "no confirmation": cut(f"{SAML}Subject/{SAML}SubjectConfirmation"),
    "expired conditions": replaced(
        f'NotBefore="{instant(0)}" NotOnOrAfter="{instant(300)}"',
        f'NotBefore="{instant(-900)}" NotOnOrAfter="{instant(-600)}"',
    ),
    "conditions without an end": replaced(
        f'NotBefore="{instant(0)}" NotOnOrAfter="{instant(300)}"', f'NotBefore="{instant(0)}"'
    ),
    "conditions without end": replaced(
        f'NotBefore="{instant(0)}" NotOnOrAfter="{instant(300)}"',
        f'NotBefore="{instant(0)}" NotOnOrAfter="{instant(9e8)}"',
    ),
    "not yet": replaced(f'NotBefore="{instant(0)}"', f'NotBefore="{instant(600)}"'),
    "issued in a time to come": replaced(
        f'IssueInstant="{instant(0)}"', f'IssueInstant="{instant(600)}"'
    ),
    "issued at no time": replaced(f' IssueInstant="{instant(0)}"', ""),
    "a time of no zone": replaced(instant(300), instant(300)[:-1]),
    "a time of nonsense": replaced(instant(300), "soon"),
    "a session that is over": replaced(
        "SessionIndex", f'SessionNotOnOrAfter="{instant(-1)}" SessionIndex'
    ),
    "no statement": cut(f"{SAML}AuthnStatement"),
    "no name": cut(f"{SAML}Subject/{SAML}NameID"),
    "an empty name": replaced("ann", ""),
    "a name of two lines": replaced("ann", "an&#10;n"),
    "version 1.1": replaced('Version="2.0"', 'Version="1.1"'),
    "a failure": lambda: response(
        sign(assertion()), change=lambda text: text.replace("status:Success", "status:Requester")
    ),
    "two statuses": lambda: _xsw3(
        response(sign(assertion())),
        element(f'<p:Status xmlns:p="{PROTOCOL}"><p:StatusCode Value="x"/></p:Status>'),
    ),
    "a request": lambda: element(f'<p:AuthnRequest xmlns:p="{PROTOCOL}" Version="2.0"/>'),
    "the assertion alone": lambda: sign(assertion()),
    "a response in a response": lambda: _xsw3(response(sign(assertion())), response(change=_other_id)),
    "CBC": lambda: response(
        encrypted(sign(assertion()), "http://www.w3.org/2001/04/xmlenc#aes256-cbc")
    ),
    "no encryption": lambda: response(encrypted(sign(assertion()), "")),
    "a smaller cipher": lambda: response(
        encrypted(sign(assertion()), "http://www.w3.org/2009/xmlenc11#aes128-gcm")
    ),
    "nothing": lambda: b"",
    "text": lambda: b"hello",
    "an empty element": lambda: b"<x/>",
    "a very deep document": lambda: b"<a>" * 5000 + b"</a>" * 5000,
    "a huge one": lambda: b"<a>" + b"x" * 300_000 + b"</a>",
}  # fmt: skip


def _with(good: Any, name: str, value: str) -> Any:
    good.set(name, value)
    return good


def _with_child(parent: Any, child: Any) -> Any:
    parent.append(child)
    return parent


def _other_id(text: str) -> str:
    return text.replace('"_r"', '"_r2"')


def _between(text: str, begin: str, end: str, tag: str) -> str:
    head, _, rest = text.partition(begin)
    return head + begin + rest[rest.index(end) :]


def _algorithm(name: str) -> Any:
    good = response(sign(assertion()))
    good.find(f".//{DS}SignatureMethod").set("Algorithm", name)
    return good


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_refused(name: str) -> None:
    """With a refusal, and with no other error."""
    with pytest.raises(TokenRefused):
        shown(ATTACKS[name]())


@pytest.mark.parametrize("name", GOOD)
def test_a_good_answer_is_good_for_nobody_else(name: str) -> None:
    """Another provider, service, address, request, certificate, and a later time."""
    good = GOOD[name]()
    for other in (
        replace(EXPECTED, issuer="https://other.test"),
        replace(EXPECTED, audience="https://other.test"),
        replace(EXPECTED, recipient="https://other.test/acs"),
        replace(EXPECTED, request_id="_other"),
        replace(EXPECTED, certificates=(EVIL_CERTIFICATE,)),
        replace(EXPECTED, certificates=()),
    ):
        with pytest.raises(TokenRefused):
            shown(good, other)
    for now in (NOW - 600, NOW + 361):
        with pytest.raises(TokenRefused):
            shown(good, now=now)


def test_a_certificate_that_comes_next_is_good_already() -> None:
    """Both stand in the configuration while the provider changes over."""
    both = replace(EXPECTED, certificates=(EVIL_CERTIFICATE, CERTIFICATE))
    assert shown(response(sign(assertion())), both).name == "ann"


def test_who_has_no_key_reads_no_encrypted_assertion() -> None:
    with pytest.raises(TokenRefused, match="encryption"):
        shown(GOOD["both, encrypted"](), replace(EXPECTED, key=None))


MFA = "https://refeds.org/profile/mfa"
ORDINARY = "urn:oasis:names:tc:SAML:2.0:ac:classes:Password"


def _shown_by(context: str) -> Any:
    return response(sign(assertion(lambda text: text.replace(ORDINARY, context))))


def test_where_a_second_factor_is_demanded_an_answer_without_one_is_refused() -> None:
    """The class says it to the letter, and no other part of the answer does."""
    demanding = replace(EXPECTED, contexts=(MFA,))
    assert shown(_shown_by(MFA), demanding).name == "ann"
    for context in (ORDINARY, f"{MFA}/", MFA.upper(), "", f"{MFA} {ORDINARY}"):
        with pytest.raises(TokenRefused, match="authentication context"):
            shown(_shown_by(context), demanding)
    twice = f"{MFA}</saml:AuthnContextClassRef><saml:AuthnContextClassRef>{ORDINARY}"
    for hidden in (twice, f"<x>{MFA}</x>"):
        with pytest.raises(TokenRefused):
            shown(_shown_by(hidden), demanding)

    def declared(text: str) -> str:
        return text.replace("AuthnContextClassRef", "AuthnContextDeclRef").replace(ORDINARY, MFA)

    with pytest.raises(TokenRefused, match="authentication context"):
        shown(response(sign(assertion(declared))), demanding)


# A signature takes a millisecond, on a busy machine a hundred.
UNHURRIED = settings(deadline=None)


_BYTES = etree.tostring(response(sign(assertion())))


@UNHURRIED
@given(st.integers(0, len(_BYTES) - 1), st.integers(0, 255))
def test_one_byte_changed_never_makes_somebody_else(at: int, byte: int) -> None:
    """Refused, or the very person that was signed: a byte between elements may be any space."""
    changed = _BYTES[:at] + bytes([byte]) + _BYTES[at + 1 :]
    try:
        found = shown(changed)
    except TokenRefused:
        return
    assert (found.name, found.attributes) == ("ann", {"groups": ["Agents", "Staff"]})


@UNHURRIED
@given(st.text())
def test_any_text_is_refused(text: str) -> None:
    for shape in (text, base64.b64encode(text.encode()).decode()):
        with pytest.raises(TokenRefused):
            read_response(shape, EXPECTED, NOW)


def test_an_element_with_thousands_of_attributes_is_refused_before_they_are_read() -> None:
    """Reading them one by one takes a time that grows with the square of their number."""
    wide = response(sign(assertion()))
    for number in range(65):
        wide.set(f"a{number}", "")
    with pytest.raises(TokenRefused, match="too many attributes"):
        shown(wide)
