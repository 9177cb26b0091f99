"""A judge: a program of somebody else's, installed apart from ours and run as a process of its own."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

import httpx2
import pytest

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
NODE_MIN = 22  # the MCP project's programs ask for it
STOP_S = 5.0
LOOK_S = 0.05
LAST_WORDS = 2_000  # characters of a log: what a process says when it dies


def absent(what: str) -> NoReturn:
    """Skip the test; where CI is set fail it instead, since there nobody reads about skips."""
    if os.environ.get("CI") == "true":
        pytest.fail(what, pytrace=False)
    pytest.skip(what)


def program(path: Path) -> str:
    """A judge's program, if it is installed."""
    if not path.exists():
        absent(f"{path.relative_to(REPOSITORY)} is not installed; `make judges` does that")
    return str(path)


def node() -> str:
    """Node.js 22 or later: installed with the judges, or the machine's own."""
    for installed in sorted(HERE.glob("node_modules/node-*/bin/node")):
        return str(installed)
    own = shutil.which("node")
    if own is None:
        absent("there is no Node.js on this machine; `make judges` installs one where npm is")
    said = subprocess.run([own, "--version"], capture_output=True, text=True, check=True).stdout
    if int(said.removeprefix("v").partition(".")[0]) < NODE_MIN:
        absent(f"Node.js {NODE_MIN} or later is needed; `make judges` installs one where npm is")
    return own


@contextmanager
def serving(
    command: Sequence[str], ready_url: str, log: Path, *, within_s: float
) -> Iterator[None]:
    """Run a server from the moment on at which it answers `ready_url`, whatever it answers."""
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
        try:
            _wait(process, ready_url, log, within_s)
            yield
        finally:
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait(process: subprocess.Popen[bytes], url: str, log: Path, within_s: float) -> None:
    until = time.monotonic() + within_s
    with httpx2.Client(verify=False, trust_env=False, timeout=within_s) as http:
        while time.monotonic() < until:
            with suppress(httpx2.TransportError):
                http.get(url)
                return
            with suppress(subprocess.TimeoutExpired):
                process.wait(LOOK_S)
                message = f"the judge ended before it listened: {log.read_text()[-LAST_WORDS:]}"
                raise RuntimeError(message)
    message = f"the judge did not listen within {within_s:g} s: {log.read_text()[-LAST_WORDS:]}"
    raise TimeoutError(message)
