"""Whose words a passage is: our records', the company's own articles', or somebody's outside."""

import re
from collections.abc import Sequence

from actors.knowledge.document import Passage

# Archives of mail; what stands in one was written by anybody.
_MAIL = re.compile(r"\.(?:eml|mbox)(?:#|$)", re.IGNORECASE)


def is_mail(passage: Passage) -> bool:
    """Whether it is of an archive of mail."""
    return _MAIL.search(passage.id) is not None


def is_outside(passage: Passage) -> bool:
    """Whether somebody outside may have written it: a page of the web, or a mail."""
    return passage.url is not None or is_mail(passage)


def taint(passages: Sequence[Passage]) -> bool:
    """Whether who reads these has read words of an outsider."""
    return any(is_outside(passage) for passage in passages)


def records(passages: Sequence[Passage]) -> list[str]:
    """Our own records among them, which vouch for what stands in them."""
    return [f"{p.title}\n{p.text}" for p in passages if p.source == "database"]


def quoted(passages: Sequence[Passage]) -> list[str]:
    """All else: it is there to be quoted, and gives a call that changes something no argument."""
    return [p.text for p in passages if p.source != "database" or is_outside(p)]
