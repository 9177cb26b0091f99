"""From which address a request really comes, when proxies stand in front: pure.

A header that a caller can write is believed only as far as proxies of ours added to it.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from functools import lru_cache

from deployments.security.addresses import Address, Network

# A chain of our own proxies is one to three long; what is further left was written by strangers.
_HOPS_MAX = 8
ADDRESSES_KEPT = 1_024
"""Texts of which it is remembered what they are read as, which says nothing of who they are: a door asks
three times a request, and to read one takes 20 us. 300 kB at most; of whoever sends others each is read."""
KEPT_LENGTH_MAX = 64
"""Characters of such a text: what a proxy writes has 47 at most, and a caller can write anything."""


def networks_of(texts: Iterable[str]) -> tuple[Network, ...]:
    """Networks in CIDR notation; raises ValueError for one that has bits beside its mask."""
    return tuple(ipaddress.ip_network(text) for text in texts)


def client_address(
    peer: str, forwarded: Sequence[str], trusted: Sequence[Network]
) -> Address | None:
    """The nearest address that is no proxy of ours; None where not even the peer has one.

    `peer` is who holds the connection, `forwarded` the lines of X-Forwarded-For in their order.
    An entry that cannot be read ends the walk: what stands left of it is nobody's word.
    """
    found = _address(peer)
    hops = [hop.strip() for line in forwarded for hop in line.split(",")]
    for hop in reversed(hops[-_HOPS_MAX:]):
        if found is None or not within(found, trusted):
            return found
        further = _address(hop)
        if further is None:
            return found
        found = further
    return found


def within(address: Address, networks: Sequence[Network]) -> bool:
    """Whether an address is in one of the networks."""
    return any(address.version == network.version and address in network for network in networks)


def narrower(networks: Sequence[Network], than: Sequence[Network]) -> bool:
    """Whether every address of the one is in the other; two halves do not make a whole."""
    return all(
        any(
            one.version == other.version
            and one.network_address in other
            and one.broadcast_address in other
            for other in than
        )
        for one in networks
    )


def _address(text: str) -> Address | None:
    return _kept(text) if len(text) <= KEPT_LENGTH_MAX else _read(text)


def _read(text: str) -> Address | None:
    """An address as proxies write it: bare, in brackets, with a port."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    # ::ffff:10.0.0.1 is 10.0.0.1 on a socket that speaks both.
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return found if mapped is None else mapped


_kept = lru_cache(maxsize=ADDRESSES_KEPT)(_read)
