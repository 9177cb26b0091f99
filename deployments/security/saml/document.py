"""XML from a stranger: read without anything that XML can do beside holding elements and text."""

import re
from collections.abc import Iterator
from typing import Any, TypeAlias

from lxml import etree  # type: ignore[import-untyped]

from deployments.security.errors import TokenRefused

Element: TypeAlias = Any
"""An element of lxml, which has no types."""

PROTOCOL = "urn:oasis:names:tc:SAML:2.0:protocol"
ASSERTION = "urn:oasis:names:tc:SAML:2.0:assertion"
SIGNATURE = "http://www.w3.org/2000/09/xmldsig#"
ENCRYPTION = "http://www.w3.org/2001/04/xmlenc#"
METADATA = "urn:oasis:names:tc:SAML:2.0:metadata"
NAMES = {"p": PROTOCOL, "a": ASSERTION, "ds": SIGNATURE, "xenc": ENCRYPTION, "md": METADATA}

# Of Entra's with 150 groups, 40 KB.
DOCUMENT_MAX = 256 * 1024
# The schemas give an element nine at most. lxml looks for each from the first: 30,000 take minutes.
_ATTRIBUTES_MAX = 64
_DECLARATION = re.compile(r"^<\?xml [^>]{0,200}\?>\s*")
_ENCODING = re.compile(r"encoding\s*=\s*['\"](?i:utf-8)['\"]")


def read_document(xml: bytes) -> Element:
    """The root element.

    Comments and processing instructions are refused wherever they stand: readers differ in
    whether a text ends at one. So is a document type, which can hold entities, and any spelling
    but UTF-8.

    Raises:
        TokenRefused: it is no plain document of elements with unique IDs.
    """
    if len(xml) > DOCUMENT_MAX:
        raise TokenRefused("too long")
    try:
        text = xml.decode("utf-8")
    except UnicodeDecodeError as error:
        raise TokenRefused("encoding") from error
    if (declared := _DECLARATION.match(text)) is not None:
        if "encoding" in declared[0] and _ENCODING.search(declared[0]) is None:
            raise TokenRefused("encoding")
        text = text[declared.end() :]
    if "<!" in text or "<?" in text or "\x00" in text:
        # CDATA too: nobody writes a name in one.
        raise TokenRefused("markup")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False,
        huge_tree=False, recover=False, encoding="utf-8",
    )  # fmt: skip
    try:
        root = etree.fromstring(text.encode(), parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise TokenRefused("malformed") from error
    _check(root)
    return root


def one(parent: Element, path: str) -> Element:
    """The only child at `path`; raises TokenRefused if there is none, or several."""
    found = parent.findall(path, NAMES)
    if len(found) != 1:
        raise TokenRefused(f"not one {path.rpartition(':')[2]}")
    return found[0]


def at_most_one(parent: Element, path: str) -> Element | None:
    """The only child at `path`, None without; raises TokenRefused if there are several."""
    return one(parent, path) if parent.findall(path, NAMES) else None


def text_of(element: Element) -> str:
    """An element's text, which is all it holds; raises TokenRefused otherwise."""
    if len(element):
        raise TokenRefused("an element in a text")
    return str(element.text or "").strip()


def _check(root: Element) -> None:
    seen = set[str]()
    for element in root.iter():
        if not isinstance(element.tag, str):
            raise TokenRefused("markup")
        for name in _ids(element):
            if name in seen:
                raise TokenRefused("two of one ID")
            seen.add(name)


def _ids(element: Element) -> Iterator[str]:
    """What names an element, and raises TokenRefused where another reader might see another name."""
    if len(element.attrib) > _ATTRIBUTES_MAX:
        raise TokenRefused("too many attributes")
    own = element.tag.startswith((f"{{{SIGNATURE}}}", f"{{{ENCRYPTION}}}"))
    for key, value in element.attrib.items():
        local = str(key).rpartition("}")[2]
        if local.lower() != "id":
            continue
        if key != ("Id" if own else "ID"):
            raise TokenRefused("an ID by another name")
        yield str(value)
