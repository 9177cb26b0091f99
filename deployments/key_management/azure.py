"""Azure Key Vault and Managed HSM: a data key is wrapped by RSA-OAEP-256, or by AES on an HSM.

Neither takes data to authenticate, so a digest of the context is wrapped with the key and compared
when it comes back. The SDK is imported when it is first used: it costs a process half a second.
"""

import base64
import hashlib
import hmac
import os
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from actors.sealing.errors import ProviderRefused, ProviderUnavailable
from actors.sealing.provider import KeyContext
from config.encryption import AzureKeyVault

if TYPE_CHECKING:
    from azure.core.exceptions import AzureError
    from azure.identity.aio import DefaultAzureCredential, WorkloadIdentityCredential
    from azure.keyvault.keys.crypto.aio import CryptographyClient

CONNECT_S: Final = 2.0
ANSWER_S: Final = 5.0
# Versions of one key that wrapped something not yet wrapped anew; each has a client.
VERSIONS_MAX: Final = 16
_VERSION = re.compile(r"[0-9a-f]{32}")
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_SAID_MAX = 300


class AzureKeyVaultProvider:
    """A key of a vault, in its newest version for wrapping and in any for unwrapping."""

    name = "azure_key_vault"

    def __init__(self, settings: AzureKeyVault) -> None:
        self._settings = settings
        self._key_id = f"{settings.vault_url}/keys/{settings.key_name}"
        # A vault is told by its domain whether it may ask for a token; loopback has none.
        host = urlsplit(settings.vault_url).hostname
        self._is_loopback = host in _LOOPBACK
        self._credential: DefaultAzureCredential | WorkloadIdentityCredential | None = None
        self._clients: dict[str, CryptographyClient] = {}

    async def wrap(self, key: bytes, context: KeyContext) -> str:
        """The key, wrapped by the newest version, whose name stands before it."""
        from azure.core.exceptions import AzureError  # noqa: PLC0415
        from azure.keyvault.keys.crypto import KeyWrapAlgorithm  # noqa: PLC0415

        # Not kept: the vault may have a newer version the next time.
        client = self._open("")
        try:
            async with client:
                wrapped = await client.wrap_key(
                    KeyWrapAlgorithm(self._settings.algorithm), key + _digest(context)
                )
        except (AzureError, ValueError) as error:
            raise self._error(error) from error
        version = (wrapped.key_id or "").rpartition("/")[2]
        if not _VERSION.fullmatch(version):
            raise ProviderUnavailable(self.name, "the vault did not say which version wrapped")
        return f"{version}:{base64.b64encode(wrapped.encrypted_key).decode()}"

    async def unwrap(self, wrapped: str, context: KeyContext) -> bytes:
        """The key again."""
        from azure.core.exceptions import AzureError  # noqa: PLC0415
        from azure.keyvault.keys.crypto import KeyWrapAlgorithm  # noqa: PLC0415

        version, _, text = wrapped.partition(":")
        if not _VERSION.fullmatch(version):
            raise ProviderRefused(self.name, "this was not wrapped by this vault")
        client = self._clients.get(version)
        if client is None:
            if len(self._clients) >= VERSIONS_MAX:
                await self._clients.pop(next(iter(self._clients))).close()
            client = self._clients[version] = self._open(version)
        try:
            unwrapped = await client.unwrap_key(
                KeyWrapAlgorithm(self._settings.algorithm), base64.b64decode(text)
            )
        except (AzureError, ValueError) as error:
            raise self._error(error) from error
        size = hashlib.sha256().digest_size
        key, digest = unwrapped.key[:-size], unwrapped.key[-size:]
        if not hmac.compare_digest(digest, _digest(context)):
            raise ProviderRefused(self.name, "this was not wrapped for this purpose")
        return key

    async def aclose(self) -> None:
        """Close what is open."""
        for client in self._clients.values():
            await client.close()
        self._clients.clear()
        if self._credential is not None:
            await self._credential.close()
            self._credential = None

    def _open(self, version: str) -> "CryptographyClient":
        from azure.identity.aio import (  # noqa: PLC0415
            DefaultAzureCredential,
            WorkloadIdentityCredential,
        )
        from azure.keyvault.keys.crypto.aio import CryptographyClient  # noqa: PLC0415

        if self._credential is None:
            # Where Kubernetes projects an identity, that is the one which is meant: no search.
            is_projected = "AZURE_FEDERATED_TOKEN_FILE" in os.environ
            self._credential = (
                WorkloadIdentityCredential() if is_projected else DefaultAzureCredential()
            )
        return CryptographyClient(
            f"{self._key_id}/{version}" if version else self._key_id,
            self._credential,
            verify_challenge_resource=not self._is_loopback,
            retry_total=0,  # Patient tries again, and bounds it.
            connection_timeout=CONNECT_S,
            read_timeout=ANSWER_S,
        )

    def _error(self, error: "AzureError | ValueError") -> ProviderRefused | ProviderUnavailable:
        from azure.core.exceptions import HttpResponseError  # noqa: PLC0415

        said = " ".join(f"{type(error).__name__}: {error}".split())[:_SAID_MAX]
        status = error.status_code if isinstance(error, HttpResponseError) else None
        if isinstance(error, HttpResponseError) and status is not None:
            if status < 500 and status not in {408, 429}:
                return ProviderRefused(self.name, said)
            # The SDK's types do not know that an answer has headers.
            answer: Any = error.response
            wait = "" if answer is None else str(answer.headers.get("Retry-After", ""))
            return ProviderUnavailable(self.name, said, float(wait) if wait.isdigit() else None)
        if isinstance(error, ValueError):
            return ProviderRefused(self.name, said)
        # No token, no connection: nothing was said of the key.
        return ProviderUnavailable(self.name, said)


def _digest(context: KeyContext) -> bytes:
    return hashlib.sha256(context.data()).digest()
