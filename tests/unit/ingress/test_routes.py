"""The route table: a row that leaves a question open stops the start-up; OpenAPI says what it says."""

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, cast

import httpx2
import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from deployments.ingress import api, openapi, routes
from deployments.ingress.authentication import Authentication
from deployments.ingress.region_operations import lease_operations, region_operations
from deployments.ingress.routes import PUBLIC, Call, Operation
from deployments.ingress.schema import ChatBody
from deployments.security.principal import Principal
from deployments.security.rbac import load_roles
from deployments.security.request_ids import REQUEST_ID, USUAL
from routing.errors import AccessError

if TYPE_CHECKING:
    from deployments.ingress.breakers import Breakers
    from deployments.ingress.budgets import BudgetRoutes
    from deployments.ingress.chat import Chat
    from deployments.ingress.compatible import Compatible
    from deployments.ingress.conversations import Conversations
    from deployments.ingress.evidence import Evidence
    from deployments.ingress.lending import Lending
    from deployments.ingress.platforms import Platforms
    from deployments.ingress.regions import Regions
    from deployments.ingress.savings import SavingsRoutes
    from deployments.security.api_keys import ApiKeys

PERMISSIONS = frozenset({"chat:create", "platforms:read"})


async def echo(call: Call) -> Response:
    """Say who is calling and how long the message is."""
    length = len(call.body.message) if call.body is not None else 0
    return routes.reply({"subject": call.principal.subject, "length": length})


async def broken(call: Call) -> Response:
    raise KeyError("the secret inside")


class Echo(BaseModel):
    """What `echo` says."""

    subject: str
    length: int


GOOD = Operation(
    "POST", "/v3/chat", "Answer", "chat:create", "chat", "action", echo, Echo, ChatBody
)
READ = Operation("GET", "/v3/status", "How it is", "platforms:read", "read", "access", echo, Echo)
BUG = Operation("GET", "/v3/bug", "A mistake", PUBLIC, "read", "none", broken, Echo)


async def authenticate(request: Request) -> Principal:
    match request.headers.get("authorization"):
        case "Bearer all":
            return Principal("acme", "key:1", frozenset(), PERMISSIONS)
        case "Bearer nothing":
            return Principal("acme", "key:2")
        case _:
            raise AccessError("unauthenticated", "Send a valid API key.")


@pytest.mark.parametrize("left_open", ["summary", "permission", "rate", "audit"])
def test_a_row_that_leaves_a_question_open_stops_the_start(
    left_open: Literal["summary", "permission", "rate", "audit"],
) -> None:
    """Nobody can forget to say who may call a route, how it is limited, and what is noted."""
    row = replace(GOOD, **{left_open: ""})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"POST /v3/chat: every route states"):
        routes.build([row], authenticate, PERMISSIONS)


def test_a_row_cannot_be_made_without_its_answers() -> None:
    """They have no defaults: leaving one out is not even a row."""
    with pytest.raises(TypeError, match="audit"):
        Operation("GET", "/x", "X", PUBLIC, "read")  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([replace(GOOD, permission="chat:craete")], "nobody can have the permission"),
        ([replace(GOOD, permission=PUBLIC)], "a public route takes no body"),
        ([READ, READ], "stands twice"),
    ],
)
def test_a_row_that_cannot_be_meant_stops_the_start(rows: list[Operation], why: str) -> None:
    """A typing error in a permission would lock everybody out, or let everybody in."""
    with pytest.raises(ValueError, match=why):
        routes.build(rows, authenticate, PERMISSIONS)


def the_real_table() -> list[Operation]:
    """The product's rows; its handlers are not called here, so nothing stands behind them."""
    chat, platforms = cast("Chat", _Handlers()), cast("Platforms", _Handlers())
    evidence, compatible = cast("Evidence", _Handlers()), cast("Compatible", _Handlers())
    conversations = cast("Conversations", _Handlers())
    budgets = cast("BudgetRoutes", _Handlers())
    savings = cast("SavingsRoutes", _Handlers())
    breakers, regions = cast("Breakers", _Handlers()), cast("Regions", _Handlers())
    return [
        *api.operations(chat, platforms, evidence, compatible, conversations, budgets, savings),
        *region_operations(breakers, regions),
        *lease_operations(cast("Lending", _Handlers())),
    ]


class _Handlers:
    """Something with every handler's name."""

    def __getattr__(self, name: str) -> object:
        return echo


