"""Going on with an answer that another platform began: what is asked for, and where the halves meet.

What a customer has read cannot be taken back, so the platform that takes over is shown
it as its own unfinished turn. Models mostly go on from there, sometimes say the last
words again, and sometimes begin anew; `Seam` tells these apart on the first characters.
"""

from dataclasses import replace

from routing.exchange import ChatRequest
from routing.message import Message

INSTRUCTION = (
    "Your last message was cut off by a technical fault. Continue it exactly from its last "
    "character, in the same language and format. Repeat nothing, explain nothing and do not "
    "apologise. If a new word begins, begin with a space."
)

OVERLAP_MAX = 400
"""Characters of the first half that the second may say again: the longest sentences are shorter."""

OVERLAP_SURE = 12
"""So many equal characters are no accident; fewer count if they begin where a word begins."""

RESTART_SURE = 24
"""A second half that begins with so much of the first begins anew; one sentence's opening is shorter."""


def can_continue(request: ChatRequest) -> bool:
    """Whether another platform may go on in mid-answer: with prose alone.

    Half a JSON document or half a tool call of one model is no beginning for another. Where tools
    are there to be read about and must not be called, there is no half call.
    """
    may_call = bool(request.tools) and request.tool_choice != "none"
    return not may_call and request.response_schema is None


def continue_from(request: ChatRequest, said: str) -> ChatRequest:
    """`request` as it is put to the platform that goes on after `said`."""
    begun = (Message("assistant", said), Message("user", INSTRUCTION))
    return replace(request, messages=(*request.messages, *begun))


class BeganAnew(Exception):
    """The second half begins like the first and then says something else."""


class Seam:
    """Joins a second half to what was `said`, without what it says again.

    Text is held back only while it may still be a repetition: at most `OVERLAP_MAX`
    characters, or what was said, where the answer begins anew word for word.
    """

    def __init__(self, said: str) -> None:
        self._said = said
        self._tail = said[-OVERLAP_MAX:]
        self._held: str | None = ""

    def feed(self, text: str) -> str:
        """What of `text`, and of what was held back, is to be passed on.

        Raises:
            BeganAnew: it tells the beginning again, in other words.
        """
        if self._held is None:
            return text
        self._held += text
        held = self._held
        if held in self._tail or self._said.startswith(held):
            return ""
        self._held = None
        return held[self._repeated(held) :]

    def end(self) -> str:
        """What is still held back, when nothing follows: all of it was said before."""
        held, self._held = self._held or "", None
        return held[self._repeated(held) :]

    def _repeated(self, held: str) -> int:
        """How many characters of `held` were said before."""
        if held.startswith(self._said):
            return len(self._said)
        anew = len(held) >= RESTART_SURE and held[:RESTART_SURE] == self._said[:RESTART_SURE]
        # A word that begins like the answer itself is no repetition where the answer begins again.
        least = OVERLAP_SURE if anew else 1
        for size in range(min(len(held), len(self._tail)), least - 1, -1):
            if self._tail.endswith(held[:size]) and self._is_repetition(size):
                return size
        if anew:
            raise BeganAnew
        return 0

    def _is_repetition(self, size: int) -> bool:
        if size >= OVERLAP_SURE:
            return True
        again = self._tail[-size:]
        before = self._tail[-size - 1 : -size]
        begins_word = not (before.isalnum() and again[0].isalnum())
        return begins_word and any(character.isalnum() for character in again)
