"""Puts values back into a text that comes in pieces: a token may be cut anywhere."""

import re

from deployments.privacy.find import WORDS
from deployments.privacy.seal import Seal

HELD_MAX = 48
"""Characters of the longest token with all that may stand around it: so much is ever held back."""

_WORDS = tuple(WORDS.values())
_BEGUN = sorted(
    {word[:n] for word in _WORDS for n in range(1, len(word) + 1)}, key=len, reverse=True
)
# The end of a piece that may become a token with the next one.
_MAYBE = re.compile(
    rf"(?:\\?\[|\\)?(?:(?:{'|'.join(_WORDS)})-[A-Z2-7]{{0,26}}(?:-[A-Z2-7]{{0,3}})?\\?|{'|'.join(_BEGUN)})\Z"
    r"|(?:\\\[|\[|\\)\Z"
)


class Restorer:
    """One answer in pieces: `feed` each, then `end`.

    With `as_json` the answer is a JSON document, and a value is put into its strings as JSON has it.
    """

    def __init__(self, seal: Seal, *, as_json: bool = False) -> None:
        self._seal = seal
        self._as_json = as_json
        self._held = ""

    def feed(self, text: str) -> str:
        """What of it, and of what was held back, can be passed on."""
        text = self._held + text
        maybe = _MAYBE.search(text, max(len(text) - HELD_MAX, 0))
        cut = len(text) if maybe is None else maybe.start()
        self._held = text[cut:]
        return self._opened(text[:cut])

    def end(self) -> str:
        """What is left: no more of this text comes."""
        held, self._held = self._held, ""
        return self._opened(held)

    def whole(self, text: str) -> str:
        """A text that comes at once."""
        return self._opened(text)

    def _opened(self, text: str) -> str:
        return self._seal.opened(text, as_json=self._as_json)
