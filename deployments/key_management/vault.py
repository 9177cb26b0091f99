"""Vault's transit engine: encrypt and decrypt with the context as associated data.

hvac blocks and is asked in a thread; it is imported when it is first used.
"""

import asyncio
import base64
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from actors.sealing.errors import ProviderRefused, ProviderUnavailable
from actors.sealing.provider import KeyContext
from config.encryption import VaultTransit
from routing.clock import Clock

if TYPE_CHECKING:
    import hvac

ANSWER_S: Final = 5.0
# Of a token's life: what is left is for the calls that are under way with it.
RENEW_AT: Final = 2 / 3
# A token file is somebody else's to keep up to date, and is read again this often.
FILE_S: Final = 30.0
_SAID_MAX = 300


class VaultTransitProvider:
    """A key of the transit engine; its newest version wraps, and those it still allows unwrap."""

    name = "vault"

    def __init__(self, settings: VaultTransit, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._client: hvac.Client | None = None
        self._until = float("-inf")
        self._entering = threading.Lock()

    async def wrap(self, key: bytes, context: KeyContext) -> str:
        """The key, encrypted by the engine."""
        text = base64.b64encode(key).decode()
        found = await asyncio.to_thread(
            self._asked,
            lambda transit, named: transit.encrypt_data(plaintext=text, **named),
            context,
        )
        return str(found["ciphertext"])

    async def unwrap(self, wrapped: str, context: KeyContext) -> bytes:
        """The key again."""
        found = await asyncio.to_thread(
            self._asked,
            lambda transit, named: transit.decrypt_data(ciphertext=wrapped, **named),
            context,
        )
        return base64.b64decode(str(found["plaintext"]))

    async def aclose(self) -> None:
        """Close the connections; the token ends by itself."""
        if self._client is not None:
            await asyncio.to_thread(self._client.adapter.close)
            self._client = None

    def _asked(
        self, ask: Callable[[Any, dict[str, str]], Any], context: KeyContext
    ) -> dict[str, object]:
        import hvac.exceptions as said_by  # noqa: PLC0415
        import requests  # noqa: PLC0415

        named = {
            "name": self._settings.key,
            "mount_point": self._settings.mount,
            "associated_data": base64.b64encode(context.data()).decode(),
        }
        try:
            answer = ask(self._entered().secrets.transit, named)
        except (said_by.Forbidden, said_by.Unauthorized) as error:
            # A token that was withdrawn looks the same; the next call enters anew.
            self._until = float("-inf")
            raise ProviderRefused(self.name, _said(error)) from error
        except (said_by.InvalidRequest, said_by.InvalidPath, said_by.UnsupportedOperation) as error:
            raise ProviderRefused(self.name, _said(error)) from error
        except (said_by.VaultError, requests.RequestException, OSError) as error:
            raise ProviderUnavailable(self.name, _said(error)) from error
        found: dict[str, object] = answer["data"]
        return found

    def _entered(self) -> "hvac.Client":
        """The client with a token that is good for a while."""
        import hvac  # noqa: PLC0415

        settings = self._settings
        with self._entering:
            if self._client is None:
                self._client = hvac.Client(
                    url=settings.address,
                    namespace=settings.namespace,
                    verify=settings.ca_file or True,
                    timeout=ANSWER_S,
                    allow_redirects=False,
                )
            now = self._clock.monotonic()
            if now < self._until:
                return self._client
            if settings.token_file is not None:
                self._client.token = _read(settings.token_file)
                self._until = now + FILE_S
                return self._client
            if settings.kubernetes_role is not None:
                answer = self._client.auth.kubernetes.login(
                    settings.kubernetes_role, _read(settings.kubernetes_token_file)
                )
            else:
                answer = self._client.auth.approle.login(
                    settings.role_id, _read(str(settings.secret_id_file))
                )
            self._until = now + float(answer["auth"]["lease_duration"]) * RENEW_AT
            return self._client


def _read(path: str) -> str:
    return Path(path).read_text("utf-8").strip()


def _said(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:_SAID_MAX]