def test_the_products_own_table_starts_with_the_shipped_roles() -> None:
    """Every permission it names is one that a role can be granted."""
    assert routes.build(the_real_table(), authenticate, load_roles().permissions)


@pytest.fixture
def document() -> dict[str, object]:
    return openapi.document(the_real_table(), "1.2.3")


def test_openapi_names_every_route_with_its_permission_rate_and_audit(
    document: dict[str, dict[str, dict[str, dict[str, object]]]],
) -> None:
    """What the table says is what is published, row by row."""
    published = {
        (method.upper(), path): (row["x-permission"], row["x-rate-class"], row["x-audit"])
        for path, methods in document["paths"].items()
        for method, row in methods.items()
    }
    assert published == {
        (op.method, op.path): (op.permission, op.rate, op.audit) for op in the_real_table()
    }
    assert {path for _, path in published} >= {
        "/v3/chat", "/v3/openai/chat", "/v3/anthropic/chat", "/v3/platforms/status",
        "/v3/platforms/route", "/healthz", "/readyz",
    }  # fmt: skip


def test_openapi_is_valid_and_every_reference_leads_somewhere(document: dict[str, object]) -> None:
    """Code generators stop at the first dangling reference."""
    assert document["openapi"] == "3.1.0"
    for reference in references(document):
        found: object = document
        for part in reference.removeprefix("#/").split("/"):
            assert isinstance(found, dict)
            found = found[part]
        Draft202012Validator.check_schema(found)
    assert set(references(document)) > {"#/components/schemas/Problem"}


def test_openapi_gives_every_operation_one_name_and_asks_for_a_key_unless_public(
    document: dict[str, dict[str, dict[str, dict[str, object]]]],
) -> None:
    """Two operations of one name overwrite each other in a generated client."""
    rows = [row for methods in document["paths"].values() for row in methods.values()]
    assert len({row["operationId"] for row in rows}) == len(rows)
    for row in rows:
        assert ("security" in row) == (row["x-permission"] != PUBLIC)
        assert isinstance(row["responses"], dict)
        assert ("401" in row["responses"]) == (row["x-permission"] != PUBLIC)


def references(node: object) -> Iterator[str]:
    match node:
        case {"$ref": str(reference)}:
            yield reference
        case dict():
            for inner in node.values():
                yield from references(inner)
        case list():
            for inner in node:
                yield from references(inner)
        case _:
            pass


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    """The application of a small table, called in this process."""
    app = api.application([GOOD, READ, BUG], authenticate, PERMISSIONS, max_body_bytes=2_000)
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    headers = {"authorization": "Bearer all"}
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://supportmax", headers=headers
    ) as client:
        yield client


async def test_an_admitted_request_reaches_its_handler_with_principal_and_body(
    http: httpx2.AsyncClient,
) -> None:
    """Parsed once at the edge, believed afterwards."""
    answer = await http.post("/v3/chat", json={"message": "hello"})
    assert (answer.status_code, answer.json()) == (200, {"subject": "key:1", "length": 5})


@pytest.mark.parametrize(
    ("method", "path", "sent", "status", "code"),
    [
        ("POST", "/v3/chat", {"headers": {"authorization": ""}}, 401, "unauthenticated"),
        ("POST", "/v3/chat", {"headers": {"authorization": "Bearer nothing"}}, 403, "forbidden"),
        ("GET", "/v3/nothing", {}, 404, "unknown_route"),
        ("DELETE", "/v3/chat", {}, 405, "method_not_allowed"),
        ("POST", "/v3/chat", {"data": {"message": "a"}}, 415, "unsupported_media_type"),
        ("POST", "/v3/chat", {"json": {}}, 422, "invalid_request"),
        ("POST", "/v3/chat", {"json": {"message": "a", "colour": 1}}, 422, "invalid_request"),
        ("POST", "/v3/chat", {"json": {"message": "a" * 2_000}}, 413, "body_too_large"),
        ("GET", "/v3/bug", {}, 500, "internal_error"),
    ],
)
async def test_every_refusal_is_a_problem_document(
    http: httpx2.AsyncClient,
    method: str,
    path: str,
    sent: dict[str, dict[str, str]],
    status: int,
    code: str,
) -> None:
    """Whoever refuses, middleware, framework or handler: one shape, one media type."""
    answer = await http.request(method, path, **sent)  # type: ignore[arg-type]
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v3/status", 200),
        ("GET", "/v3/bug", 500),
        ("GET", "/v3/nothing", 404),
        ("GET", "/v1/nothing", 404),
        ("GET", "/scim/v2/nothing", 404),
        ("DELETE", "/v3/chat", 405),
        ("GET", "/openapi.json", 200),
    ],
)
async def test_every_answer_has_one_id_under_both_names_which_no_caller_chooses(
    http: httpx2.AsyncClient, method: str, path: str, status: int
) -> None:
    """Also where no row of the table answers, for the log of whoever stands in front."""
    answers = [await http.request(method, path, headers={USUAL: "of-the-caller"}) for _ in range(2)]
    assert {answer.status_code for answer in answers} == {status}
    for answer in answers:
        assert answer.headers.get_list(USUAL) == answer.headers.get_list(REQUEST_ID)
        assert re.fullmatch(r"req_[0-9a-f]{24,}", answer.headers[REQUEST_ID])
    assert len({answer.headers[REQUEST_ID] for answer in answers}) == 2


