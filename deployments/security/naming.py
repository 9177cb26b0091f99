"""How somebody is named here: in one spelling, where a tenant's directory takes several for one person.

Providers that call people by names spell them as they were typed. Whoever compares, counts or keeps
somebody afterwards sees what this makes of it, wherever the word came from.
"""

from collections.abc import Iterable

from actors.database.directory_rows import name_key
from actors.subjects import PROGRAM
from config.scim import DirectoryRules


class Names:
    """The names of all tenants' people and programs."""

    def __init__(self, directories: Iterable[DirectoryRules]) -> None:
        self._folding = {each.tenant: each for each in directories if each.folds}

    def of(self, tenant: str, subject: str) -> str:
        """The tenant's person or program, as everything here names them."""
        rules = self._folding.get(tenant)
        key = None if rules is None else key_of(rules, subject)
        if key is None:
            return subject
        return f"{PROGRAM}{key}" if subject.startswith(PROGRAM) else key


def key_of(rules: DirectoryRules, subject: str) -> str | None:
    """How the directory names a subject; None where it is not this directory's to name.

    A program that has an entry has it under its id, as people have.
    """
    subject = subject.removeprefix(PROGRAM)
    if not subject.startswith(f"{rules.provider}:"):
        return None
    return name_key(subject) if rules.folds else subject


AS_SAID = Names(())
"""Where there is no directory, everybody is who their provider says, to the letter."""
