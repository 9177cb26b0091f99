"""Entra tokens: how a process that holds no key says who it is.

Imported only where there is no key: azure-identity costs 36 MB and 0.8 s of CPU.
"""

import asyncio
import math
import os
from collections.abc import Awaitable, Callable

from azure.core.exceptions import AzureError
from azure.identity.aio import (
    DefaultAzureCredential,
    WorkloadIdentityCredential,
    get_bearer_token_provider,
)

from deployments.platforms.errors import MAX_DETAIL
from routing.errors import ErrorKind, PlatformError

# The calls that were under way with a refused token all come back with the same 401, and
# identity endpoints throttle: one new token a minute mends what a new token can mend.
RENEW_S = 60.0


class EntraToken:
    """The bearer token of this process's own identity, for one scope.

    azure-identity keeps it until minutes before its end. `last` is the latest one, to
    keep it out of messages.
    """

    def __init__(self, platform: str, scope: str) -> None:
        self._platform = platform
        self._scope = scope
        # A cold start would otherwise ask once for every request of its first burst.
        self._one_at_a_time = asyncio.Lock()
        self._credential: DefaultAzureCredential | WorkloadIdentityCredential | None = None
        self._ask: Callable[[], Awaitable[str]] | None = None
        self._renewed_at = -math.inf
        self.last = ""

    async def get(self) -> str:
        """The token to send now.

        Raises:
            PlatformError: This process has no identity, or Entra gives it no token.
        """
        async with self._one_at_a_time:
            try:
                ask = self._ask or await self._open()
                self.last = await ask()
            # ValueError: azure-identity's word for an environment that names half an identity.
            except (AzureError, ValueError) as error:
                said = _shortened(f"{type(error).__name__}: {error}")
                raise PlatformError(self._platform, ErrorKind.CREDENTIALS, said) from error
            return self.last

    def forget(self) -> None:
        """Ask Entra itself next time, but at most every `RENEW_S`: the token was refused."""
        now = asyncio.get_running_loop().time()
        if now - self._renewed_at >= RENEW_S:
            self._renewed_at = now
            self._ask = None

    async def aclose(self) -> None:
        """Give the connections to the identity endpoint back."""
        self._ask = None
        if self._credential is not None:
            await self._credential.close()
            self._credential = None

    async def _open(self) -> Callable[[], Awaitable[str]]:
        # A new credential and not only a new question: its cache is what has to be forgotten.
        await self.aclose()
        # Where Kubernetes projects an identity, that is the one which is meant: no search.
        is_projected = "AZURE_FEDERATED_TOKEN_FILE" in os.environ
        found = WorkloadIdentityCredential() if is_projected else DefaultAzureCredential()
        self._credential = found
        self._ask = get_bearer_token_provider(found, self._scope)
        return self._ask


def _shortened(said: str) -> str:
    """Both ends, on one line: Entra's own code comes first, the last of a chain's ways last."""
    line = " ".join(said.split())
    half = MAX_DETAIL // 2 - 2
    return line if len(line) <= MAX_DETAIL else f"{line[:half]} … {line[-half:]}"
