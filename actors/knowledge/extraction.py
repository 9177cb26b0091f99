"""What documents speak of: products, plans, error codes, topics, found by rules that are data.

A pattern is a small part of a regular expression in which no repetition is unbounded and none
is inside another, so that it takes time in proportion to the text, whatever the text.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import prod

from actors.database.knowledge_rows import DOCUMENT, RELATED, Entity, Link, node_of
from actors.knowledge.draft import Section

# Between them they bound a document's links: what is found more often than that is noise.
ENTITIES_MAX = 200
NAMES_MAX = 5_000
PATTERN_MAX = 200
# Ways in which one match may be tried: `[A-Z]{2,5}-\d{3,6}` has 16.
_WAYS_MAX = 256
_REPEAT_MAX = 64

_CLASS = r"\[(?:\\[dw\]\\\-^]|[^\]\\\[])+\]"
_ATOM = rf"(?:\\[dw.\-/+*?()\[\]{{}}|\\]|{_CLASS}|[^\\\[\](){{}}*+?|^$.\n])"
_PIECE = rf"(?:\\b|{_ATOM}(?:\?|\{{(\d{{1,2}})(?:,(\d{{1,2}}))?\}})?)"
_BEFORE, _BEHIND = r"(?<![\w-])", r"(?![\w-])"
_WORD = re.compile(r"\w+")
_PIECES = re.compile(rf"(?:{_PIECE})+")
_REPEAT = re.compile(rf"{_ATOM}(?:(\?)|\{{(\d{{1,2}})(?:,(\d{{1,2}}))?\}})")


@dataclass(frozen=True, slots=True)
class Rule:
    """Entities of one kind: exact names, or whatever a pattern fits, as whole words."""

    kind: str
    names: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules of a tenant. `ignored` headings are no topics, because they are everywhere."""

    rules: tuple[Rule, ...] = ()
    topics: bool = False
    ignored: tuple[str, ...] = ()


def problem_of(pattern: str) -> str | None:
    """Why a pattern is refused; None if it is good."""
    if len(pattern) > PATTERN_MAX:
        return f"is longer than {PATTERN_MAX} characters"
    for branch in _branches(pattern):
        if (problem := _problem_of(branch)) is not None:
            return problem
    try:
        re.compile(pattern)
    except re.error as error:
        return f"is no pattern: {error}"
    return None


def _problem_of(branch: str) -> str | None:
    if not _PIECES.fullmatch(branch):
        return (
            "is no simple pattern: characters, \\d \\w \\b, [classes], ? and {2,5}; "
            "no groups, no * and no +"
        )
    repeats = [_range(found) for found in _REPEAT.finditer(branch)]
    if any(low > high or high > _REPEAT_MAX for low, high in repeats):
        return f"repeats from low to high, at most {_REPEAT_MAX} times"
    if prod(high - low + 1 for low, high in repeats) > _WAYS_MAX:
        return f"can fit one text in more than {_WAYS_MAX} ways; repeat fewer things"
    return None


class Extractor:
    """Finds what rules describe. Made once, asked for every document and every question."""

    def __init__(self, rules: Rules) -> None:
        self._has_topics = rules.topics
        self._ignored = frozenset(rules.ignored)
        self._finders = [
            (rule.kind, re.compile(rf"{_BEFORE}(?:{'|'.join(rule.patterns)}){_BEHIND}"))
            for rule in rules.rules
            if rule.patterns
        ]
        # By their first word: an alternation of 5,000 names would be tried at every letter.
        self._names: dict[str, list[tuple[str, str]]] = {}
        for kind, name in sorted(
            ((rule.kind, name) for rule in rules.rules for name in rule.names),
            key=lambda named: (-len(named[1]), named[1], named[0]),
        ):
            self._names.setdefault(_first_word(name), []).append((kind, name))

    def entities(self, text: str) -> tuple[Entity, ...]:
        """What the text names, each once, spelt as the rules spell it; the first 200 of them."""
        found: dict[str, Entity] = {}
        for kind, name in self._named(text):
            if len(found) == ENTITIES_MAX:
                break
            found.setdefault(f"{kind}:{name}", Entity(f"{kind}:{name}", kind, name))
        return tuple(found.values())

    def links(
        self, title: str, sections: Iterable[Section], tags: Iterable[str], related: Iterable[str]
    ) -> tuple[tuple[Entity, ...], tuple[Link, ...]]:
        """What a document speaks of, and how: `about` it in its title, headings or tags, or in passing.

        `related` are the documents that its author names.
        """
        sections = tuple(sections)
        headings = [section.heading for section in sections if section.heading]
        about = self.entities("\n".join([title, *headings, *tags]))
        topics = tuple(self._topics(headings)) if self._has_topics else ()
        passing = self.entities("\n".join(section.text for section in sections))
        entities: dict[str, Entity] = {}
        links: dict[str, Link] = {node_of(name): Link(RELATED, node_of(name)) for name in related}
        for kind, named in (("about", (*about, *topics)), ("mentions", passing)):
            for entity in named:
                entities.setdefault(entity.id, entity)
                links.setdefault(entity.id, Link(kind, entity.id))
        return tuple(entities.values()), tuple(links.values())

    def _named(self, text: str) -> Iterator[tuple[str, str]]:
        for kind, finder in self._finders:
            for match in finder.finditer(text):
                if match[0]:
                    yield kind, match[0]
        end = 0
        for word in _WORD.finditer(text) if self._names else ():
            # "Team Plus" is not "Team" too: the longest comes first and takes its words with it.
            for kind, name in self._names.get(word[0], ()) if word.start() >= end else ():
                if text.startswith(name, word.start()) and _is_whole(text, word.start(), name):
                    end = word.start() + len(name)
                    yield kind, name
                    break

    def _topics(self, headings: Iterable[str]) -> Iterator[Entity]:
        for heading in list(dict.fromkeys(headings))[:ENTITIES_MAX]:
            words = " ".join(heading.rpartition(" > ")[2].casefold().split())
            if words and words not in self._ignored and not words.startswith("page "):
                yield Entity(f"topic:{words}", "topic", words)


def _first_word(name: str) -> str:
    found = _WORD.match(name)
    return found[0] if found else ""


def _is_whole(text: str, start: int, name: str) -> bool:
    around = text[max(start - 1, 0) : start] + text[start + len(name) : start + len(name) + 1]
    return not any(letter.isalnum() or letter in "_-" for letter in around)


def _branches(pattern: str) -> Iterator[str]:
    """The alternatives; a bar behind a backslash or in a class is a character."""
    begin, is_class, skip = 0, False, False
    for place, letter in enumerate(pattern):
        if skip:
            skip = False
        elif letter == "\\":
            skip = True
        elif letter == "[":
            is_class = True
        elif letter == "]":
            is_class = False
        elif letter == "|" and not is_class:
            yield pattern[begin:place]
            begin = place + 1
    yield pattern[begin:]


def _range(found: re.Match[str]) -> tuple[int, int]:
    if found[1]:
        return 0, 1
    low = int(found[2])
    return low, int(found[3]) if found[3] else low


RESERVED = (DOCUMENT, "topic")
"""Kinds that are not made by a rule of anybody's."""
