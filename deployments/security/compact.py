"""A signed token before anybody believes it: the compact form of JWS, taken apart strictly.

What is looser here than the letter of RFC 7515 is a way in: paddings and stray bits give one
token many spellings, and keys that a token brings along are the attacker's.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass

from deployments.security.errors import TokenRefused
from deployments.security.strict_json import read_object

# Entra's with 200 groups have 9 KB; no server of HTTP takes headers above 16 KB with grace.
TOKEN_MAX = 16_384
# Names of keys are hashes or short words; a path or a statement of SQL needs more, or other signs.
_KEY_ID = re.compile(r"[A-Za-z0-9_.:=+/@-]{1,256}")
_COMPACT = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
# Everything a header of ours may have. `jwk`, `jku`, `x5u` and `x5c` bring keys, `crit`, `b64`
# and `zip` change what is signed, `cty` announces a token inside the token. x5t and x5t#S256
# repeat the key's name (Entra sends x5t).
_HEADER = frozenset({"alg", "kid", "typ", "x5t", "x5t#S256"})


@dataclass(frozen=True, slots=True)
class Compact:
    """A token in parts. Nothing in it is true yet, `claims` least of all."""

    text: str
    algorithm: str
    key_id: str
    type: str
    claims: Mapping[str, object]


def take_apart(text: str) -> Compact:
    """The parts of `text`.

    Raises:
        TokenRefused: it is not a token in the one spelling it can have, or its header has more
            than a name of a key, an algorithm and a type.
    """
    if len(text) > TOKEN_MAX:
        raise TokenRefused("too long")
    if (match := _COMPACT.fullmatch(text)) is None:
        raise TokenRefused("malformed")
    try:
        header = read_object(_decoded(match[1]))
        claims = read_object(_decoded(match[2]))
        _decoded(match[3])
    except ValueError as error:
        raise TokenRefused("malformed") from error
    if not header.keys() <= _HEADER:
        raise TokenRefused("header")
    algorithm, key_id, kind = header.get("alg"), header.get("kid"), header.get("typ", "")
    if not isinstance(algorithm, str):
        raise TokenRefused("algorithm")
    if not isinstance(key_id, str) or _KEY_ID.fullmatch(key_id) is None:
        raise TokenRefused("key id")
    if not isinstance(kind, str):
        raise TokenRefused("type")
    # RFC 7515, 4.1.9: the type may be written without its "application/", and in any case.
    kind = kind.lower()
    return Compact(text, algorithm, key_id, kind.removeprefix("application/"), claims)


def _decoded(segment: str) -> bytes:
    """The bytes of a segment, if it is the one spelling they have."""
    found = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    if base64.urlsafe_b64encode(found).rstrip(b"=").decode() != segment:
        raise ValueError("not the canonical spelling")
    return found
