"""The log in a process: on disk before the deed, bounded in memory, and never silent about a loss."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from actors.audit import AuditUnavailable
from actors.audit.anchor import Anchoring
from tests.audit_world import AuditWorld, record, until_written

FULL_DISK = """
import asyncio, json, resource, sys
from pathlib import Path
from actors.audit import AuditLog, AuditRecord, AuditUnavailable, open_chain, read_keys
from routing.clock import SystemClock

root, clock = Path(sys.argv[1]), SystemClock()
keys = read_keys(root / "audit.keys")

def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

async def main():
    log = AuditLog(lambda: open_chain(root / "audit", "node-test", keys, clock, new=lambda: "1"), clock)
    seen = []
    for number in range(3):
        await log.commit(AuditRecord(number, "acme", "before", "begun"))
    size = (root / "audit" / "node-test-1" / "000001.jsonl").stat().st_size
    limit(size + 100)                       # room for a part of a record
    for number in range(5):
        try:
            await log.commit(AuditRecord(number, "acme", "refused", "begun"))
        except AuditUnavailable as error:
            seen.append(error.code)
        log.note(AuditRecord(number, "acme", "chat", "done"))
    limit(resource.RLIM_INFINITY)
    await log.commit(AuditRecord(9, "acme", "after", "begun"))
    await log.aclose()
    print(json.dumps(seen))

asyncio.run(main())
"""


@pytest.fixture
def world(tmp_path: Path) -> AuditWorld:
    return AuditWorld(tmp_path)


async def test_a_commit_returns_when_the_record_is_on_disk(world: AuditWorld) -> None:
    """Read back by other eyes, before the log is closed."""
    log = world.log()
    await log.commit(record("PUT /admin/keys/{id}"))
    assert [row["action"] for row in world.records()][-1] == "PUT /admin/keys/{id}"
    await log.aclose()


async def test_many_that_wait_share_a_commit(world: AuditWorld) -> None:
    """One flush for a crowd: far fewer seals than records."""
    log = world.log(1_000)
    await asyncio.gather(*(log.commit(record()) for _ in range(300)))
    await log.aclose()
    seals = world.file().read_bytes().count(b'"k":"seal"')
    assert seals < 60
    assert len(world.records()) == 300 + 2


@pytest.mark.timeout(30)
def test_on_a_full_disk_changes_are_refused_and_nothing_noted_is_lost(
    world: AuditWorld, tmp_path: Path
) -> None:
    """A file that may not grow, in a process of its own; then it may again."""
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=25,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["audit_unavailable"] * 5
    actions = [
        row["action"] for row in world.records() if not str(row["action"]).startswith("audit")
    ]
    assert actions == ["before"] * 3 + ["chat"] * 5 + ["after"]
    assert world.faults() == []


async def test_without_its_folder_a_change_is_refused_and_with_it_again_all_goes_on(
    world: AuditWorld,
) -> None:
    """Unlinked files can be written to, so looking at the descriptor alone would not tell."""
    log = world.log()
    await log.commit(record("before"))
    away = world.root.with_name("away")
    world.root.rename(away)
    for _ in range(2):
        with pytest.raises(AuditUnavailable):
            await log.commit(record("refused"))
    log.note(record("noted"))
    away.rename(world.root)
    await log.commit(record("after"))
    await log.aclose()
    assert [row["action"] for row in world.records() if "audit" not in str(row["action"])] == [
        "before", "noted", "after",
    ]  # fmt: skip
    assert world.faults() == []


async def test_what_finds_no_room_is_counted_and_the_count_is_on_record(world: AuditWorld) -> None:
    """Reads and chats go on without a disk; how many of them left no trace is known to the last one."""
    log = world.log(queued_max=20)
    away = world.root.with_name("away")
    world.root.rename(away)
    with pytest.raises(AuditUnavailable):
        await log.commit(record("refused"))
    for _ in range(75):
        log.note(record("chat"))
    away.rename(world.root)
    await log.aclose()
    rows = world.records()
    kept = sum(row["action"] == "chat" for row in rows)
    lost = sum(int(str(row["count"])) for row in rows if row["action"] == "audit.lost")
    assert kept >= 20
    assert kept + lost == 75


async def test_a_closed_log_takes_nothing_and_says_so(world: AuditWorld) -> None:
    """A request that outlives the replica's end does not do what cannot be recorded."""
    log = world.log()
    await log.aclose()
    with pytest.raises(AuditUnavailable):
        await log.commit(record())


async def test_the_head_is_written_down_elsewhere_and_a_failure_of_that_is_on_record(
    world: AuditWorld,
) -> None:
    """Once for each outage, and the chain itself goes on."""
    log = world.log()
    anchoring = Anchoring(log, world.heads, world.keys, world.clock)
    await log.commit(record())
    await anchoring.once()
    [report] = world.verified()
    assert report.anchored == report.entries
    away = world.heads.with_name("heads-away")
    world.heads.rename(away)
    await log.commit(record())
    told = [anchoring.is_failing]
    await anchoring.once()
    await anchoring.once()
    told.append(anchoring.is_failing)
    away.rename(world.heads)
    position = log.position
    assert position is not None
    await until_written(log, position.number + 1)
    await log.aclose()
    await anchoring.aclose()
    assert [*told, anchoring.is_failing] == [False, True, False]
    assert [row["action"] for row in world.records()].count("audit.anchor_failed") == 1
    assert world.faults() == []
