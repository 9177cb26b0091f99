"""Many networks at once: an address is in the set where it is in one of them."""

import ipaddress
import time

from hypothesis import given
from hypothesis import strategies as st

from deployments.security.network_set import NetworkSet

ADDRESSES = st.ip_addresses()
NETWORKS = st.lists(
    st.builds(
        lambda address, mask: ipaddress.ip_network(
            f"{address}/{min(mask, address.max_prefixlen)}", strict=False
        ),
        ADDRESSES,
        st.integers(0, 128),
    ),
    max_size=30,
)


@given(NETWORKS, st.lists(ADDRESSES, max_size=20))
def test_it_says_what_asking_each_network_says(
    networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network],
    others: list[ipaddress.IPv4Address | ipaddress.IPv6Address],
) -> None:
    """At the ends of each network too, and beside them."""
    found = NetworkSet(networks)
    edges = [each for net in networks for each in (net.network_address, net.broadcast_address)]
    beside = [
        type(edge)(int(edge) + step)
        for edge in edges
        for step in (-1, 1)
        if 0 <= int(edge) + step < 2**edge.max_prefixlen
    ]
    for address in (*others, *edges, *beside):
        within = any(address.version == net.version and address in net for net in networks)
        assert (address in found) == within


def test_a_thousand_networks_take_less_than_a_tenth_of_a_millisecond() -> None:
    """They take a microsecond; a loop over them would take one each."""
    found = NetworkSet(ipaddress.ip_network(f"10.{n // 256}.{n % 256}.0/25") for n in range(1000))
    address = ipaddress.ip_address("10.3.200.5")
    best_s = float("inf")
    for _ in range(20):
        began = time.process_time()
        for _ in range(100):
            assert address in found
        best_s = min(best_s, time.process_time() - began)
    assert best_s / 100 < 1e-4
