"""What we hand to a browser to keep for us: it can neither read nor change it, nor pass it off as another.

The keys come out of the pepper that every replica has, each for one purpose.
"""

import base64
import secrets
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_KEY_BYTES = 32
_NONCE_BYTES = 12


class Seals:
    """AES-256-GCM under the first of several secrets; what was sealed under any of them opens."""

    def __init__(self, roots: Sequence[bytes], purpose: str) -> None:
        keys = (derived(root, purpose) for root in roots)
        self._ciphers = tuple(AESGCM(key) for key in keys)

    def seal(self, text: str, name: str) -> str:
        """`text` as it may be handed out under `name`, and under no other."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._ciphers[0].encrypt(nonce, text.encode(), name.encode())
        return base64.urlsafe_b64encode(nonce + sealed).rstrip(b"=").decode()

    def open(self, sealed: str, name: str) -> str | None:
        """What was sealed under `name`; None for anything else."""
        try:
            raw = base64.urlsafe_b64decode(sealed.encode("ascii") + b"=" * (-len(sealed) % 4))
        except ValueError:
            return None
        for cipher in self._ciphers:
            try:
                return cipher.decrypt(
                    raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], name.encode()
                ).decode()
            except (InvalidTag, ValueError):
                continue
        return None


def derived(root: bytes, purpose: str) -> bytes:
    """A key of its own for one purpose (HKDF-SHA256): who learns it learns no other."""
    info = f"supportmax {purpose}".encode()
    return HKDF(hashes.SHA256(), _KEY_BYTES, salt=None, info=info).derive(root)
