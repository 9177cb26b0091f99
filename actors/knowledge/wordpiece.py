"""WordPiece: text to the ids a BERT model was trained on (Wu et al. 2016; Devlin et al. 2019).

Of our own because the library for it brings a client of a model hub along, and a vocabulary
is all it takes.
"""

import unicodedata
from collections.abc import Sequence

CLS, SEP, UNKNOWN = "[CLS]", "[SEP]", "[UNK]"
# What the original gives up on; such a "word" is a hash or a link.
_WORD_MAX = 100


class WordPiece:
    """The uncased English tokeniser over a vocabulary, whose order gives the ids."""

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self._ids = {piece: number for number, piece in enumerate(vocabulary)}
        self._cls, self._sep = self._ids[CLS], self._ids[SEP]
        self._unknown = self._ids[UNKNOWN]

    def encode(self, text: str, limit: int) -> list[int]:
        """The ids of `text` between the two marks, at most `limit` of them with the marks."""
        ids = [self._cls]
        for word in _words(text):
            ids += self._pieces(word)
            if len(ids) >= limit:
                break
        return [*ids[: limit - 1], self._sep]

    def _pieces(self, word: str) -> list[int]:
        if len(word) > _WORD_MAX:
            return [self._unknown]
        pieces, start = list[int](), 0
        while start < len(word):
            mark = "##" if start else ""
            end = len(word)
            while end > start and mark + word[start:end] not in self._ids:
                end -= 1
            if end == start:
                return [self._unknown]
            pieces.append(self._ids[mark + word[start:end]])
            start = end
        return pieces


def _words(text: str) -> list[str]:
    """Lower case without accents, cut at spaces, around punctuation and each Chinese character."""
    spaced = list[str]()
    for letter in unicodedata.normalize("NFD", text.lower()):
        category = unicodedata.category(letter)
        if category == "Mn" or (category in {"Cc", "Cf"} and not letter.isspace()):
            continue
        is_apart = _is_punctuation(letter, category) or _is_chinese(letter)
        spaced.append(f" {letter} " if is_apart else letter)
    return "".join(spaced).split()


def _is_punctuation(letter: str, category: str) -> bool:
    # The original counts ASCII's symbols, such as $ and +, as punctuation too.
    return category.startswith("P") or (letter.isascii() and category.startswith("S"))


def _is_chinese(letter: str) -> bool:
    return (
        "\u4e00" <= letter <= "\u9fff"
        or "\u3400" <= letter <= "\u4dbf"
        or "\uf900" <= letter <= "\ufaff"
        or "\U00020000" <= letter <= "\U0002ceaf"
    )
