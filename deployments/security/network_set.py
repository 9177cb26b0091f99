"""Whether an address is in one of many networks, in a microsecond: pure."""

from bisect import bisect_right
from collections.abc import Iterable

from deployments.security.addresses import Address, Network


class NetworkSet:
    """Networks as ranges that do not overlap, in order; of IPv4 and IPv6 apart."""

    def __init__(self, networks: Iterable[Network]) -> None:
        ranges: dict[int, list[tuple[int, int]]] = {4: [], 6: []}
        for network in networks:
            ends = (int(network.network_address), int(network.broadcast_address))
            ranges[network.version].append(ends)
        self._ranges = {version: _merged(sorted(every)) for version, every in ranges.items()}

    def __contains__(self, address: Address) -> bool:
        starts, ends = self._ranges[address.version]
        number = int(address)
        place = bisect_right(starts, number)
        return place > 0 and number <= ends[place - 1]


def _merged(ranges: Iterable[tuple[int, int]]) -> tuple[list[int], list[int]]:
    starts, ends = list[int](), list[int]()
    for start, end in ranges:
        if ends and start <= ends[-1] + 1:
            ends[-1] = max(ends[-1], end)
        else:
            starts.append(start)
            ends.append(end)
    return starts, ends
