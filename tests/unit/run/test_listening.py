"""Why an address cannot be listened at is said in the system's words, and who refuses this machine is up."""

import io
import socket
from email.message import Message
from urllib.error import HTTPError

import pytest

from deployments.listening import serves_others, why_not_here
from tests.ports import free_port


def test_only_an_address_in_use_is_taken() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        for host in ("127.0.0.1", "localhost"):
            said = why_not_here(host, port)
            assert said is not None
            assert said.startswith(f"{host}:{port} is taken")
    assert why_not_here("127.0.0.1", free_port()) is None


@pytest.mark.parametrize(
    ("host", "why"),
    [
        # 192.0.2.0/24 is nobody's: it is kept for examples.
        ("192.0.2.77", "Cannot assign requested address"),
        ("a..b", "that is no name of a host"),
    ],
)
def test_what_the_system_says_otherwise_is_said(host: str, why: str) -> None:
    said = why_not_here(host, 8000)
    assert said is not None
    assert said.startswith(f"{host}:8000 cannot be listened at: {why}")
    assert said.endswith("correct server.host, or the port")
    assert "taken" not in said


@pytest.mark.parametrize("host", ["::1", "::"])
def test_an_address_of_ipv6_is_refused_as_what_it_is(host: str) -> None:
    """HAProxy would listen there and find no replica: a start that waits for three minutes."""
    said = why_not_here(host, 8000)
    assert said is not None
    assert said.startswith(f"{host} is an address of IPv6; write one of IPv4")


@pytest.mark.parametrize(
    ("status", "body", "is_up"),
    [
        (403, b'{"code":"address_not_allowed"}', True),
        (403, b'{"code":"denied"}', False),
        (403, b"<html>", False),
        (403, b"[]", False),
        (503, b'{"code":"address_not_allowed"}', False),
    ],
)
def test_a_replica_that_serves_others_alone_is_up(status: int, body: bytes, is_up: bool) -> None:
    """It answers 403 to this machine by `limits.networks`; whoever else refuses is not ours."""
    refused = HTTPError("http://127.0.0.1/readyz", status, "", Message(), io.BytesIO(body))
    assert serves_others(refused) == is_up
