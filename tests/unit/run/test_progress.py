"""What a start says on its way, and at its end."""

import asyncio
import io
from pathlib import Path

import pytest
from rich.console import Console

from deployments.banner import banner
from deployments.boot import Boot
from deployments.cli import main
from deployments.first_start import prepare
from deployments.progress import Steps
from routing.clock import SystemClock


def said(*, at_a_terminal: bool) -> str:
    file = io.StringIO()
    with Steps(Console(file=file, force_terminal=at_a_terminal, width=80), 2) as steps:
        steps.begin("starting Ray")
        steps.begin("starting [the] replicas")
    return file.getvalue()


def test_in_a_file_each_step_is_one_plain_line() -> None:
    """Whoever looks into it after a minute sees what is waited for."""
    assert (
        said(at_a_terminal=False) == "1 of 2: starting Ray …\n2 of 2: starting [the] replicas …\n"
    )


def test_at_a_terminal_there_is_a_bar_and_no_line_stays() -> None:
    assert "of 2" not in said(at_a_terminal=True)


def test_the_example_uses_no_key_that_opens_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first start's key was revoked: the file is there, and helps nobody."""
    monkeypatch.setenv("SUPPORTMAX_HOME", str(tmp_path))
    boot, clock = Boot(tmp_path, "development"), SystemClock()
    assert asyncio.run(prepare(boot, clock)) is True
    whole = "\n".join(banner(boot, "http://x", "http://y", key_opens=True))
    assert f"Bearer $(cat {boot.admin_key})" in whole
    assert main(["keys", "revoke", boot.admin_key.read_text().split("_")[1]]) == 0
    assert asyncio.run(prepare(boot, clock)) is False
    whole = "\n".join(banner(boot, "http://x", "http://y", key_opens=False))
    assert f"cat {boot.admin_key}" not in whole
    assert "revoked or expired: delete the file" in whole
    assert "supportmax keys create me --role admin" in whole


def test_the_administrators_key_of_the_first_start_is_on_record_with_its_id(tmp_path: Path) -> None:
    boot = Boot(tmp_path, "development")
    asyncio.run(prepare(boot, SystemClock()))
    key_id = boot.admin_key.read_text().split("_")[1]
    kept = b"".join(path.read_bytes() for path in boot.audit.rglob("*.jsonl"))
    assert f'"reason":"gives:admin key:{key_id}"'.encode() in kept
