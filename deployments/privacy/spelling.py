"""How the same word is written: with or without spaces beside it, composed or not, escaped as JSON does."""

import re
from unicodedata import normalize

# Scripts that write no spaces between words, or glue particles to them: Thai to Tibetan, Burmese,
# Khmer, Korean, Chinese and Japanese. Their digits are digits and not among these.
UNSPACED = (
    "\u0e01-\u0e4f\u0e81-\u0ecf\u0edc-\u0f1f\u0f2a-\u103f\u104a-\u108f\u109a-\u109f\u1100-\u11ff"
    "\u1780-\u17df\u17ea-\u17ff\u2e80-\u2fdf\u3005-\u3007\u3021-\u4dbf\u4e00-\u9fff"
    "\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\uff66-\uff9f\U0001aff0-\U0001b16f\U00020000-\U0003ffff"
)
"""As the inside of a pattern's character class."""
WORD = rf"[^\W{UNSPACED}]"
"""A character that makes what stands beside it a part of its word, as a pattern."""
INVISIBLE = "\u00ad\u200b-\u200d\u2060\ufeff"
"""Characters that nobody sees, as the inside of a character class."""

_WORD = re.compile(WORD)
_ESCAPED = re.compile(r"\\u([0-9A-Fa-f]{4})")
_SURROGATES = re.compile("[\ud800-\udbff][\udc00-\udfff]")
# Signs that are typed for one another in names.
_SIGNS = {"'": "['\u2019\u02bc`]", "-": "[-\u2010\u2011]"}


def is_word(character: str) -> bool:
    """Whether what stands beside this character is a part of its word; no character is none."""
    if character.isascii():
        return character.isalnum() or character == "_"
    return _WORD.match(character) is not None


def is_unspaced(text: str) -> bool:
    """Whether every character is of a script that writes no spaces."""
    return re.fullmatch(f"[{UNSPACED}]+", text) is not None


def unescaped(text: str) -> str:
    """The text with the characters that JSON escapes by their number."""
    if "\\u" not in text:
        return text
    text = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)
    return _SURROGATES.sub(
        lambda found: found[0].encode("utf-16", "surrogatepass").decode("utf-16"), text
    )


def unescaped_in_place(text: str) -> str:
    """The same in the same length: a letter six times, anything else with what nobody sees behind it."""

    def character(found: re.Match[str]) -> str:
        one = chr(int(found[1], 16))
        return one * 6 if one.isalnum() else one + 5 * "\u200b"

    return _ESCAPED.sub(character, text) if "\\u" in text else text


def plain(text: str) -> str:
    """What all spellings of a text have in common."""
    return " ".join(normalize("NFC", unescaped(text)).split()).casefold()


def pattern_of(word: str) -> str:
    """A pattern of all spellings of a word."""
    return "".join(map(_letter, normalize("NFC", word)))


def _letter(character: str) -> str:
    if character.isascii():
        return _SIGNS.get(character, re.escape(character))
    composed = {normalize("NFC", one) for one in (character, character.upper(), character.lower())}
    spellings = [character, normalize("NFD", character)]
    spellings += [normalize(form, one) for one in sorted(composed) for form in ("NFC", "NFD")]
    ways = [re.escape(one) for one in spellings]
    ways += ["".join(map(_escape, one)) for one in spellings]
    return "(?:" + "|".join(sorted(dict.fromkeys(ways), key=len, reverse=True)) + ")"


def _escape(character: str) -> str:
    """A character as JSON escapes it, as a pattern; ASCII is written as it is as well."""
    if character.isascii():
        return re.escape(character)
    code = character.encode("utf-16-be", "surrogatepass").hex()
    units = [code[at : at + 4] for at in range(0, len(code), 4)]
    return "".join(
        r"\\u" + "".join(f"[{c}{c.upper()}]" if c.isalpha() else c for c in unit) for unit in units
    )
