"""Content words of a text, reduced to stems which can be compared.

Deliberately small: English suffixes and a stop list; no dictionary, no language detection.
"""

import re

_WORD = re.compile(r"[^\W_]+")

STOP_WORDS = frozenset(
    _WORD.findall("""
    a about after again all also always am an and any are as at be because been before being but by
    can cannot could d did do does doing don each for from get give got had has have having he hello
    her here hey hi him his how i if in into is it its just let like ll m may me might more most my
    need no not now of off on once one only or other our out over own please re s same she should so
    some such t tell than thank thanks that the their them then there these they this those through
    to too under up us use ve very want was we were what when where which while who whom why will
    with would yes you your
    """)
)

_PLURALS = (("ies", "y"), ("sses", "ss"), ("s", ""))
_ENDINGS = (("ation", ""), ("ment", ""), ("ing", ""), ("ed", ""))
_SHORTEST_STEM = 3


def stem(word: str) -> str:
    """Return the stem of a lower-case word: `refunds` and `refunding` both become `refund`."""
    if not word.isalpha():
        return word
    word = _without(_without(word, _PLURALS), _ENDINGS)
    if len(word) > _SHORTEST_STEM and word[-1] == word[-2]:
        word = word[:-1]
    if len(word) > _SHORTEST_STEM and word[-1] == "e":
        return word[:-1]
    return f"{word[:-1]}i" if word[-1] == "y" else word


def content_stems(text: str) -> list[str]:
    """Return the stems of the words which carry meaning, in the order of the text."""
    words = (word.lower() for word in _WORD.findall(text))
    return [stem(word) for word in words if word not in STOP_WORDS]


def _without(word: str, endings: tuple[tuple[str, str], ...]) -> str:
    for ending, replacement in endings:
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST_STEM:
            return word.removesuffix(ending) + replacement
    return word
