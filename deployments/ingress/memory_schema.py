"""What /v3/memory gives."""

from typing import Literal

from pydantic import BaseModel


class RememberedFactRow(BaseModel):
    """What holds or held of the customer, who said so, and in which words."""

    id: str
    attribute: str
    value: str
    source: Literal["customer", "staff", "record"]
    source_ref: str
    quote: str
    stated_by: str
    valid_from: str
    valid_to: str | None
    recorded_at: str


class ConversationRow(BaseModel):
    """A conversation, without its text."""

    id: str
    turns: int
    updated_at: str


class RunbookRunRow(BaseModel):
    """A runbook that was begun with the customer."""

    id: str
    runbook: str
    version: int
    state: Literal["running", "done", "failed"]
    started_at: str
    ended_at: str | None


class MemoryAnswer(BaseModel):
    """What is remembered of a customer; `cut`: there is more than one answer holds."""

    user_id: str
    facts: list[RememberedFactRow]
    conversations: list[ConversationRow]
    runbook_runs: list[RunbookRunRow]
    cut: bool


class MemoryErased(BaseModel):
    """How much was removed, by kind.

    `windows` are the ends of conversations that were held at hand, in Redis or, without one, in
    the process that answers; other processes' are shown to nobody and end within five minutes.
    Where Redis could not be reached it is null and `complete` false: what is there is shown to
    nobody and ends within an hour, and asking again removes it.
    """

    user_id: str
    erased: dict[str, int]
    windows: int | None
    complete: bool
    erased_at: str
