"""The keys of the audit log: one signs, all are trusted, and names are hidden under them.

A file of PEM blocks (Ed25519). The first private key signs; what an earlier one signed stays
good while it is still in the file. An auditor's file has public keys alone.
"""

import contextlib
import hashlib
import hmac
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization as pem
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from routing.errors import ConfigError

# Rotated once a year for longer than anybody has to keep a log; more is another file.
KEYS_MAX = 32
_BLOCK = re.compile(rb"-----BEGIN ([A-Z ]+)-----.+?-----END \1-----", re.DOTALL)
_PSEUDONYM = b"supportmax.audit.pseudonym.1\0"


@dataclass(frozen=True, slots=True)
class PublicKeys:
    """Who is believed, by the short name that a signature carries."""

    by_name: Mapping[str, Ed25519PublicKey]

    def signed(self, name: object, signature: object, signed: bytes) -> bool:
        """Whether the key `name` made `signature` (lower-case hex) over `signed`."""
        key = self.by_name.get(name) if isinstance(name, str) else None
        if key is None or not isinstance(signature, str):
            return False
        try:
            raw = bytes.fromhex(signature)
            key.verify(raw, signed)
        except (ValueError, InvalidSignature):
            return False
        return raw.hex() == signature


@dataclass(frozen=True, slots=True)
class AuditKeys:
    """What a process that writes holds. `signs` is the name of the key that signs."""

    signs: str
    private: Ed25519PrivateKey
    public: PublicKeys
    pseudonym_keys: tuple[bytes, ...]

    def sign(self, text: bytes) -> str:
        """The signature of `text`, in hex."""
        return self.private.sign(text).hex()

    def pseudonym(self, name: str) -> str:
        """What stands for `name`: the same each time, and nobody without the key can go back."""
        return _hidden(self.pseudonym_keys[0], name)

    def pseudonyms(self, name: str) -> tuple[str, ...]:
        """What stands for `name` now, and what stood for it under earlier keys."""
        return tuple(_hidden(key, name) for key in self.pseudonym_keys)


def make_keys(path: Path) -> None:
    """Write a file with one new private key, mode 0600, and its public half beside it."""
    if path.exists():
        return
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, pem.NoEncryption())
    scratch = path.with_suffix(f".{os.getpid()}")
    with open(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(private)
    # A link fails where a file is: of two that begin at once, one has made the key.
    with contextlib.suppress(FileExistsError):
        os.link(scratch, path)
        public = key.public_key().public_bytes(
            pem.Encoding.PEM, pem.PublicFormat.SubjectPublicKeyInfo
        )
        path.with_suffix(".pub").write_bytes(public)
    scratch.unlink()


def read_keys(path: Path) -> AuditKeys:
    """The keys of a process that writes.

    Raises:
        ConfigError: the file cannot be read, or no private Ed25519 key is in it.
    """
    private, public = _read(path)
    if not private:
        raise _unusable(path, "no private key is in it")
    secrets = tuple(
        key.private_bytes(pem.Encoding.Raw, pem.PrivateFormat.Raw, pem.NoEncryption())
        for key in private
    )
    hidden = tuple(hmac.digest(secret, _PSEUDONYM, "sha256") for secret in secrets)
    return AuditKeys(_name(private[0].public_key()), private[0], PublicKeys(public), hidden)


def read_public_keys(path: Path) -> PublicKeys:
    """Whom to believe, by a file of public or private keys.

    Raises:
        ConfigError: the file cannot be read, or no Ed25519 key is in it.
    """
    return PublicKeys(_read(path)[1])


def _read(path: Path) -> tuple[list[Ed25519PrivateKey], dict[str, Ed25519PublicKey]]:
    try:
        blocks = [(found[1], found[0]) for found in _BLOCK.finditer(path.read_bytes())]
    except OSError as error:
        raise _unusable(path, f"cannot be read ({error.strerror})") from None
    private, public = list[Ed25519PrivateKey](), dict[str, Ed25519PublicKey]()
    for kind, block in blocks:
        try:
            key = (
                pem.load_pem_private_key(block, None)
                if b"PRIVATE" in kind
                else pem.load_pem_public_key(block)
            )
        except (ValueError, TypeError) as error:
            raise _unusable(path, f"a key in it cannot be read ({error})") from None
        if isinstance(key, Ed25519PrivateKey):
            private.append(key)
            key = key.public_key()
        if not isinstance(key, Ed25519PublicKey):
            raise _unusable(path, "a key in it is not Ed25519")
        public[_name(key)] = key
    if not 0 < len(public) <= KEYS_MAX:
        raise _unusable(path, f"put 1 to {KEYS_MAX} Ed25519 keys (PEM) into it")
    return private, public


def _name(key: Ed25519PublicKey) -> str:
    raw = key.public_bytes(pem.Encoding.Raw, pem.PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()[:16]


def _hidden(key: bytes, name: str) -> str:
    return "h:" + hmac.digest(key, name.encode("utf-8", "surrogatepass"), "sha256").hex()[:32]


def _unusable(path: Path, message: str) -> ConfigError:
    return ConfigError(str(path), None, "audit.signing_keys_file", message)
