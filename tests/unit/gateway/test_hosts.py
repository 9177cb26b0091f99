"""Host and Origin: ours by name, and by any port where that was said."""

import pytest
from starlette.datastructures import Headers

from config.gateway import GatewaySecurity
from deployments.mcp_gateway.hosts import foreign

SHIPPED = GatewaySecurity()


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:8000", "localhost:1", "LOCALHOST", "[::1]:8000", "[::1]"]
)
def test_loopback_is_ours_by_default(host: str) -> None:
    assert foreign(Headers({"host": host}), SHIPPED.allowed_hosts, SHIPPED.allowed_origins) is None


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example:80",
        "127.0.0.1:80@evil",
        "",
    ],
)
def test_any_other_host_is_not(host: str) -> None:
    found = foreign(Headers({"host": host}), SHIPPED.allowed_hosts, SHIPPED.allowed_origins)
    assert found == "host"


def test_a_page_elsewhere_is_not_and_no_page_is() -> None:
    for origin, verdict in [
        ("http://localhost:6274", None),
        ("https://localhost:6274", "origin"),
        ("http://localhost.evil.example", "origin"),
        ("null", "origin"),
    ]:
        headers = Headers({"host": "localhost", "origin": origin})
        assert foreign(headers, SHIPPED.allowed_hosts, SHIPPED.allowed_origins) == verdict


def test_a_host_without_a_star_has_exactly_that_port() -> None:
    assert foreign(Headers({"host": "mcp.example.com"}), ["mcp.example.com"], []) is None
    assert foreign(Headers({"host": "mcp.example.com:8080"}), ["mcp.example.com"], []) == "host"
