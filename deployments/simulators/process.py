"""The simulators' process, as whoever starts it sees it."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Self

from routing.errors import SupportMaxError

# A second on a quiet machine; one that needs longer than this is in trouble.
START_S = 30.0


class SimulatorsDown(SupportMaxError):
    """The simulators' process does not run."""

    code = "simulators_down"


class Simulators:
    """The simulators' process: started, restarted when it dies, ended with us."""

    def __init__(self, home: Path, key: str) -> None:
        self._key = key
        self._port_file = home / "simulators.port"
        self._log = home / "simulators.log"
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Where they listen, on loopback."""
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(5.0)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def wait_until_up(self) -> None:
        """Return once they listen; starting them takes a second that others can use.

        Raises:
            SimulatorsDown: they ended, or did not begin to listen.
        """
        until = time.monotonic() + START_S
        while not self._port_file.exists():
            ended = self._process is None or self._process.poll() is not None
            if ended or time.monotonic() > until:
                raise SimulatorsDown(f"the simulators did not start; see {self._log}")
            time.sleep(0.02)  # another process writes the file, and no event of ours says so
        self._port = int(self._port_file.read_text())

    def keep_alive(self) -> None:
        """Start them again, at the same address, if they died."""
        if self._process is not None and self._process.poll() is not None:
            self._start()

    def _start(self) -> None:
        self._port_file.unlink(missing_ok=True)
        command = [
            sys.executable, "-m", "deployments.simulators.server",
            "--port", str(self._port), "--port-file", str(self._port_file), "--key", self._key,
        ]  # fmt: skip
        with self._log.open("ab") as log:
            # A group of its own: Ctrl-C at the terminal is ours, and they are ended last.
            self._process = subprocess.Popen(  # noqa: S603  our own module
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
            )
