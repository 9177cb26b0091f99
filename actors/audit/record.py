"""One record of the audit log, and the bytes of a chain's lines.

A line is `{"h":"<64 hex digits>","b":<body>}`: the body as it was hashed, and the head of the
chain after it. Whoever verifies hashes the bytes that are there and encodes nothing anew, so no
two ways to write the same thing can differ.
"""

import hashlib
from dataclasses import dataclass, fields
from typing import Literal

import orjson

from routing.message import JsonObject

Outcome = Literal["begun", "done", "denied", "failed", "stated"]
"""`begun` is on disk before the deed, `stated` is what the log says of itself."""

START = b"\0" * 32
"""The head of a chain with nothing in it."""
LINE_MAX = 8_192
"""Bytes of a line; a record has some 400, and what is longer is none of ours."""
_LINK = b"supportmax.audit.link.1\0"


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """Who did what, when, with which right, and what came of it. Names only, no words of anybody.

    `at_ms` is in milliseconds since the epoch. `tenant` is empty where nobody was known.
    `permission` is the one that decided, `reason` a stable code, `object` what it was done to,
    `status` the HTTP status (0: none), `count` how many deeds the record stands for.
    """

    at_ms: int
    tenant: str
    action: str
    outcome: Outcome
    subject: str = ""
    credential: str = ""
    object: str = ""
    permission: str = ""
    reason: str = ""
    request: str = ""
    status: int = 0
    count: int = 1


_FIELDS = tuple(field.name for field in fields(AuditRecord))


@dataclass(frozen=True, slots=True)
class Line:
    """A line taken apart: the head it claims, and its body."""

    head: str
    body: bytes


def link(previous: bytes, body: bytes) -> bytes:
    """The head of the chain once `body` follows `previous`."""
    return hashlib.sha256(_LINK + previous + body).digest()


def canonical(body: JsonObject) -> bytes:
    """Compact JSON with sorted keys."""
    return orjson.dumps(body, option=orjson.OPT_SORT_KEYS)


def body_of(record: AuditRecord, number: int) -> bytes:
    """The body of a record that is entry `number` of its chain."""
    body: JsonObject = {name: getattr(record, name) for name in _FIELDS}
    return canonical({**body, "k": "record", "n": number})


def record_in(body: JsonObject) -> AuditRecord:
    """The record in the body of an entry of kind `record`."""
    return AuditRecord(**{name: body[name] for name in _FIELDS})  # type: ignore[arg-type]  # see body_of


def line_of(head: bytes, body: bytes) -> bytes:
    """The line, with its end."""
    return b'{"h":"' + head.hex().encode() + b'","b":' + body + b"}\n"


def take_apart(line: bytes) -> Line:
    """The parts of a whole line.

    Raises:
        ValueError: it is none.
    """
    framed = line.startswith(b'{"h":"') and line[70:76] == b'","b":' and line.endswith(b"}\n")
    if not framed or len(line) > LINE_MAX:
        raise ValueError("not a line of a chain")
    return Line(line[6:70].decode("ascii", "replace"), line[76:-2])
