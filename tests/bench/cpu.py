"""What processes cost: CPU seconds and memory, read from /proc, of a process and all it started."""

import os
from collections import Counter
from pathlib import Path

_PROC = Path("/proc")
TICK_S = 1 / os.sysconf("SC_CLK_TCK")

# Part of the command line -> what we call the process; the first that fits.
_NAMES = (
    ("ServeReplica:supportmax:ingress", "ingress replica"),
    ("ServeReplica:supportmax:platform-", "platform replica"),
    ("ray::Coordinator", "coordinator"),
    ("ServeController", "controller"),
    ("HAProxyManager", "HAProxy's manager"),
    ("ProxyActor", "fallback proxy"),
    ("haproxy", "HAProxy"),
    ("raylet/raylet", "raylet"),
    ("gcs_server", "GCS"),
    ("dashboard", "dashboard, its agents"),
    ("runtime_env_agent", "dashboard, its agents"),
    ("log_monitor", "log monitor"),
    ("monitor.py", "autoscaler's monitor"),
    ("supportmax run", "supportmax run"),
    ("resource_tracker", "Python's resource tracker"),
    ("ray::", "other Ray workers"),
)


def family(root: int) -> dict[int, str]:
    """`root` and every process below it, by name."""
    children: dict[int, list[int]] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and (stat := _stat(int(entry.name))) is not None:
            children.setdefault(int(stat[1]), []).append(int(entry.name))
    found: list[int] = []
    waiting = [root]
    while waiting:
        found.append(waiting.pop())
        waiting += children.get(found[-1], [])
    return {pid: _name(pid) for pid in found}


def cpu_ticks(pids: dict[int, str]) -> Counter[str]:
    """User and system time so far in units of `TICK_S`, by name; who is gone counts nothing."""
    spent: Counter[str] = Counter()
    for pid, name in pids.items():
        if (stat := _stat(pid)) is not None:
            spent[name] += int(stat[11]) + int(stat[12])
    return spent


def is_same(pid: int, name: str) -> bool:
    """Whether the process is still there, and not another one under its number."""
    stat = _stat(pid)
    return stat is not None and stat[0] != "Z" and _name(pid) == name


def pss_mb(pids: dict[int, str]) -> Counter[str]:
    """Memory by name, what is shared divided among those who share it."""
    held: Counter[str] = Counter()
    for pid, name in pids.items():
        try:
            lines = (_PROC / str(pid) / "smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        kilobytes = sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        held[name] += round(kilobytes / 1024)
    return held


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/<pid>/stat behind the name, which may hold anything."""
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    return text.rpartition(")")[2].split()


def _name(pid: int) -> str:
    try:
        line = (_PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        line = ""
    return next((name for part, name in _NAMES if part in line), line.strip()[:40] or "gone")
