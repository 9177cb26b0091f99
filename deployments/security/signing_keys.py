"""The public keys of an issuer: those that are fit to check signatures with, by name."""

import base64
import logging
from collections.abc import Iterator, Mapping, Sequence

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey
from joserfc.jws import JWSRegistry, deserialize_compact

from deployments.security.compact import Compact
from deployments.security.errors import TokenRefused

_log = logging.getLogger(__name__)

# Issuers have two to six; a longer list costs time at every reading.
KEYS_MAX = 64
# Below it a key can be broken; above it one check takes milliseconds.
_RSA_BITS = range(2048, 8193)
_EXPONENT_MIN = 65_537
_CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}

_Key = RSAKey | ECKey


class SigningKeys:
    """The keys of one reading; read anew, they are another object."""

    def __init__(self, document: Mapping[str, object]) -> None:
        """Take what is fit from a JWK set (RFC 7517).

        Raises:
            ValueError: it is no such set, or nothing in it can be used.
        """
        self._keys: dict[tuple[str, str], _Key] = {}
        listed = document.get("keys")
        if not isinstance(listed, Sequence) or isinstance(listed, str):
            raise ValueError("no list of keys")  # noqa: TRY004  the document is wrong
        doubtful: set[tuple[str, str]] = set()
        for name, key in _usable(listed):
            if name in self._keys:
                doubtful.add(name)
            self._keys[name] = key
        for name in doubtful:  # Two keys of one name: whichever is tried, it may be the wrong one.
            del self._keys[name]
        if not self._keys:
            raise ValueError("no key that can be used")

    def has(self, token: Compact) -> bool:
        """Whether the key is here that the token says it was signed with."""
        return (token.key_id, _family(token.algorithm)) in self._keys

    def must_have_signed(self, token: Compact, allowed: frozenset[str]) -> None:
        """Return if one of these keys signed the token, by one of the allowed algorithms.

        Raises:
            TokenRefused: not so.
        """
        if token.algorithm not in allowed:
            raise TokenRefused("algorithm")
        key = self._keys.get((token.key_id, _family(token.algorithm)))
        if key is None:
            raise TokenRefused("key id")
        registry = JWSRegistry(algorithms=[token.algorithm], strict_check_header=False)
        registry.max_header_length = registry.max_payload_length = len(token.text)
        try:
            deserialize_compact(token.text, key, registry=registry)
        except (JoseError, ValueError, TypeError) as error:
            raise TokenRefused("signature") from error


def _family(algorithm: str) -> str:
    """What kind of key an algorithm takes; an elliptic one takes one curve."""
    return _CURVES.get(algorithm) or ("RSA" if algorithm[:2] in {"RS", "PS"} else "none")


def _usable(listed: Sequence[object]) -> Iterator[tuple[tuple[str, str], _Key]]:
    for entry in listed[:KEYS_MAX]:
        if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
            continue
        name = entry.get("kid")
        if not isinstance(name, str) or "verify" not in entry.get("key_ops", ["verify"]):
            continue
        try:
            family, key = _key_of(entry)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            _log.warning("a key of an identity provider is not used: %s", type(error).__name__)
            continue
        yield (name, family), key


def _key_of(entry: Mapping[str, object]) -> tuple[str, _Key]:
    """The public half, whatever else the entry holds.

    Raises:
        ValueError: it is of a kind that can sign for nobody, or too weak.
    """
    match entry.get("kty"):
        case "RSA":
            n, e = str(entry["n"]), str(entry["e"])
            if _number(n).bit_length() not in _RSA_BITS or _number(e) < _EXPONENT_MIN:
                raise ValueError("a key of that size")
            return "RSA", RSAKey.import_key({"kty": "RSA", "n": n, "e": e})
        case "EC":
            curve = str(entry["crv"])
            if curve not in _CURVES.values():
                raise ValueError("a curve of that name")
            point = {"x": str(entry["x"]), "y": str(entry["y"])}
            return curve, ECKey.import_key({"kty": "EC", "crv": curve, **point})
        case _:
            raise ValueError("a key of that kind")


def _number(text: str) -> int:
    """A number as JWK writes it; raises ValueError where it is none."""
    return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), "big")
