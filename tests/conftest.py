"""What every test shares: one event loop, asyncio's, which is the one the product runs on."""

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"
