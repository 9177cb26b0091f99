"""From where a request comes, when proxies stand in front and strangers write headers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.security import client_address as client_address_module
from deployments.security.client_address import (
    ADDRESSES_KEPT,
    KEPT_LENGTH_MAX,
    client_address,
    networks_of,
    within,
)

OURS = networks_of(["10.0.0.0/8", "fd00::/8"])


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("203.0.113.9", [], "203.0.113.9"),
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["1.1.1.1, 198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["1.1.1.1", "198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["nonsense"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1, nonsense"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1, "], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("10.0.0.1", ["[2001:db8::1]:4711"], "2001:db8::1"),
        ("fd00::1", ["2001:db8::1"], "2001:db8::1"),
        ("::ffff:10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["::ffff:198.51.100.1"], "198.51.100.1"),
        ("unix", ["198.51.100.1"], None),
    ],
)
def test_the_nearest_address_that_is_no_proxy_of_ours(
    peer: str, forwarded: list[str], found: str | None
) -> None:
    address = client_address(peer, forwarded, OURS)
    assert (None if address is None else str(address)) == found


@given(st.lists(st.text(max_size=30), max_size=4))
def test_who_is_no_proxy_of_ours_cannot_say_where_it_comes_from(forwarded: list[str]) -> None:
    """Whatever is in the header."""
    assert str(client_address("203.0.113.9", forwarded, OURS)) == "203.0.113.9"


@given(st.lists(st.text(max_size=30), max_size=4))
def test_what_a_stranger_wrote_left_of_our_proxys_word_changes_nothing(
    forwarded: list[str],
) -> None:
    """Our proxy adds the address it saw at the right end."""
    lines = [*forwarded, "198.51.100.1"]
    assert str(client_address("10.0.0.1", lines, OURS)) == "198.51.100.1"


def test_an_address_is_in_a_network_of_its_own_kind() -> None:
    """0.0.0.0/0 is not everybody."""
    address = client_address("2001:db8::1", [], ())
    assert address is not None
    assert not within(address, networks_of(["0.0.0.0/0"]))
    assert within(address, networks_of(["::/0"]))


def test_what_addresses_were_read_as_is_kept_of_so_many_and_of_no_long_text() -> None:
    """A caller behind a proxy of ours writes what they like, as often as they like."""
    for n in range(2 * ADDRESSES_KEPT):
        client_address("10.0.0.1", [f"198.51.{n // 250}.{n % 250}"], OURS)
    assert client_address_module._kept.cache_info().currsize == ADDRESSES_KEPT
    before = client_address_module._kept.cache_info()
    long = f"fe80::1%{'x' * KEPT_LENGTH_MAX}"
    assert str(client_address("10.0.0.1", [long], OURS)) == long
    after = client_address_module._kept.cache_info()
    assert after.misses - before.misses <= 1  # the proxy's own
    assert client_address("10.0.0.1", ["198.51.100.1"], OURS) == client_address(
        "198.51.100.1", [], OURS
    )
