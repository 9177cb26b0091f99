"""Which network addresses somebody else may send us to: pure.

Only the public internet, and what an operator names. An address that carries another one inside
(IPv4 in IPv6, NAT64, 6to4, Teredo) leads wherever that one leads, so none of them is public.
"""

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Self, TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_CARRIERS = tuple(
    ipaddress.ip_network(net)
    for net in (
        "::/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16",
    )
)  # fmt: skip
# ISATAP: an IPv4 address behind 0000:5efe or 0200:5efe, below any prefix.
_ISATAP = frozenset({0x0000_5EFE, 0x0200_5EFE})
_SITE_LOCAL = ipaddress.ip_network("fec0::/10")  # retired, and routed inside all the same

# Where clouds hand out credentials to whoever asks; no operator means to name one of these.
_METADATA = frozenset(
    ipaddress.ip_address(text)
    for text in (
        "169.254.169.254", "169.254.170.2", "169.254.170.23", "168.63.129.16", "100.100.100.200",
        "192.0.0.192", "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254",
    )
)  # fmt: skip

# A host whose last part is a number is an address to some readers (127.1, 0x7f.1, 017700000001)
# and a name to others; what two readers read differently is refused.
_NUMBER = re.compile(r"(?:[0-9]+|0[xX][0-9a-fA-F]*)")
_NAME = re.compile(r"(?=.{1,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)*[a-z0-9-]{1,63}")


def is_metadata(address: Address) -> bool:
    """Whether a cloud answers there with credentials, whatever way it is written."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address in _METADATA


def is_public(address: Address) -> bool:
    """Whether the address is one of the public internet and leads nowhere else."""
    if is_metadata(address) or address.is_multicast or not address.is_global:
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return True
    if address.ipv4_mapped is not None or address in _SITE_LOCAL or address.scope_id is not None:
        return False
    if (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP:
        return False
    return not any(address in net for net in _CARRIERS)


def literal(host: str) -> Address | None:
    """The address that `host` is, None where it is a name.

    Raises:
        ValueError: some would read it as an address and others as a name, or it is neither.
    """
    if "%" in host:
        raise ValueError("an address with a zone leads into our own network")
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    if host.endswith("."):
        raise ValueError("the host is written without a dot at its end")
    if _NUMBER.fullmatch(host.rpartition(".")[2]):
        raise ValueError("an address is written as four decimal numbers, without leading zeros")
    if not _NAME.fullmatch(host):
        raise ValueError("the host is no name of a server")
    return None


@dataclass(frozen=True, slots=True)
class Private:
    """What an operator lets be reached although it is not public: names, and networks.

    A named host may be at any address but those of metadata services.
    """

    hosts: frozenset[str] = field(default_factory=frozenset)
    networks: tuple[Network, ...] = ()

    @classmethod
    def of(cls, entries: tuple[str, ...]) -> Self:
        """Read `10.2.0.0/16`, `10.2.3.4` and `crm.internal`.

        Raises:
            ValueError: an entry is none of these.
        """
        hosts, networks = set[str](), list[Network]()
        for entry in entries:
            try:
                networks.append(ipaddress.ip_network(entry))
            except ValueError:
                host = entry.lower()
                if "/" in entry or literal(host) is not None:
                    raise
                hosts.add(host)
        return cls(frozenset(hosts), tuple(networks))

    def names(self, host: str) -> bool:
        """Whether the host itself is listed, as a name or as an address."""
        address = literal(host)
        return host in self.hosts if address is None else self.holds(host, address)

    def holds(self, host: str, address: Address) -> bool:
        """Whether `address`, which `host` resolved to, is listed."""
        if is_metadata(address):
            return False
        return host in self.hosts or any(address in network for network in self.networks)
