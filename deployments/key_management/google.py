"""Google Cloud KMS: Encrypt and Decrypt with the context as additional authenticated data.

Google's client blocks and is asked in a thread. It is imported when it is first used: it costs a
process a second.
"""

import asyncio
import base64
import threading
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlsplit

from actors.sealing.errors import ProviderRefused, ProviderUnavailable
from actors.sealing.provider import KeyContext
from config.encryption import GoogleKms

if TYPE_CHECKING:
    from google.cloud.kms_v1 import KeyManagementServiceClient

ANSWER_S: Final = 5.0
_HOST = "https://cloudkms.googleapis.com"
_SAID_MAX = 300


class GoogleKmsProvider:
    """A key of Cloud KMS; its primary version wraps, and every version that is enabled unwraps."""

    name = "google_kms"

    def __init__(self, settings: GoogleKms) -> None:
        self._key = settings.key
        self._endpoint = settings.endpoint or _HOST
        self._client: KeyManagementServiceClient | None = None
        self._opening = threading.Lock()

    async def wrap(self, key: bytes, context: KeyContext) -> str:
        """The key, encrypted by Cloud KMS."""
        request: dict[str, str | bytes] = {
            "name": self._key,
            "plaintext": key,
            "additional_authenticated_data": context.data(),
        }
        return base64.b64encode(await asyncio.to_thread(self._asked, "encrypt", request)).decode()

    async def unwrap(self, wrapped: str, context: KeyContext) -> bytes:
        """The key again."""
        try:
            sealed = base64.b64decode(wrapped, validate=True)
        except ValueError:
            raise ProviderRefused(self.name, "this was not wrapped by Cloud KMS") from None
        request: dict[str, str | bytes] = {
            "name": self._key,
            "ciphertext": sealed,
            "additional_authenticated_data": context.data(),
        }
        return await asyncio.to_thread(self._asked, "decrypt", request)

    async def aclose(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await asyncio.to_thread(self._client.transport.close)
            self._client = None

    def _asked(
        self, action: Literal["encrypt", "decrypt"], request: dict[str, str | bytes]
    ) -> bytes:
        from google.api_core.exceptions import GoogleAPIError  # noqa: PLC0415
        from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415

        try:
            client = self._open()
            if action == "encrypt":
                sealed = client.encrypt(request, retry=None, timeout=ANSWER_S)
                return bytes(sealed.ciphertext)
            opened = client.decrypt(request, retry=None, timeout=ANSWER_S)
            return bytes(opened.plaintext)
        except (GoogleAPIError, GoogleAuthError, OSError) as error:
            raise self._error(error) from error

    def _open(self) -> "KeyManagementServiceClient":
        from google.cloud.kms_v1 import KeyManagementServiceClient  # noqa: PLC0415
        from google.cloud.kms_v1.services.key_management_service.transports import (  # noqa: PLC0415
            KeyManagementServiceRestTransport,
        )

        with self._opening:
            if self._client is None:
                parts = urlsplit(self._endpoint)
                transport = KeyManagementServiceRestTransport(
                    host=parts.netloc, url_scheme=parts.scheme
                )
                self._client = KeyManagementServiceClient(transport=transport)
            return self._client

    def _error(self, error: Exception) -> ProviderRefused | ProviderUnavailable:
        from google.api_core.exceptions import ClientError, TooManyRequests  # noqa: PLC0415

        said = " ".join(f"{type(error).__name__}: {error}".split())[:_SAID_MAX]
        if isinstance(error, ClientError) and not isinstance(error, TooManyRequests):
            return ProviderRefused(self.name, said)
        return ProviderUnavailable(self.name, said)
