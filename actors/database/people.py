"""How a person is found in tables, and what can become of their rows: the words of `people_map.py`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, TypeAlias

from sqlalchemy import ColumnElement, Select, Table, or_, select

from actors.database.budget_tables import budget
from actors.database.directory_rows import name_key
from actors.database.directory_tables import directory_member, directory_user
from actors.database.sealed_places import EXTERNAL_ID, USER_NAME
from actors.database.sealing import Keys
from actors.database.tables import api_key, conversation, decision, feedback, idempotency, turn

Fate: TypeAlias = Literal["erased", "anonymised", "kept"]
"""Deleted; left with the person's traces taken out; left as it is, for a reason that is told."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody as one tenant knows them; `pseudonym` is what stands for them afterwards.

    `indexes` are what the name is sought by in columns that are sealed, as `sought` says.
    """

    tenant: str
    user_id: str = field(repr=False)
    pseudonym: str
    indexes: Mapping[str, Sequence[str]] = field(default_factory=dict, repr=False)


def sought(person: Person, keys: Keys) -> Person:
    """The person with what their name is sought by; of somebody without it no sealed row is found."""
    indexes = {
        "name_key": keys.indexes_of(USER_NAME, name_key(person.user_id)),
        "external_key": keys.indexes_of(EXTERNAL_ID, person.user_id),
    }
    return replace(person, indexes=indexes)


Whose: TypeAlias = Callable[[Person], ColumnElement[bool]]
PSEUDONYM: Final = object()
"""In the place of a value: the person's pseudonym."""
MOMENT: Final = object()
"""In the place of a value: when the erasure began, in epoch seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """Rows about a person: which of a table, and what becomes of them.

    `blanked` is what takes the place of columns where the rest is kept; `hidden` are columns that
    say nothing of the person and would open something to whoever reads them.
    """

    section: str
    table: Table
    whose: Whose
    fate: Fate = "erased"
    why: str = ""
    blanked: Mapping[str, object] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Naming:
    """A column that names who did something to other people's rows: it is kept with a pseudonym."""

    table: Table
    column: str


def named_in(table: Table, *columns: str) -> Whose:
    """Rows that name the person in one of `columns`."""

    def whose(person: Person) -> ColumnElement[bool]:
        named = [table.c[name] == person.user_id for name in columns]
        return (table.c.tenant == person.tenant) & or_(*named)

    return whose


def spoken(person: Person) -> Select[Any]:
    """The ids of the person's conversations."""
    c = conversation.c
    return select(c.id).where(c.tenant == person.tenant, c.user_id == person.user_id)


def answers(person: Person) -> Select[Any]:
    """The ids of answers that were given in them."""
    return select(turn.c.answer_id).where(
        turn.c.tenant == person.tenant, turn.c.conversation_id.in_(spoken(person))
    )


def in_conversations(table: Table, *columns: str) -> Whose:
    """Said in one of theirs, or naming them in one of `columns`."""

    def whose(person: Person) -> ColumnElement[bool]:
        named = [table.c[name] == person.user_id for name in columns]
        there = table.c.conversation_id.in_(spoken(person))
        return (table.c.tenant == person.tenant) & or_(there, *named)

    return whose


def of_answers(table: Table) -> Whose:
    """Rows about answers in the person's conversations."""

    def whose(person: Person) -> ColumnElement[bool]:
        return (table.c.tenant == person.tenant) & table.c.answer_id.in_(answers(person))

    return whose


def rated(person: Person) -> ColumnElement[bool]:
    """What was said of how good those answers were."""
    taken = select(decision.c.id).where(of_answers(decision)(person))
    return (feedback.c.tenant == person.tenant) & feedback.c.decision_id.in_(taken)


def kept_answer(state: str) -> Whose:
    """Answers kept for whoever repeats a request about the person; `running` or `done`."""

    def whose(person: Person) -> ColumnElement[bool]:
        mine = idempotency.c.user_id == person.user_id
        return (idempotency.c.tenant == person.tenant) & (idempotency.c.state == state) & mine

    return whose


def through(child: Table, key: str, parent: Table) -> Whose:
    """Rows of what hangs on the person's rows of `parent`."""

    def whose(person: Person) -> ColumnElement[bool]:
        c = parent.c
        mine = select(c.id).where(c.tenant == person.tenant, c.user_id == person.user_id)
        return (child.c.tenant == person.tenant) & child.c[key].in_(mine)

    return whose


def limits(table: Table) -> Whose:
    """Rows about a daily limit for the person alone."""

    def whose(person: Person) -> ColumnElement[bool]:
        c = table.c
        return (c.tenant == person.tenant) & (c.scope == "user") & (c.subject == person.user_id)

    return whose


def own_limits(person: Person) -> ColumnElement[bool]:
    """Limits an administrator made."""
    return limits(budget)(person) & budget.c.configured.is_(False)


def configured_limits(person: Person) -> ColumnElement[bool]:
    """Limits of the configuration."""
    return limits(budget)(person) & budget.c.configured.is_(True)


def made_keys(*, is_live: bool) -> Whose:
    """API keys the person made that still open something, or those that do not."""

    def whose(person: Person) -> ColumnElement[bool]:
        state = api_key.c.revoked_at.is_(None) if is_live else api_key.c.revoked_at.is_not(None)
        mine = api_key.c.created_by == person.user_id
        return (api_key.c.tenant == person.tenant) & mine & state

    return whose


def in_directory(person: Person) -> ColumnElement[bool]:
    """Whom an identity provider keeps here under one of the person's names."""
    c = directory_user.c
    found = [c[column].in_(indexes) for column, indexes in person.indexes.items()]
    named = or_(c.id == person.user_id, c.subject == person.user_id, *found)
    return (c.tenant == person.tenant) & named


def grouped(person: Person) -> ColumnElement[bool]:
    """Which groups such a one is in."""
    mine = select(directory_user.c.id).where(in_directory(person))
    return (directory_member.c.tenant == person.tenant) & directory_member.c.user_id.in_(mine)
