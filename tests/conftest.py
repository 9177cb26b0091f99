"""What every test shares: one event loop, asyncio's, which is the one the product runs on."""

import os

import pytest

# Before anything imports numpy, which reads it once: on busy cores threads that wait for each other
# by spinning made a test of 20 s take four minutes. Our matrices are small.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"
