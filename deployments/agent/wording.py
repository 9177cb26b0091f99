"""What platforms are told of a question's material: tokens in place of personal data."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain

from actors.knowledge.document import Passage
from actors.memory import Window
from deployments.agent.outside import is_mail
from deployments.privacy.request import sealed_messages, sealed_results
from deployments.privacy.seal import Seal
from deployments.privacy.sealer import aside
from deployments.privacy.weight import of_messages
from routing.message import Message, ToolResult

# Of these a customer is the subject. What the company wrote for everybody tells of nobody: its own
# support address stays, so that it can be told to people.
_ABOUT_PEOPLE = frozenset({"database", "memory"})


@dataclass(frozen=True, slots=True)
class Told:
    """The message, what was said before it and what was found for it, as platforms are told."""

    message: str
    window: Window
    passages: Sequence[Passage]


async def search_of(seal: Seal | None, message: str) -> str:
    """What knowledge is searched for: what a message says of people finds no article.

    Raises:
        NamesUnavailable: names are to be found, and cannot be just now; so do the others here.
    """
    if seal is None:
        return message
    return await aside(seal, (message,), lambda: seal.without(message))


async def messages_of(seal: Seal | None, messages: Sequence[Message]) -> Sequence[Message]:
    """Turns of tools before, with tokens."""
    if seal is None:
        return messages
    return await aside(seal, of_messages(messages), lambda: sealed_messages(seal, messages))


async def results_of(seal: Seal | None, results: tuple[ToolResult, ...]) -> tuple[ToolResult, ...]:
    """What tools answered, with tokens."""
    if seal is None:
        return results
    contents = (one.content for one in results)
    return await aside(seal, contents, lambda: sealed_results(seal, results))


async def told_of(
    seal: Seal | None, message: str, window: Window, passages: Sequence[Passage]
) -> Told:
    """The material with tokens; as it is where there is no seal."""
    if seal is None:
        return Told(message, window, passages)
    turns = (turn.text for turn in window.turns)
    personal = (one.text for one in passages if _is_personal(one))
    said = chain((message, window.summary), turns, personal)
    return await aside(seal, said, lambda: _told(seal, message, window, passages))


def _told(seal: Seal, message: str, window: Window, passages: Sequence[Passage]) -> Told:
    # Whole turns: what a context has no room for is cut off later, through tokens and no values.
    turns = tuple(replace(turn, text=seal.text(turn.text)) for turn in window.turns)
    if window.turns or window.summary:
        window = replace(window, turns=turns, summary=seal.text(window.summary))
    return Told(
        seal.text(message),
        window,
        [_passage(seal, one) if _is_personal(one) else one for one in passages],
    )


def _is_personal(passage: Passage) -> bool:
    return passage.source in _ABOUT_PEOPLE or is_mail(passage)


def _passage(seal: Seal, passage: Passage) -> Passage:
    return replace(
        passage,
        id=seal.text(passage.id),
        title=seal.text(passage.title),
        text=seal.text(passage.text),
    )
