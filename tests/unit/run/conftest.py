"""Asking the kernel for a free port takes a socket; nothing is sent through it."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deployments import flags


@pytest.fixture(autouse=True)
def _may_bind(_fence: None, socket_enabled: None) -> None:
    """Open the fence for sockets alone."""


@pytest.fixture
def begun() -> Callable[[Path], Path]:
    """Makes a data directory one in which something was started; commands are refused in others."""

    def begin(home: Path) -> Path:
        home.mkdir(exist_ok=True)
        (home / "supportmax.sqlite").touch(0o600)
        return home

    return begin


@pytest.fixture(autouse=True)
def _nothing_stays(tmp_path: Path) -> Iterator[None]:
    """HAProxy's folder lies outside the data directory, where a path is short."""
    yield
    for home in (tmp_path, *(path for path in tmp_path.rglob("*") if path.is_dir())):
        shutil.rmtree(flags._short_folder(home))
