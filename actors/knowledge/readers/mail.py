"""Mail archives: every message of an mbox, or the one of an .eml, is a document.

Of a message, the subject and what its sender wrote are kept: no addresses, no attachments,
nothing that was quoted.
"""

import hashlib
from collections.abc import Iterator
from datetime import UTC
from email import message_from_bytes
from email.errors import MessageError
from email.message import EmailMessage
from email.policy import default
from email.utils import parsedate_to_datetime
from typing import cast

from actors.knowledge.draft import MIB, Draft, Read, Section, SourceFile, content_of
from actors.knowledge.quoting import reply_of
from actors.knowledge.readers.webpage import parse, rendered
from routing.errors import ConfigError

# With attachments; mail servers refuse more than 25 to 50 MiB.
MESSAGE_BYTES_MAX = 32 * MIB
ARCHIVE_BYTES_MAX = 2048 * MIB
MESSAGES_MAX = 100_000
# Mails that people forwarded to one another all day have some ten parts.
PARTS_MAX = 100
# RFC 5322 allows 998 bytes in a line. What is longer is read on in pieces.
_LINE_BYTES = 65_536


def read(file: SourceFile) -> Read:
    """The messages in the file, and what is wrong with those that cannot be read."""
    try:
        if file.suffix == ".eml":
            yield _draft(file, 1, content_of(file, MESSAGE_BYTES_MAX))
            return
        for number, (line, content) in enumerate(_messages(file)):
            if number == MESSAGES_MAX:
                words = f"holds more than {MESSAGES_MAX} messages; split it"
                yield ConfigError(file.where, line, "", words)
                return
            try:
                yield _draft(file, line, content)
            except ConfigError as error:
                yield error
    except ConfigError as error:
        yield error


def _messages(file: SourceFile) -> Iterator[tuple[int, bytes]]:
    """Each message and the line of its `From `; one at a time, so that an archive may be large."""
    line, begun, size, total = 0, 0, 0, 0
    held: list[bytes] = []
    blank = True
    with file.open() as stream:
        while piece := stream.readline(_LINE_BYTES):
            line += piece.endswith(b"\n")
            total += len(piece)
            if total > ARCHIVE_BYTES_MAX:
                message = f"is larger than {ARCHIVE_BYTES_MAX // MIB} MiB; split it"
                raise ConfigError(file.where, None, "", message)
            if blank and piece.startswith(b"From "):
                if begun:
                    yield begun, b"".join(held)
                held, size, begun = [], 0, line
            elif not begun:
                raise ConfigError(file.where, 1, "", "is no mbox: it does not begin with `From `")
            elif size <= MESSAGE_BYTES_MAX:
                # The line that makes it too large is kept too, and tells.
                held.append(piece[1:] if piece.startswith(b">From ") else piece)
                size += len(piece)
            blank = piece in {b"\n", b"\r\n"}
    if begun:
        yield begun, b"".join(held)


def _draft(file: SourceFile, line: int, content: bytes) -> Draft:
    if len(content) > MESSAGE_BYTES_MAX:
        raise ConfigError(file.where, line, "", f"is larger than {MESSAGE_BYTES_MAX // MIB} MiB")
    try:
        message = message_from_bytes(content, policy=default)
        text = reply_of(_text(file.where, line, message))
        title = str(message["subject"] or "").strip() or "(no subject)"
        named = str(message["message-id"] or "").strip().strip("<>")
        day = _day(message)
    except RecursionError as error:
        raise ConfigError(file.where, line, "", "is nested too deep for a message") from error
    except (MessageError, LookupError, ValueError, AttributeError, TypeError) as error:
        # The standard library's parser gives up in many ways on what is no mail.
        raise ConfigError(file.where, line, "", f"cannot be read: {error}") from error
    if not message.keys():
        raise ConfigError(file.where, line, "", "is no message: it has no header")
    if not text:
        raise ConfigError(file.where, line, "", "says nothing of its own")
    return Draft(
        title=title,
        sections=(Section("", text),),
        key=named or hashlib.sha256(content).hexdigest()[:16],
        updated=day,
        line=line,
    )


def _text(where: str, line: int, message: EmailMessage) -> str:
    """The plain text of the message, else what its HTML says."""
    found: dict[str, str] = {}
    for number, part in enumerate(cast("Iterator[EmailMessage]", message.walk())):
        if number == PARTS_MAX:
            raise ConfigError(where, line, "", f"has more than {PARTS_MAX} parts")
        kind = part.get_content_type()
        is_attached = part.get_content_disposition() == "attachment"
        if kind in {"text/plain", "text/html"} and not is_attached and kind not in found:
            found[kind] = str(part.get_content())
    if "text/plain" in found:
        return found["text/plain"]
    if "text/html" in found:
        page = parse(where, found["text/html"].encode(), "utf-8")
        for quoted in list(page.iter("blockquote", "script", "style")):
            quoted.drop_tree()
        return rendered(page)
    return ""


def _day(message: EmailMessage) -> str | None:
    try:
        sent = parsedate_to_datetime(str(message["date"]))
    except (TypeError, ValueError):
        return None
    return sent.astimezone(UTC).date().isoformat()
