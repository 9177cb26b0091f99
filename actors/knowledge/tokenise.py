"""Words as lexical search compares them: folded, stopped and lightly stemmed. English only.

The stemmer knows plurals, -ing, -ed and a last e, no more: "charged", "charges" and
"charging" meet; so do "plan" and "plane", which support articles survive. Text without spaces
between words (Chinese, Japanese, Thai) needs another tokeniser.
"""

import re
import unicodedata
from functools import lru_cache

# 64 letters: the longest word of a dictionary has fewer; a megabyte without a space is no word.
_WORD = re.compile(r"[^\W_]{1,64}")
_APOSTROPHE = re.compile("['\u2019]")
_VOWEL = re.compile("[aeiouy]")

STOP_WORDS = frozenset(
    """
    a about after again all also am an and any are as at be because been before being but by can
    cannot cant could did didnt do does doesnt doing dont for from get got had has have having he
    hello help her here hers hey hi him his how i id if ill im in into is isnt it its ive just let
    lets like may me might more most much must my need no nor not now of off on once only or other
    our ours out over own please shall she should so some such than thank thanks that thats the
    their theirs them then there these they this those through to too under until up us very want
    was wasnt we were what when where which while who whom why will with wont would you your yours
    """.split()  # noqa: SIM905  a word list to read, not a column of 150 lines
)


def tokenise(text: str) -> list[str]:
    """The words of `text` in order, stop words left out, repeats kept."""
    plain = text.casefold()
    if not plain.isascii():  # most of a question's time, and English seldom needs it
        folded = unicodedata.normalize("NFKD", plain)
        plain = "".join(letter for letter in folded if not unicodedata.combining(letter))
    words = _WORD.findall(_APOSTROPHE.sub("", plain))
    return [stem for word in words if (stem := _stem(word))]


@lru_cache(maxsize=50_000)  # some 5 MB: more words than a company's articles have
def _stem(word: str) -> str:
    """The word without its ending; nothing for a stop word."""
    if word in STOP_WORDS:
        return ""
    if len(word) < 4 or not word.isalpha():
        return word  # "2fa", "nw", "4092" are names.
    return _without_ending(_singular(word)).removesuffix("e")


def _singular(word: str) -> str:
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("ses", "xes", "zes", "ches", "shes")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def _without_ending(word: str) -> str:
    for ending in ("ing", "ed"):
        stem = word.removesuffix(ending)
        if stem != word and len(stem) >= 3 and _VOWEL.search(stem):
            # "planned" and "plan", but "billing" and "bill".
            doubled = stem[-1] == stem[-2] and stem[-1] not in "lsz"
            return stem[:-1] if doubled else stem
    return word
