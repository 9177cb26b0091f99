"""The signature at the end of every commit: a chain cannot be made anew without the key."""

from actors.audit.keys import AuditKeys, PublicKeys
from actors.audit.record import canonical
from routing.message import JsonObject

_SEAL = b"supportmax.audit.seal.1\0"


def seal_of(chain: str, number: int, head: bytes, at_ms: int, keys: AuditKeys) -> bytes:
    """The body of entry `number`, which signs everything up to `head`."""
    said: JsonObject = {
        "k": "seal", "n": number, "at_ms": at_ms,
        "chain": chain, "head": head.hex(), "key": keys.signs,
    }  # fmt: skip
    return canonical({**said, "sig": keys.sign(_SEAL + canonical(said))})


def is_good(body: JsonObject, chain: str, head: bytes, keys: PublicKeys) -> bool:
    """Whether the seal is of this chain and this head, by a key that is believed."""
    said = {name: value for name, value in body.items() if name != "sig"}
    if said.get("chain") != chain or said.get("head") != head.hex():
        return False
    return keys.signed(said.get("key"), body.get("sig"), _SEAL + canonical(said))
