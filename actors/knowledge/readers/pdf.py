"""PDF: the text of each page. Read in a process of its own, which is stopped when it takes too long."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from actors.knowledge.draft import MIB, Draft, Read, Section, SourceFile, content_of
from routing.errors import ConfigError

BYTES_MAX = 64 * MIB
# The child's CPU is limited to 60 s; a busy machine gives it half of one core.
TIMEOUT_S = 120.0

_CHILD = Path(__file__).with_name("pdf_pages.py")


def read(file: SourceFile, timeout_s: float = TIMEOUT_S) -> Read:
    """The document in the file, each page under its number, or what is wrong with it."""
    try:
        said = list(_ask(file.where, content_of(file, BYTES_MAX), timeout_s))
    except ConfigError as error:
        yield error
        return
    sections = tuple(
        Section(f"Page {page['page']}", str(page["text"]).strip())
        for page in said
        if str(page.get("text", "")).strip()
    )
    if not sections:
        yield ConfigError(
            file.where, None, "", "holds no text: pictures of pages must be recognised first"
        )
        return
    title = str(said[0]["title"]) or PurePosixPath(file.path).stem.replace("-", " ")
    yield Draft(title=title, sections=sections, url=file.url)


def _ask(where: str, content: bytes, timeout_s: float) -> Iterator[dict[str, object]]:
    try:
        # -I: neither the environment nor the folder we run in decides what is imported.
        done = subprocess.run(  # noqa: S603  our own file, by our own Python
            [sys.executable, "-I", str(_CHILD)],
            input=content,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ConfigError(
            where, None, "", f"takes longer than {timeout_s:.0f} s to read"
        ) from error
    for line in done.stdout.splitlines():
        said: dict[str, object] = json.loads(line)
        if "error" in said:
            raise ConfigError(where, None, "", str(said["error"]))
        yield said
    if done.returncode:
        raise ConfigError(where, None, "", "takes more time or memory to read than a document may")
