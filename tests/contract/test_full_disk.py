"""A disk that is full under the audit log: what must be on record is refused, everything else goes on."""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest

from tests.contract import full_disk
from tests.judges.judge import REPOSITORY, absent

# A file system of its own takes a mount namespace, which a user who is not root gets with one of users.
NAMESPACE = ["unshare", "--map-root-user", "--mount"]
DONE = {"read": 200, "chat": 200, "change": 200, "key": 200, "login": 200}
REFUSED = "audit_unavailable"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    if (
        shutil.which("unshare") is None
        or subprocess.run([*NAMESPACE, "true"], check=False).returncode
    ):
        absent("this machine lets no test mount a file system of its own (unshare --mount)")
    done = subprocess.run(
        [
            *NAMESPACE,
            sys.executable,
            "-m",
            full_disk.__name__,
            str(tmp_path_factory.mktemp("disk")),
        ],
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_on_a_full_disk_nothing_that_must_be_on_record_is_done(told: dict[str, Any]) -> None:
    """Configuration, keys, sign-ons and tools that change something; and none of them is half done."""
    assert told["before"] == {**DONE, "tools": ["look", "refund"], "keys": 2}
    assert told["failing"]
    for meanwhile in told["meanwhile"]:
        assert {meanwhile[name] for name in ("change", "key", "login")} == {REFUSED}
        assert meanwhile["tools"] == ["look"]
        assert meanwhile["keys"] == 2


def test_on_a_full_disk_reading_and_chatting_go_on(told: dict[str, Any]) -> None:
    for meanwhile in told["meanwhile"]:
        assert (meanwhile["read"], meanwhile["chat"]) == (200, 200)


def test_when_there_is_room_again_everything_goes_on_by_itself(told: dict[str, Any]) -> None:
    assert told["after"] == {**DONE, "tools": ["look", "refund"], "keys": 3}


def test_nothing_that_was_noted_on_a_full_disk_is_lost(told: dict[str, Any]) -> None:
    """What was done meanwhile is on record once, what was refused is not, and the chain is whole."""
    kept = Counter(tuple(each) for each in told["actions"])
    assert told["faults"] == []
    assert kept["audit.lost", "stated"] == 0
    # Before, twice meanwhile, after.
    assert kept["GET /v3/read", "done"] == kept["POST /v3/chat", "done"] == 4
    assert kept["tool:shop__look", "done"] == 4
    for change in ("PUT /admin/change", "POST /admin/keys", "tool:shop__refund"):
        assert kept[change, "begun"] == kept[change, "done"] == 2, change
    assert kept["auth.sign_on", "done"] == 2
