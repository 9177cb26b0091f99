"""A name that stands twice in one object of a body: refused, and said which."""

import json
from collections.abc import AsyncIterator

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as some
from pydantic import BaseModel, ConfigDict, JsonValue
from starlette.responses import Response

from deployments.ingress import api, routes
from deployments.ingress.routes import Call, Operation, RateClass
from deployments.ingress.said_once import must_say_once
from deployments.ingress.schema import Health
from deployments.ingress.scim_errors import SCIM_ERRORS
from routing.errors import RequestError
from tests.unit.ingress.test_routes import PERMISSIONS, authenticate

VALUES = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(),
    lambda inner: some.lists(inner) | some.dictionaries(some.text(), inner),
    max_leaves=20,
)


class Said(BaseModel):
    """Anything."""

    model_config = ConfigDict(extra="allow")

    roles: JsonValue = None


async def answer(call: Call) -> Response:
    return routes.reply({"status": "ok"})


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    rows = [
        Operation("POST", "/v3/chat", "Ask", "chat:create", "chat", "action", answer, Health, Said),
        Operation("PUT", "/admin/one", "Put", "chat:create", "admin", "action", answer, Health, Said),
        Operation(
            "POST", "/scim/v2/Users", "Add", "chat:create", "admin", "action", answer, Health, Said,
            errors=SCIM_ERRORS,
        ),
    ]  # fmt: skip
    app = api.application(rows, authenticate, PERMISSIONS, max_body_bytes=100_000)
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    headers = {"authorization": "Bearer all", "content-type": "application/json"}
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://supportmax", headers=headers
    ) as client:
        yield client


@pytest.mark.parametrize(
    "body",
    [
        '{"roles": ["agent"], "roles": ["admin"]}',
        '{"roles": ["agent"], "r\\u006fles": ["admin"]}',
        '{"deep": [{"roles": 1, "x": {}, "roles": 1}]}',
    ],
)
@pytest.mark.parametrize("path", ["/v3/chat", "/admin/one", "/scim/v2/Users"])
async def test_a_body_in_which_a_name_stands_twice_is_refused_and_named(
    http: httpx2.AsyncClient, path: str, body: str
) -> None:
    """Whether or not both are the same, however it is written, and however deep."""
    method = "PUT" if path == "/admin/one" else "POST"
    answer = await http.request(method, path, content=body.encode())
    assert answer.status_code == 400
    assert "roles" in answer.json()["detail"]


@given(VALUES)
def test_no_body_is_refused_in_which_each_name_stands_once(value: object) -> None:
    must_say_once(json.dumps(value).encode())


@given(VALUES, some.text(), VALUES)
def test_a_name_that_stands_twice_is_found_wherever_it_is(
    around: object, name: str, value: object
) -> None:
    """Beside anything, and within anything."""
    key, inner, other = json.dumps(name), json.dumps(value), json.dumps(around)
    with pytest.raises(RequestError, match="stands twice"):
        must_say_once(f'{{"a": [{other}, {{{key}: {inner}, {key}: {other}}}]}}'.encode())


def test_a_number_of_a_million_digits_is_not_reckoned_with() -> None:
    must_say_once(b'{"a": ' + b"9" * 1_000_000 + b"}")


async def test_where_images_come_a_name_counts_as_it_stands_last() -> None:
    """As at OpenAI and Anthropic; nowhere else, so a route that takes larger bodies is not free of it."""
    twice = b'{"roles": 1, "roles": 2}'
    rates: tuple[tuple[RateClass, bool], ...] = (("chat", True), ("read", False))
    for rate, free in rates:
        row = Operation(
            "POST", "/v1/large", "Ask", "chat:create", rate, "action", answer, Health, Said,
            max_body_bytes=200_000,
        )  # fmt: skip
        app = api.application([row], authenticate, PERMISSIONS, max_body_bytes=100_000)
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app)) as http:
            told = await http.post(
                "http://x/v1/large",
                content=twice,
                headers={"authorization": "Bearer all", "content-type": "application/json"},
            )
        assert told.status_code == (200 if free else 400)
