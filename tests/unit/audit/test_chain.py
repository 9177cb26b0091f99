"""Chains: what a process leaves behind, the next one goes on with, and nobody shares one."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from actors.audit import open_chain
from actors.audit.folder import chains_in, plain
from actors.audit.verify import verify
from tests.audit_world import AuditWorld, record

WRITER = """
import sys
from pathlib import Path
from actors.audit import AuditRecord, open_chain, read_keys
from routing.clock import SystemClock
root = Path(sys.argv[1])
keys, new = read_keys(root / "audit.keys"), lambda: "2"
chain = open_chain(root / "audit", "node-test", keys, SystemClock(), new=new)
print(chain.name, flush=True)
while sys.argv[2] == "writes":
    chain.append([AuditRecord(1, "acme", "PUT /x", "begun") for _ in range(400)])
    print(chain.position.number, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def world(tmp_path: Path) -> AuditWorld:
    return AuditWorld(tmp_path)


def writer(path: Path, does: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), does],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )


def test_a_chain_is_gone_on_with_and_says_how_it_was_left(world: AuditWorld) -> None:
    """Three processes one after the other, the second of which was not told to stop."""
    for closes in (True, False, True):
        chain = world.chain()
        said = [record()]
        if closes:
            said.append(record("audit.closed"))
        chain.append(said)
        chain.close()
    reasons = [row["reason"] for row in world.records() if row["action"] == "audit.opened"]
    assert reasons == ["new", "after_an_end", "after_a_crash"]
    [report] = world.verified()
    assert report.findings == ()
    assert report.records == 3 + 3 + 2


def test_a_full_file_is_followed_by_the_next_and_the_chain_runs_through(world: AuditWorld) -> None:
    """No file grows beyond its bound by more than one commit."""
    chain = world.chain(file_max=4_000)
    for _ in range(40):
        chain.append([record()])
    chain.close()
    sizes = [path.stat().st_size for path in sorted((world.root / "node-test-1").glob("*.jsonl"))]
    assert len(sizes) > 3
    assert max(sizes) < 4_000 + 1_500
    [report] = world.verified()
    assert (report.files, report.findings) == (len(sizes), ())


def test_what_a_crash_left_in_mid_write_is_put_aside_and_the_gap_is_stated(
    world: AuditWorld,
) -> None:
    """The torn bytes stay for whoever wants to see them; the chain goes on before them."""
    chain = world.chain()
    before = chain.append([record()])
    chain.append([record(), record()])
    chain.close()
    whole = world.file().read_bytes()
    torn = whole[before.offset : before.offset + 700]
    world.file().write_bytes(whole[: before.offset] + torn)
    assert world.faults() == ["unsealed_tail"]
    world.chain().close()
    opened = [row for row in world.records() if row["action"] == "audit.opened"][-1]
    assert (opened["reason"], opened["count"]) == ("after_a_crash", len(torn))
    assert world.file().with_suffix(f".torn-{before.number}").read_bytes() == torn
    assert world.faults() == []


def test_a_chain_that_was_tampered_with_is_left_alone_and_named(world: AuditWorld) -> None:
    """A restart must not make a repair of what somebody changed."""
    chain = world.chain()
    for _ in range(3):
        chain.append([record()])
    chain.close()
    changed = world.file().read_bytes().replace(b'"acme"', b'"evil"', 1)
    world.file().write_bytes(changed)
    second = world.chain()
    second.close()
    assert second.name == "node-test-2"
    assert world.file().read_bytes() == changed
    left = [row["object"] for row in world.records("node-test-2") if row["object"]]
    assert left == ["node-test-1"]
    assert world.faults() == ["altered"]


def test_two_processes_never_share_a_chain(world: AuditWorld, tmp_path: Path) -> None:
    """The lock is the kernel's: it goes with the process that had it."""
    mine = world.chain()
    other = writer(tmp_path, "waits")
    assert other.stdout is not None
    assert other.stdout.readline() == b"node-test-2\n"
    third = world.chain()
    assert (mine.name, third.name) == ("node-test-1", "node-test-3")
    other.communicate(b"")
    again = world.chain()
    assert again.name == "node-test-2"
    for chain in (mine, third, again):
        chain.close()
    assert world.faults() == []


def test_nothing_acknowledged_is_lost_when_a_writer_is_killed(
    world: AuditWorld, tmp_path: Path
) -> None:
    """SIGKILL between and within commits of 400 records; whatever it printed is there afterwards."""
    acknowledged = 0
    for _ in range(3):
        other = writer(tmp_path, "writes")
        assert other.stdout is not None
        assert other.stdout.readline() == b"node-test-2\n"
        for _ in range(3):
            acknowledged = int(other.stdout.readline())
        other.send_signal(signal.SIGKILL)
        rest, _ = other.communicate()
        lines = rest.split(b"\n")[:-1]
        acknowledged = int(lines[-1]) if lines else acknowledged
        chain = world.chain()
        assert chain.position.number > acknowledged
        chain.close()
        assert world.faults() == []


def test_a_chain_is_verified_while_it_is_written(world: AuditWorld) -> None:
    """What lies behind the last seal of a live chain is a write under way, and no fault."""
    chain = world.chain()
    with world.file().open("ab") as file:
        file.write(b'{"h":"')
    assert world.faults() == []
    chain.close()
    assert world.faults() == ["unsealed_tail"]


def test_a_key_that_is_not_believed_signs_nothing(world: AuditWorld, tmp_path: Path) -> None:
    """The chain is whole, and by somebody else."""
    world.chain().close()
    stranger = AuditWorld(tmp_path / "elsewhere")
    [report] = verify(world.root, None, stranger.keys.public)
    assert [finding.fault for finding in report.findings] == ["wrong_signature"]


def test_no_name_ever_stands_for_two_chains(world: AuditWorld) -> None:
    """Long names of a cluster's machines end alike, and a deleted chain must not seem shortened."""
    ours = "supportmax-eu-west-raycluster-x7k2p-worker-group-with-a-long-name-for-a-machine-"
    names = {plain(f"{ours}{end}-ingress") for end in ("aaaaa", "aaaab")}
    assert len(names) == 2
    assert max(map(len, names)) <= 80
    root = world.root
    one = open_chain(root, "node", world.keys, world.clock)
    one.close()
    assert chains_in(root) == [root / one.name]
    shutil.rmtree(root / one.name)
    other = open_chain(root, "node", world.keys, world.clock)
    other.close()
    assert other.name != one.name
