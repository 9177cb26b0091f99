"""What the subject of somebody who is no person begins with, in principals, in rows and on record."""

from typing import Final

API_KEY: Final = "key:"
"""An API key's; its id follows."""

PROGRAM: Final = "client:"
"""A program's that shows a provider's token of its own; that one's id follows."""

MACHINE: Final = "os:"
"""An account's of the machine that a command is run by; its number follows."""


def is_person(subject: str) -> bool:
    """Whether a subject is somebody, and not a key or a program that stands for whoever holds it."""
    return not subject.startswith((API_KEY, PROGRAM))
