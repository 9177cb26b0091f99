"""The processes below this one: held by the kernel's handle, so that none is mistaken for another later."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path


def below(pid: int) -> frozenset[int]:
    """Everybody whom `pid` began, and whom those began; nobody where there is no /proc."""
    began = dict[int, list[int]]()
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name, in parentheses, may hold spaces and parentheses itself.
            parent = int(path.read_text(errors="replace").rpartition(")")[2].split()[1])
            began.setdefault(parent, []).append(int(path.parent.name))
    found, waiting = set[int](), [pid]
    while waiting:
        new = began.get(waiting.pop(), [])
        found.update(new)
        waiting += new
    return frozenset(found)


@contextlib.contextmanager
def ended_after(pids: frozenset[int]) -> Iterator[None]:
    """What is inside may end them in its own way; whoever is left of them afterwards is killed."""
    held = list[int]()
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            held.append(os.pidfd_open(pid))
    try:
        yield
    finally:
        for handle in held:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
            os.close(handle)
