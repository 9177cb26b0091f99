"""What a provider of SAML calls somebody, with everything that belongs to the name."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from deployments.security.errors import TokenRefused
from deployments.security.saml.document import Element, text_of

# Core 8.3.7: a persistent identifier has 256 characters at most.
NAME_MAX = 255
_QUALIFIERS = ("Format", "NameQualifier", "SPNameQualifier", "SPProvidedID")
_QUALIFIER_MAX = 255


@dataclass(frozen=True, slots=True)
class NameId:
    """A name and its qualifiers; a provider knows a name again only with the same ones."""

    text: str
    qualifiers: Mapping[str, str] = field(default_factory=dict)


def name_in(element: Element) -> NameId:
    """The name that an element holds; raises TokenRefused if nobody can be called that."""
    text = text_of(element)
    if not 0 < len(text) <= NAME_MAX or not text.isprintable():
        raise TokenRefused("name")
    found = {key: str(element.get(key)) for key in _QUALIFIERS if element.get(key)}
    if any(len(value) > _QUALIFIER_MAX for value in found.values()):
        raise TokenRefused("name")
    return NameId(text, found)
