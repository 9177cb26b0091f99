"""The fence around the unit tests: no Ray, no network."""

import sys
from collections.abc import Iterator
from typing import NoReturn

import pytest
import pytest_socket


def _refuse(*_: object, **__: object) -> NoReturn:
    raise AssertionError("a unit test starts no Ray")


@pytest.fixture(autouse=True)
def _fence(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make Ray and the network fail loudly; Unix sockets stay, since asyncio wakes itself by one."""
    if (ray := sys.modules.get("ray")) is not None:
        monkeypatch.setattr(ray, "init", _refuse)
    pytest_socket.disable_socket(allow_unix_socket=True)
    try:
        yield
    finally:
        pytest_socket.enable_socket()
    # A test that imported Ray itself was not stopped above, but it is found out here.
    if (ray := sys.modules.get("ray")) is not None:
        assert not ray.is_initialized()
