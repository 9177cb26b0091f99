"""The end of a conversation, and as much of it as a context has room for."""

from collections.abc import Sequence
from dataclasses import dataclass

from actors.database.conversations import TurnRow
from actors.memory.summary import SUMMARY_TOKENS, fold
from actors.memory.tokens import TURN_TOKENS, count_tokens

# Twenty-five exchanges.
WINDOW_TURNS = 50
# What a platform is told besides the new message's answer: rules, passages, conversation, message.
# Every token is paid for again with every message.
CONTEXT_TOKENS = 8_000
# A turn that is longer than this was a document; its beginning is enough to go on.
TURN_MAX = 4_000


@dataclass(frozen=True, slots=True)
class Window:
    """The last turns, oldest first, and a few lines of what was said before them.

    `is_degraded`: the store that keeps windows at hand was away, and the database answered.
    """

    turns: tuple[TurnRow, ...] = ()
    summary: str = ""
    is_degraded: bool = False


@dataclass(frozen=True, slots=True)
class Recalled:
    """What there was room for; `tokens` are those it takes, summary included."""

    turns: tuple[TurnRow, ...]
    summary: str
    tokens: int


def recall(window: Window, room_tokens: int) -> Recalled:
    """The newest turns for which there is room, without a gap; what is older is folded away.

    A turn is at most `TURN_MAX` characters of itself. Where not even a summary has room, nothing
    is recalled. What is left after a cut begins with the customer, as vendors want it.
    """
    turns = tuple(_shortened(turn) for turn in window.turns)
    whole = _cost(turns) + _summary_cost(window.summary)
    if whole <= room_tokens:
        return Recalled(turns, window.summary, whole)
    # Something is left out, so there is going to be a summary: it has its room first.
    left, first = room_tokens - SUMMARY_TOKENS - TURN_TOKENS, len(turns)
    while first > 0 and (cost := _cost(turns[first - 1 : first])) <= left:
        left -= cost
        first -= 1
    while first < len(turns) and turns[first].role == "assistant":
        first += 1
    summary = fold(window.summary, turns[:first])
    tokens = _cost(turns[first:]) + _summary_cost(summary)
    if tokens > room_tokens:
        return Recalled((), "", 0)
    return Recalled(turns[first:], summary, tokens)


def _cost(turns: Sequence[TurnRow]) -> int:
    return sum(count_tokens(turn.text) + TURN_TOKENS for turn in turns)


def _summary_cost(summary: str) -> int:
    return count_tokens(summary) + TURN_TOKENS if summary else 0


def _shortened(turn: TurnRow) -> TurnRow:
    if len(turn.text) <= TURN_MAX:
        return turn
    return TurnRow(turn.seq, turn.role, turn.text[:TURN_MAX], turn.at, turn.answer_id)
