"""Who is below a process, and that nobody of them stays."""

import os
import select
import signal
import subprocess
import sys

from deployments.family import below, ended_after

# Begins another, says its number, and waits for nothing.
PARENT = (
    "import signal, subprocess, sys\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'])\n"
    "print(child.pid, flush=True)\n"
    "signal.pause()\n"
)


def test_whoever_lost_their_parent_meanwhile_is_ended_too_and_who_is_spared_is_not() -> None:
    """As a killed parent leaves its children to nobody, where no tree of processes has them any more."""
    spared = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    ours = below(os.getpid())
    assert spared.pid in ours
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    begun = below(os.getpid()) - ours
    assert begun >= {parent.pid, child}
    handle = os.pidfd_open(child)
    with ended_after(begun):
        parent.kill()
        parent.wait()
        assert child not in below(os.getpid())
        signal.pidfd_send_signal(handle, 0)

    assert select.select([handle], [], [], 60)[0] == [handle]
    os.close(handle)
    parent.stdout.close()
    assert spared.poll() is None
    spared.kill()
    spared.wait()
