"""What cannot be kept as text is refused at the door, in the path, the query and the body."""

import json

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import Response

from deployments.ingress import api, routes
from deployments.ingress.fit_text import must_keep
from deployments.ingress.parameters import text
from deployments.ingress.routes import Call, Operation
from deployments.ingress.schema import ChatBody
from deployments.security.principal import Principal
from routing.errors import RequestError

PERMISSIONS = frozenset({"platforms:read"})


async def nobody(request: Request) -> Principal:
    return Principal("acme", "key:1", frozenset(), PERMISSIONS)


async def reached(call: Call) -> Response:
    return routes.reply({"id": call.request.path_params.get("id", "")})


async def ask(method: str, address: str, **sent: str) -> httpx2.Response:
    may, query = "platforms:read", {"who": text("Somebody.")}
    rows = [
        Operation("GET", "/v3/things/{id}", "One", may, "read", "none", reached, None, query=query),
        Operation("POST", "/v3/chat", "Ask", may, "read", "none", reached, None, ChatBody),
    ]
    inside = httpx2.ASGITransport(api.application(rows, nobody, PERMISSIONS, 100_000))
    async with httpx2.AsyncClient(transport=inside, base_url="http://supportmax") as http:
        headers = {"content-type": "application/json"}
        return await http.request(method, address, headers=headers, content=sent.get("content"))


@pytest.mark.parametrize("name", ["a%00b", "%00", "a%0Ab", "a%0D%0Ax-other:%201", "%1f", "%7F"])
async def test_a_name_with_a_control_character_is_nobodys(name: str) -> None:
    """404, like any other name that does not exist."""
    answer = await ask("GET", f"/v3/things/{name}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    "name", ["a%ffb", "%c3%28", "%f0%9f%99%82", "%E2%80%AE", "..%2e", "a" * 9000]
)
async def test_a_strange_name_is_a_name(name: str) -> None:
    """Bytes that are no UTF-8 become the replacement character; a handler looks for that and finds nothing."""
    assert (await ask("GET", f"/v3/things/{name}")).status_code == 200


@pytest.mark.parametrize("name", ["a%2Fb", "a/b", "", "..%2F..%2Fadmin%2Fkeys"])
async def test_a_slash_is_never_part_of_a_name(name: str) -> None:
    """However it is written: another address, where there is nothing."""
    answer = await ask("GET", f"/v3/things/{name}")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_route")


@pytest.mark.parametrize("query", ["who=a%00b", "who=%0a", "other=%00", "who=x&who=%01"])
async def test_a_parameter_with_a_control_character_is_refused(query: str) -> None:
    answer = await ask("GET", f"/v3/things/1?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


@pytest.mark.parametrize("message", ["\x00", "a\x00b", "\\\x00", "\\\\\x00"])
async def test_a_body_with_a_nul_is_refused(message: str) -> None:
    """At whatever depth, also in a key."""
    for body in ({"message": message}, {"message": "x", "metadata": {message: "y"}}):
        answer = await ask("POST", "/v3/chat", content=json.dumps(body))
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


@given(st.text(max_size=40))
def test_a_body_is_refused_exactly_where_its_text_has_a_nul(text: str) -> None:
    """A backslash, a u and four noughts are text like any other."""
    for said in (text, text + "\\u0000", text + "\\", text + "\x00"):
        body = json.dumps({"message": said}).encode()
        try:
            must_keep(body)
        except RequestError:
            assert "\x00" in said
        else:
            assert "\x00" not in said
