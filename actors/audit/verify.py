"""Whether a chain is what was written: every link, every signature, every file, every anchor.

Stops at the first broken link of a chain, because everything behind it is broken by it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import orjson

from actors.audit.anchor import Anchor, anchored_chains, read_anchors
from actors.audit.folder import chains_in, file_name, files_in, is_held
from actors.audit.keys import PublicKeys
from actors.audit.record import LINE_MAX, START, link, take_apart
from actors.audit.seal import is_good
from routing.message import JsonObject

Fault = Literal[
    "altered", "entry_missing", "out_of_order", "wrong_signature", "file_missing", "unsealed_tail",
    "truncated", "anchor_differs", "anchor_unsigned", "chain_missing",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, and where."""

    chain: str
    fault: Fault
    where: str
    said: str


@dataclass(frozen=True, slots=True)
class Report:
    """What was read of one chain: entries and records up to the last seal, and what is wrong."""

    chain: str
    files: int = 0
    entries: int = 0
    records: int = 0
    anchored: int = 0
    head: str = ""
    findings: tuple[Finding, ...] = ()


@dataclass(slots=True)
class _State:
    """How far a chain was read."""

    head: bytes = START
    number: int = 0
    records: int = 0
    unsealed: int = 0
    sealed_number: int = 0
    sealed_head: str = ""
    heads: dict[int, str] = field(default_factory=dict)


class _Broken(Exception):
    def __init__(self, fault: Fault, where: str, said: str) -> None:
        super().__init__(fault, where, said)
        self.fault: Fault = fault
        self.where = where
        self.said = said


def verify(
    root: Path,
    anchors: Path | None,
    keys: PublicKeys,
    indexed: Mapping[str, Anchor] | None = None,
) -> list[Report]:
    """Every chain below `root`, held against the heads below `anchors` and those in `indexed`.

    Raises:
        OSError: a file cannot be read.
    """
    told = indexed or {}
    folders = {path.name: path for path in chains_in(root)}
    named = {*told, *(anchored_chains(anchors) if anchors is not None else ())}
    reports = list[Report]()
    for name in sorted({*folders, *named}):
        known = read_anchors(anchors, name, keys) if anchors is not None else []
        known += [told[name]] if name in told else []
        if name in folders:
            reports.append(verify_chain(folders[name], known, keys))
        else:
            said = f"{len(known)} heads of it are written down elsewhere"
            missing = Finding(name, "chain_missing", str(root / name), said)
            reports.append(Report(name, findings=(missing,)))
    return reports


def verify_chain(folder: Path, anchors: Iterable[Anchor], keys: PublicKeys) -> Report:
    """One chain.

    Raises:
        OSError: a file cannot be read.
    """
    known = list(anchors)
    wanted = {anchor.number for anchor in known if anchor.is_good}
    # Asked before it is read: a process may end meanwhile, but none can begin without a seal.
    is_written = is_held(folder)
    files, state, found = files_in(folder), _State(), list[Finding]()
    try:
        for number, path in enumerate(files, 1):
            _must_be(path, folder / file_name(number))
            _read_file(path, number, state, wanted, keys)
            # What a process writes at this moment has its seal in a moment.
            if not (is_written and path == files[-1]):
                _must_be_sealed(path, state)
    except _Broken as broken:
        found.append(Finding(folder.name, broken.fault, broken.where, broken.said))
    else:
        found += _held_against(folder.name, state, known)
    found += [
        Finding(folder.name, "anchor_unsigned", anchor.where, "its signature does not hold")
        for anchor in known
        if not anchor.is_good
    ]
    return Report(
        folder.name, len(files), state.sealed_number, state.records,
        max(wanted, default=0), state.sealed_head, tuple(found),
    )  # fmt: skip


def _must_be(path: Path, expected: Path) -> None:
    if path != expected:
        raise _Broken("file_missing", str(expected), f"{path.name} is there")


def _must_be_sealed(path: Path, state: _State) -> None:
    if state.unsealed:
        said = f"{state.unsealed} bytes follow the last seal, entry {state.sealed_number}"
        raise _Broken("unsealed_tail", str(path), said)


def _read_file(path: Path, number: int, state: _State, wanted: set[int], keys: PublicKeys) -> None:
    state.unsealed, row = 0, 0
    with path.open("rb") as file:
        while line := file.readline(LINE_MAX + 1):
            if not line.endswith(b"\n") and len(line) <= LINE_MAX:
                state.unsealed += len(line)  # written in part, or cut
                return
            row += 1
            where, before = f"{path} line {row}", state.head
            body = _entry(line, where, state)
            if row == 1:
                _must_open(body, path.parent.name, number, where)
            if body["k"] != "seal":
                state.records += body["k"] == "record"
                state.unsealed += len(line)
                continue
            if not is_good(body, path.parent.name, before, keys):
                raise _Broken("wrong_signature", where, f"of the seal, entry {state.number}")
            state.sealed_number, state.sealed_head = state.number, state.head.hex()
            state.unsealed = 0
            if state.number in wanted:
                state.heads[state.number] = state.sealed_head
    if row == 0:
        raise _Broken("truncated", str(path), "nothing is in it")


def _entry(line: bytes, where: str, state: _State) -> JsonObject:
    """The body of the next entry, if it is the one that follows."""
    expected = state.number + 1
    try:
        taken = take_apart(line)
        body: JsonObject = orjson.loads(taken.body)
        number, kind = body["n"], body["k"]
    except (ValueError, KeyError, TypeError):
        raise _Broken("altered", where, f"entry {expected} cannot be read") from None
    after = link(state.head, taken.body)
    if after.hex() != taken.head or number != expected or kind not in {"open", "record", "seal"}:
        if isinstance(number, int) and number > expected:
            raise _Broken("entry_missing", where, f"entry {number} where {expected} belongs")
        if isinstance(number, int) and number < expected:
            raise _Broken("out_of_order", where, f"entry {number} where {expected} belongs")
        raise _Broken("altered", where, f"entry {expected} is not what follows the one before")
    state.head, state.number = after, expected
    return body


def _must_open(body: JsonObject, chain: str, number: int, where: str) -> None:
    if body["k"] != "open" or body.get("chain") != chain or body.get("file") != number:
        raise _Broken("out_of_order", where, f"file {number} of {chain} does not begin here")


def _held_against(chain: str, state: _State, anchors: Iterable[Anchor]) -> list[Finding]:
    """Where the chain and what was written down elsewhere disagree; the first of each kind."""
    found = dict[Fault, Finding]()
    for anchor in anchors:
        if not anchor.is_good:
            continue
        if anchor.number > state.sealed_number:
            said = f"ends at entry {state.sealed_number}; entry {anchor.number} was written"
            found.setdefault("truncated", Finding(chain, "truncated", anchor.where, said))
        elif state.heads.get(anchor.number) != anchor.head:
            said = f"another head was written down for entry {anchor.number}"
            found.setdefault("anchor_differs", Finding(chain, "anchor_differs", anchor.where, said))
    return list(found.values())