async def test_what_passes_every_row_has_its_id_as_well() -> None:
    """A mistake of ours outside a route; a body that is too large."""

    def not_looked_at(scope: object) -> tuple[object, object]:
        raise KeyError("inside")

    app = api.application([GOOD], authenticate, PERMISSIONS, max_body_bytes=10)
    inside = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=inside, base_url="http://supportmax") as client:
        large = await client.post("/v3/chat", json={"message": "a" * 20})
        cast("Any", app.routes[0]).matches = not_looked_at
        broken = await client.get("/v3/chat")
    assert (large.status_code, broken.status_code) == (413, 500)
    for answer in (large, broken):
        assert answer.headers[USUAL] == answer.headers[REQUEST_ID] != ""


async def test_a_body_that_does_not_say_its_length_is_counted_while_it_arrives(
    http: httpx2.AsyncClient,
) -> None:
    """Nothing larger than the limit is ever held, announced or not."""
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        yield b'{"message": "'
        while sent < 100_000:
            sent += 1_000
            yield b"a" * 1_000

    headers = {"content-type": "application/json"}
    answer = await http.post("/v3/chat", content=endless(), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert sent < 5_000


async def test_without_permission_the_body_is_not_even_read(http: httpx2.AsyncClient) -> None:
    """A stranger learns nothing of what a route would make of his body."""
    headers = {"authorization": "", "content-type": "application/json"}
    answer = await http.post("/v3/chat", content=b"{", headers=headers)
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer smk_1"},
        {"authorization": "bearer   smk_1 "},
        {"x-api-key": "smk_1"},
    ],
)
async def test_a_key_is_taken_from_either_header(headers: dict[str, str]) -> None:
    """Bearer as OpenAI's clients send it, X-API-Key as Anthropic's do."""
    seen: list[str] = []

    class Keys:
        async def authenticate(self, secret: str, address: object = None) -> Principal:
            seen.append(secret)
            return Principal("acme", "key:1")

    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    request = Request({"type": "http", "headers": raw})
    await Authentication(cast("ApiKeys", Keys()))(request)
    assert seen == ["smk_1"]


def test_every_model_of_the_table_refuses_what_it_does_not_know() -> None:
    """A misspelt requirement must not be a requirement that is silently dropped."""
    bodies: list[type[BaseModel]] = [op.body for op in the_real_table() if op.body is not None]
    assert bodies
    assert all(body.model_config.get("extra") == "forbid" for body in bodies)
    assert all(body.model_config.get("strict") is True for body in bodies)


async def test_an_address_names_every_method_it_takes() -> None:
    """`Allow` lists all rows of an address, whichever of them stands first in the table."""
    rows = [
        replace(GOOD, method=method, path="/v3/one/{id}", body=None)
        for method in ("GET", "PUT", "DELETE")
    ]
    rows.append(replace(GOOD, method="POST", path="/v3/one/.search"))
    app = api.application(rows, authenticate, PERMISSIONS, 1_000)
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app), base_url="http://supportmax"
    ) as http:
        for method in ("POST", "OPTIONS", "TRACE", "PATCH"):
            refused = await http.request(method, "/v3/one/1")
            assert (refused.status_code, refused.json()["code"]) == (405, "method_not_allowed")
            assert refused.headers["allow"] == "DELETE, GET, HEAD, PUT"
        # What stands in the table to the letter is not one of those that only look like it.
        assert (await http.options("/v3/one/.search")).headers["allow"] == "POST"
