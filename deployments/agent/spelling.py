"""What all spellings of a text have in common, so that a value is found however it was disguised: pure.

A model reads through them: `attacker&#64;evil.example` is an address to it, so it has to be one here.
"""

import re
from html import unescape
from unicodedata import normalize

from deployments.privacy.spelling import unescaped

# Controls, soft hyphen, joiners, direction marks, fillers, variation selectors and tags.
_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
# Marks over a letter, and signs: to sort a run of marks takes the square of its length, and no writing has
# more than a few over one letter.
_MARKS = re.compile(r"([^\w\s\x00-\x7f]{8})[^\w\s\x00-\x7f]+")
_CONTROLS = dict.fromkeys([*range(9), *range(14, 32), 127])
# What addresses and links are made of, as an address itself escapes it.
_PERCENT = re.compile(r"%(40|2[ef]|3a)", re.IGNORECASE)
# Of text whose spaces are single already: runs of them would be walked again from each of their places.
_SIGN = r"[\[({<] ?(at|dot|punkt|slash) ?[\])}>]"
_IN_BRACKETS, _WITH_SPACE = re.compile(_SIGN), re.compile(rf" ?{_SIGN} ?")
_SIGNS = {"at": "@", "dot": ".", "punkt": ".", "slash": "/"}
_DASHES = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"))
# An entity may stand for the sign that begins another; nobody writes three deep by accident.
_DEEP_MAX = 3


def plain(text: str) -> str:
    """The text without case, escapes and what nobody sees; spaces are single."""
    text = unescaped(text)
    for _ in range(_DEEP_MAX):
        if "&" not in text:
            break
        text = unescape(text)
    if "%" in text:
        text = _PERCENT.sub(lambda found: chr(int(found[1], 16)), text)
    if text.isascii():
        text = text.translate(_CONTROLS).casefold()
    else:
        text = _MARKS.sub(r"\1", _UNSEEN.sub("", text))
        text = normalize("NFKC", normalize("NFKC", text).casefold())
        text = text.translate(_DASHES)
    text = " ".join(text.split())
    if _IN_BRACKETS.search(text) is not None:
        text = _WITH_SPACE.sub(lambda found: _SIGNS[found[1]], text)
    return text
