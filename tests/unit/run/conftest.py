"""Asking the kernel for a free port takes a socket; nothing is sent through it."""

import pytest


@pytest.fixture(autouse=True)
def _may_bind(_fence: None, socket_enabled: None) -> None:
    """Open the fence for sockets alone."""
