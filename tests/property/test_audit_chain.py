"""No change to a chain goes unseen: not of one bit, not of a line, not of its end or its order."""

import shutil
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.audit import open_chain
from actors.audit.record import take_apart
from actors.audit.verify import verify
from tests.audit_world import AuditWorld, record


class Kept:
    """A chain over several files, closed, with its last head written down elsewhere."""

    def __init__(self, path: Path) -> None:
        self.world = AuditWorld(path / "kept")
        self.scratch = path / "scratch"
        chain = self.world.chain(file_max=3_000)
        for number in range(12):
            chain.append([record(f"PUT /x/{number}/{each}") for each in range(number % 3 + 1)])
        self.world.anchor(chain.position)
        chain.close()
        self.bytes = {
            path.name: path.read_bytes()
            for path in sorted((self.world.root / "node-test-1").glob("*.jsonl"))
        }
        assert len(self.bytes) > 3

    def seen(self, change: Callable[[dict[str, bytes]], None]) -> list[str]:
        """What `verify` says of a copy that was changed."""
        shutil.rmtree(self.scratch, ignore_errors=True)
        folder = self.scratch / "node-test-1"
        folder.mkdir(parents=True)
        changed = dict(self.bytes)
        change(changed)
        assert changed != self.bytes
        for name, data in changed.items():
            (folder / name).write_bytes(data)
        reports = verify(self.scratch, self.world.heads, self.world.keys.public)
        return [finding.fault for report in reports for finding in report.findings]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    return Kept(tmp_path_factory.mktemp("chain"))


def test_the_chain_itself_is_whole(kept: Kept) -> None:
    """Otherwise the rest of this file would prove nothing."""
    assert kept.world.faults() == []


@given(data=st.data())
@settings(max_examples=400, deadline=None)
def test_any_single_bit_is_found(kept: Kept, data: st.DataObject) -> None:
    """In a record, a hash, a signature, a frame or a line's end."""
    name = data.draw(st.sampled_from(sorted(kept.bytes)))
    place = data.draw(st.integers(0, len(kept.bytes[name]) - 1))
    bit = data.draw(st.integers(0, 7))

    def change(files: dict[str, bytes]) -> None:
        whole = bytearray(files[name])
        whole[place] ^= 1 << bit
        files[name] = bytes(whole)

    assert kept.seen(change)


@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_any_removed_doubled_or_swapped_line_is_found(kept: Kept, data: st.DataObject) -> None:
    """Within a file and between files."""
    places = [
        (name, row)
        for name, whole in sorted(kept.bytes.items())
        for row in range(whole.count(b"\n"))
    ]
    how = data.draw(st.sampled_from(["removed", "doubled", "swapped"]))
    name, row = data.draw(st.sampled_from(places))
    other, other_row = data.draw(st.sampled_from([p for p in places if p != (name, row)]))

    def change(files: dict[str, bytes]) -> None:
        lines = {n: whole.splitlines(keepends=True) for n, whole in files.items()}
        mine, theirs = lines[name][row], lines[other][other_row]
        match how:
            case "removed":
                del lines[name][row]
            case "doubled":
                lines[name].insert(row, mine)
            case _:
                lines[name][row], lines[other][other_row] = theirs, mine
        files.update({n: b"".join(every) for n, every in lines.items()})

    assert kept.seen(change)


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_any_shortened_chain_is_found(kept: Kept, data: st.DataObject) -> None:
    """Also at the very end of a commit, where only the head that is kept elsewhere tells."""
    names = sorted(kept.bytes)
    last = data.draw(st.integers(0, len(names) - 1))
    whole = kept.bytes[names[last]]
    ends = [place + 1 for place, byte in enumerate(whole) if byte == 0x0A]
    cut = data.draw(st.one_of(st.integers(0, len(whole) - 1), st.sampled_from([0, *ends])))

    def change(files: dict[str, bytes]) -> None:
        files[names[last]] = whole[:cut]
        for name in names[last + 1 :]:
            del files[name]
        if files == kept.bytes:
            files[names[last]] = whole[:-1]

    assert kept.seen(change)


@given(data=st.data())
@settings(max_examples=50, deadline=None)
def test_any_missing_or_exchanged_file_is_found(kept: Kept, data: st.DataObject) -> None:
    """Gone, or in the place of another."""
    one, other = data.draw(
        st.lists(st.sampled_from(sorted(kept.bytes)), min_size=2, max_size=2, unique=True)
    )

    def remove(files: dict[str, bytes]) -> None:
        del files[one]

    def exchange(files: dict[str, bytes]) -> None:
        files[one], files[other] = files[other], files[one]

    assert kept.seen(remove)
    assert kept.seen(exchange)


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_write_that_was_cut_off_anywhere_is_repaired_and_no_commit_before_it_is_lost(
    kept: Kept, data: st.DataObject
) -> None:
    """The power goes at any byte of the last file; the next process goes on, and says so."""
    *whole, last = sorted(kept.bytes)
    opening = kept.bytes[last].index(b"\n", kept.bytes[last].index(b"\n") + 1) + 1
    cut = data.draw(st.integers(opening, len(kept.bytes[last])))
    left = kept.bytes[last][:cut]
    shutil.rmtree(kept.scratch, ignore_errors=True)
    folder = kept.scratch / "node-test-1"
    folder.mkdir(parents=True)
    for name in whole:
        (folder / name).write_bytes(kept.bytes[name])
    (folder / last).write_bytes(left)
    chain = open_chain(kept.scratch, "node-test", kept.world.keys, kept.world.clock)
    chain.close()
    assert chain.name == "node-test-1"
    [report] = verify(kept.scratch, None, kept.world.keys.public)
    assert report.findings == ()
    # Two entries more: the statement and its seal, behind the last seal that was left whole.
    seals = [line for line in left.splitlines(keepends=True) if b'"k":"seal"' in line]
    sealed = seals if seals[-1].endswith(b"}\n") else seals[:-1]
    assert report.entries == orjson.loads(take_apart(sealed[-1]).body)["n"] + 2


def test_a_chain_made_anew_with_another_key_is_found(kept: Kept, tmp_path: Path) -> None:
    """Whoever has the disk and not the key can make a whole chain, and nobody believes it."""
    stranger = AuditWorld(tmp_path)
    chain = stranger.chain()
    chain.append([record()])
    chain.close()
    shutil.rmtree(kept.scratch, ignore_errors=True)
    shutil.copytree(stranger.root, kept.scratch)
    [report] = verify(kept.scratch, kept.world.heads, kept.world.keys.public)
    assert [finding.fault for finding in report.findings] == ["wrong_signature"]


def test_a_chain_made_anew_with_the_key_disagrees_with_its_anchor(
    kept: Kept, tmp_path: Path
) -> None:
    """The key alone is not enough: what was written down elsewhere has another head."""
    shutil.copy(kept.world.root.parent / "audit.keys", tmp_path)
    thief = AuditWorld.__new__(AuditWorld)
    thief.root, thief.heads = tmp_path / "audit", kept.world.heads
    thief.root.mkdir()
    thief.keys, thief.clock = kept.world.keys, kept.world.clock
    chain = thief.chain(file_max=3_000)
    for _ in range(60):
        chain.append([record("GET /harmless")])
    chain.close()
    assert thief.faults() == ["anchor_differs"]
    shutil.rmtree(thief.root / "node-test-1")
    assert thief.faults() == ["chain_missing"]
