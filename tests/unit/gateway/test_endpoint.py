"""Who may knock: the refusals of the HTTP endpoint, and what it passes on of a caller."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from starlette.requests import Request

from config.gateway import GatewaySecurity
from deployments.mcp_gateway.endpoint import Endpoint
from deployments.mcp_gateway.gateway import Gateway
from deployments.mcp_gateway.resource_metadata import metadata, metadata_url
from deployments.mcp_gateway.wire import mcp_server
from deployments.security.principal import Principal
from deployments.security.request_ids import REQUEST_ID, USUAL
from routing.clock import SystemClock
from routing.errors import AccessError, MisdirectedRequest
from tests.unit.gateway.tool_world import Shop

KEYS = [b"k" * 32]


async def authenticate(request: Request) -> Principal:
    """The key says what happens."""
    match request.headers.get("authorization"):
        case "Bearer good":
            return Principal("northwind", "key:1", frozenset(), frozenset({"mcp:tools"}))
        case "Bearer customer":
            return Principal("northwind", "key:2", frozenset(), frozenset({"chat:create"}))
        case "Bearer abroad":
            raise MisdirectedRequest("another region", "eu")
        case "Bearer away":
            raise ConnectionError
        case _:
            raise AccessError("unauthenticated", "Send a key.")


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    server = mcp_server(Gateway([Shop()], SystemClock()), KEYS, "1")
    security = GatewaySecurity(resource_url="https://mcp.example.com/mcp")
    transport = httpx2.ASGITransport(Endpoint(server, authenticate, security))
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


async def test_every_answer_has_the_id_under_which_it_is_on_record(
    http: httpx2.AsyncClient,
) -> None:
    """Under both names, and whether or not anybody was let in."""
    for path in ("/mcp", "/elsewhere"):
        answer = await http.post(path, json={}, headers={USUAL: "of-the-caller"})
        assert answer.headers[REQUEST_ID].startswith("req_")
        assert answer.headers.get_list(USUAL) == [answer.headers[REQUEST_ID]]


@pytest.mark.parametrize(
    ("key", "status", "error"),
    [
        (None, 401, "invalid_token"),
        ("customer", 403, "insufficient_scope"),
        ("abroad", 421, "misdirected_request"),
        ("away", 503, "unavailable"),
    ],
)
async def test_who_may_not_enter_is_told_why(
    http: httpx2.AsyncClient, key: str | None, status: int, error: str
) -> None:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    refused = await http.post("/mcp", json={}, headers=headers)
    assert (refused.status_code, refused.json()["error"]) == (status, error)


async def test_the_challenge_names_the_address_clients_know(http: httpx2.AsyncClient) -> None:
    challenge = (await http.post("/mcp", json={})).headers["www-authenticate"]
    where = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp"
    assert f'resource_metadata="{where}"' in challenge


@pytest.mark.parametrize("path", ["/mcp/x", "/mcpx", "/", "/other"])
async def test_what_lies_beside_the_path_is_not_there(http: httpx2.AsyncClient, path: str) -> None:
    assert (await http.post(path, json={})).status_code == 404


@pytest.mark.parametrize("name", ["", "x" * 129])
async def test_a_customer_has_a_name_of_some_length(http: httpx2.AsyncClient, name: str) -> None:
    headers = {"Authorization": "Bearer good", "X-SupportMax-Customer": name}
    refused = await http.post("/mcp", json={}, headers=headers)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_header")


async def test_a_header_that_names_somebody_else_is_refused_before_any_tool(
    http: httpx2.AsyncClient,
) -> None:
    headers = {"Authorization": "Bearer good", "X-SupportMax-Customer": "victim"}
    refused = await http.post("/mcp", json={}, headers=headers)
    assert (refused.status_code, refused.json()["error"]) == (403, "access_denied")


def test_the_document_names_authorization_servers_only_where_there_are_some() -> None:
    assert "authorization_servers" not in metadata(GatewaySecurity(), "http://x/mcp")
    there = GatewaySecurity(authorization_servers=("https://login.example.com",))
    assert metadata(there, "http://x/mcp")["authorization_servers"] == ["https://login.example.com"]


@pytest.mark.parametrize(
    ("resource", "where"),
    [
        ("https://a.example/mcp", "https://a.example/.well-known/oauth-protected-resource/mcp"),
        (
            "https://a.example/x/mcp/",
            "https://a.example/.well-known/oauth-protected-resource/x/mcp",
        ),
        ("https://a.example", "https://a.example/.well-known/oauth-protected-resource"),
    ],
)
def test_the_well_known_part_comes_between_host_and_path(resource: str, where: str) -> None:
    assert metadata_url(resource) == where
