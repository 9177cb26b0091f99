"""No way of writing an address of the inside makes it one of the public internet."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.security.addresses import Private, is_metadata, is_public, literal

INSIDE = [
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",  # noqa: S104  nothing is bound to it
    "224.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "240.0.0.1", "168.63.129.16",
    "::", "::1", "fd00::1", "fe80::1", "fec0::1", "ff02::1", "2001:db8::1", "fd00:ec2::254",
]  # fmt: skip


@pytest.mark.parametrize("text", INSIDE)
def test_what_is_inside_or_special_is_not_public(text: str) -> None:
    assert not is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", ["1.1.1.1", "93.184.215.14", "2606:4700::1111", "2a00:1450::5"])
def test_what_is_on_the_internet_is_public(text: str) -> None:
    assert is_public(ipaddress.ip_address(text))


@given(st.ip_addresses(v=4))
def test_no_address_that_carries_another_is_public(inner: ipaddress.IPv4Address) -> None:
    """Mapped, compatible, translated, NAT64, 6to4, Teredo and ISATAP."""
    low = int(inner)
    for carrier in (
        (0xFFFF << 32) | low,
        low,
        (0xFFFF << 48) | low,
        (0x64_FF9B << 96) | low,
        (0x64_FF9B_0001 << 80) | low,
        (0x2002 << 112) | (low << 80),
        (0x2001_0000 << 96) | (low ^ 0xFFFF_FFFF),
        (0x2606_4700 << 96) | (0x5EFE << 32) | low,
    ):
        assert not is_public(ipaddress.IPv6Address(carrier))


@pytest.mark.parametrize(
    "host",
    [
        "2130706433", "0x7f000001", "0x7f.1", "017700000001", "127.1", "127.0.1", "0177.0.0.1",
        "127.0.0.01", "1.2.3.4.5", "256.1.1.1", "0x", "example.0x7f", "fe80::1%eth0",
        "fe80::1%25eth0", "localhost.", "169.254.169.254.", "", "a..b", "a b", "a/b", "[::1]",
        "a@b", "a\\b", "a" * 64, "exa\tmple.com", "ex%61mple.com", "①②⑦.0.0.1",
    ],
)  # fmt: skip
def test_a_host_that_two_readers_read_differently_is_neither(host: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        literal(host)


@given(st.integers(min_value=0, max_value=2**32 - 1))
def test_an_address_as_a_number_is_refused_however_it_is_written(number: int) -> None:
    quad = str(ipaddress.IPv4Address(number)).split(".")
    octal = ".".join(f"0{int(part):o}" for part in quad)
    short = f"{quad[0]}.{number & 0xFF_FFFF}"
    for host in (str(number), hex(number), f"0{number:o}", octal, short):
        with pytest.raises(ValueError, match="decimal"):
            literal(host)


@given(st.ip_addresses())
def test_a_canonical_address_is_read_as_itself(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    assert literal(str(address)) == address


def test_an_operator_names_hosts_and_networks_and_never_a_metadata_service() -> None:
    private = Private.of(
        ("crm.Internal", "10.0.0.0/8", "192.168.7.7", "169.254.0.0/16", "fd00::/8")
    )
    ten = ipaddress.ip_address("10.9.9.9")
    assert private.names("crm.internal")
    assert private.names("192.168.7.7")
    assert private.holds("crm.internal", ipaddress.ip_address("172.16.0.1"))
    assert private.holds("other.example", ten)
    assert not private.names("other.example")
    assert not private.holds("other.example", ipaddress.ip_address("172.16.0.1"))
    for metadata in ("169.254.169.254", "fd00:ec2::254", "::ffff:169.254.169.254"):
        assert is_metadata(ipaddress.ip_address(metadata))
        assert not private.holds("crm.internal", ipaddress.ip_address(metadata))


@pytest.mark.parametrize(
    "entry", ["10.0.0.1/8", "10.0.0.0/33", "2130706433", "a b", "host/8", "x."]
)
def test_an_entry_that_cannot_be_meant_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Private.of((entry,))
