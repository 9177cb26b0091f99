"""Take what was quoted out of a mail, and the signature. Simple on purpose: English and plain text.

What it does not recognise stays: a word too much does less harm than an answer cut off.
"""

import re

_QUOTED = re.compile(r"\s*>")
# "On Tue, 3 Nov 2026 at 10:12, Ada <ada@example.com> wrote:", also over two lines.
_ATTRIBUTION = re.compile(r"\s*On\b.{4,300}\bwrote:\s*")
_ORIGINAL = re.compile(r"\s*-{2,}\s*(Original|Forwarded) [Mm]essage\s*-{2,}\s*|_{20,}\s*")
# Outlook's quotation begins with the header of the mail that is answered.
_HEADER = re.compile(r"\s*\*?(From|Sent|To|Subject|Date):\*?\s+\S.*")
_SIGNATURE = re.compile(r"--\s?")


def reply_of(text: str) -> str:
    """What its sender wrote, without what he answered to and without his signature."""
    lines = text.replace("\r\n", "\n").split("\n")
    kept: list[str] = []
    for number, line in enumerate(lines):
        if _ends_here(lines, number):
            break
        if not _QUOTED.match(line):
            kept.append(line.rstrip())
    return "\n".join(kept).strip()


def _ends_here(lines: list[str], number: int) -> bool:
    line = lines[number]
    if _SIGNATURE.fullmatch(line) or _ORIGINAL.fullmatch(line):
        return True
    if _HEADER.fullmatch(line):
        following = lines[number + 1 : number + 4]
        return sum(_HEADER.fullmatch(other) is not None for other in following) >= 2
    if not line.lstrip().startswith("On"):
        return False
    two = " ".join([line.rstrip(), *lines[number + 1 : number + 2]])
    answers = any(_QUOTED.match(other) for other in lines[number + 1 : number + 5])
    return bool(_ATTRIBUTION.fullmatch(line)) or (bool(_ATTRIBUTION.fullmatch(two)) and answers)
