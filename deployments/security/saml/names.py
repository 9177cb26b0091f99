"""What a provider of SAML calls somebody, with everything that belongs to the name."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from deployments.security.errors import TokenRefused
from deployments.security.saml.document import Element, text_of

_FORMATS = "urn:oasis:names:tc:SAML:2.0:nameid-format:"
PERSISTENT = f"{_FORMATS}persistent"
"""The format of names that stay with a person, and mean nothing to anybody else."""
# Core 8.3.8 and 8.3.6: a name for one session, and that of a system. Whoever is called by the first is
# somebody new each time: nobody who asked, approved or was put out before is known again.
_OF_NOBODY = {f"{_FORMATS}transient": "transient name", f"{_FORMATS}entity": "name of an entity"}
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


def person_in(element: Element, *, persistent: bool) -> NameId:
    """The same of somebody who signs on, and has to be called so the next time too.

    Raises:
        TokenRefused: it is for one session, or no person's, or has to be `persistent` and is not.
    """
    name = name_in(element)
    # The format is a URI, around which XML Schema lets white space stand.
    form = name.qualifiers.get("Format", "").strip()
    if form in _OF_NOBODY:
        raise TokenRefused(_OF_NOBODY[form])
    if persistent and form != PERSISTENT:
        raise TokenRefused("name format")
    return name
