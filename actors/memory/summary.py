"""What is kept of turns that leave the window: sentences of theirs, word for word. No model is asked.

A summary is lines of the form `user: …`. Folding is pure and goes turn by turn, so it comes to
the same whether turns leave one by one or together.
"""

import re
from collections.abc import Sequence

from actors.database.conversations import TurnRow
from actors.memory.tokens import count_tokens

# A tenth of the context, some 15 to 60 turns.
SUMMARY_TOKENS = 700
# A sentence that is longer was a list; its beginning says what it is about.
LINE_MAX = 160

_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_TELLING = re.compile(r"[0-9]|[A-Z]{2,}|@|[$€£%]")


def fold(summary: str, turns: Sequence[TurnRow]) -> str:
    """The summary with one line for each of the turns, within `SUMMARY_TOKENS`.

    Where there is no room, the oldest line without a number or a name in capitals goes first:
    orders, amounts, dates and codes are what a conversation comes back to.
    """
    lines = summary.split("\n") if summary else []
    for turn in turns:
        line = _line(turn)
        if line is None:
            continue
        lines.append(line)
        while sum(count_tokens(line) + 1 for line in lines) > SUMMARY_TOKENS:
            plain = (n for n, line in enumerate(lines[:-1]) if not _TELLING.search(line))
            del lines[next(plain, 0)]
    return "\n".join(lines)


def _line(turn: TurnRow) -> str | None:
    """The turn's most telling sentence, the first of several that tell as much."""
    sentences = [" ".join(part.split()) for part in _SENTENCE.split(turn.text)]
    said = [sentence for sentence in sentences if sentence]
    if not said:
        return None
    best = max(said, key=lambda sentence: min(len(_TELLING.findall(sentence)), 3))
    return f"{turn.role}: {best}"[:LINE_MAX]
