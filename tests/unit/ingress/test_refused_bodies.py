"""A body that is refused costs little: few errors are told, and what is too large is not read at all."""

import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from starlette.responses import Response

from deployments.ingress import api, problem, routes
from deployments.ingress.anthropic_errors import ANTHROPIC_ERRORS
from deployments.ingress.anthropic_schema import MessagesBody
from deployments.ingress.auth_password import LoginBody
from deployments.ingress.openai_chat_schema import ChatCompletionsBody
from deployments.ingress.openai_errors import OPENAI_ERRORS
from deployments.ingress.openai_responses_schema import ResponsesBody
from deployments.ingress.routes import JSON, PUBLIC, Call, Operation, OwnBody
from deployments.ingress.schema import ChatBody, Health
from deployments.ingress.vendor_schema import PARTS_MAX
from deployments.mcp_gateway.business.refusals import invalid
from deployments.refused import ERRORS_MAX, PART_MAX, refused
from deployments.scim.errors import ScimError, explained
from tests.unit.ingress.test_routes import PERMISSIONS, authenticate

TEXT_BYTES = 4_000
WORDS = "a b " * TEXT_BYTES


class Seen(BaseModel):
    """Anything, and how often it was read."""

    model_config = ConfigDict(extra="allow")

    @model_validator(mode="before")
    @classmethod
    def _count(cls, value: object) -> object:
        READ.append(value)
        return value


READ: list[object] = []


def wrong(model: type[BaseModel], body: str) -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        model.model_validate_json(body)
    return caught.value


def unknown(count: int, name: str = "x") -> str:
    """A body of fields that nobody knows."""
    return json.dumps({f"{name}{index}": 0 for index in range(count)})


@pytest.mark.parametrize("model", [LoginBody, ChatBody])
def test_of_more_errors_than_anybody_reads_the_number_is_told(model: type[BaseModel]) -> None:
    """However many there are, the answer has a line for them; before, it was seven times the body."""
    many = problem.from_validation(wrong(model, unknown(30_000)))
    assert len(many.violations) == 1
    assert "wrong in 3000" in many.violations[0].message
    assert len(problem.response(many).body) < 500
    few = problem.from_validation(wrong(LoginBody, unknown(ERRORS_MAX)))
    assert len(few.violations) == ERRORS_MAX


def test_the_same_holds_for_a_directory_and_for_a_tools_arguments() -> None:
    error = wrong(LoginBody, unknown(30_000))
    with pytest.raises(ScimError) as told, explained():
        raise error
    assert "wrong in 30000 places" in told.value.detail
    assert "wrong in 30000 places" in invalid(error).detail


def test_a_key_is_named_by_its_beginning_and_a_word_is_not_repeated() -> None:
    """An answer of a hundred errors is not a hundred times what was sent."""
    [violation] = problem.from_validation(wrong(LoginBody, unknown(1, "x" * 9_000))).violations
    assert violation.where == "/" + "x" * PART_MAX
    part = [{"type": "y" * 9_000}]
    body = {"model": "auto", "messages": [{"role": "user", "content": part}]}
    [error] = refused(wrong(ChatCompletionsBody, json.dumps(body)))
    assert len(error["msg"]) <= 300


BODIES: list[tuple[type[BaseModel], dict[str, Any]]] = [
    (ChatCompletionsBody, {"messages": [{"role": "user", "content": []}]}),
    (ResponsesBody, {"input": [{"role": "user", "content": []}]}),
    (MessagesBody, {"max_tokens": 9, "messages": [{"role": "user", "content": []}]}),
]


@pytest.mark.parametrize(("model", "fields"), BODIES)
def test_a_list_of_a_vendors_route_is_refused_at_the_first_part_that_is_wrong(
    model: type[BaseModel], fields: dict[str, Any]
) -> None:
    name = "input" if "input" in fields else "messages"
    parts = [{**fields[name][0], "content": [0] * (PARTS_MAX - 1)}]
    assert wrong(model, json.dumps({"model": "auto", **fields, name: parts})).error_count() == 1
    everywhere = {"model": "auto", **fields, name: [{"content": 0}] * 9_000}
    assert wrong(model, json.dumps(everywhere)).error_count() < 20


@pytest.mark.parametrize(("model", "fields"), BODIES)
def test_a_message_has_as_many_parts_as_anybody_needs(
    model: type[BaseModel], fields: dict[str, Any]
) -> None:
    name = "input" if "input" in fields else "messages"
    kind = "input_text" if name == "input" else "text"

    def of(count: int) -> str:
        said = [{**fields[name][0], "content": [{"type": kind, "text": ""}] * count}]
        return json.dumps({"model": "auto", **fields, name: said})

    model.model_validate_json(of(PARTS_MAX))
    [error] = refused(wrong(model, of(PARTS_MAX + 1)))
    assert f"at most {PARTS_MAX}" in error["msg"]


async def answer(call: Call) -> Response:
    if call.body is None:
        await call.request.body()
    return routes.reply({"status": "ok"})


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    READ.clear()
    rows = [
        Operation(
            "POST", "/v1/chat", "Ask", "chat:create", "chat", "action", answer, Health, Seen,
            errors=OPENAI_ERRORS, max_body_bytes=1_000_000,
        ),
        Operation(
            "POST", "/sign-on", "Come in", PUBLIC, "admin", "action", answer, Health,
            own_body=OwnBody(LoginBody, JSON, max_bytes=500),
        ),
        Operation(
            "POST", "/other", "Come in", PUBLIC, "admin", "action", answer, Health,
            own_body=OwnBody(LoginBody, JSON),
        ),
    ]  # fmt: skip
    app = api.application(rows, authenticate, PERMISSIONS, max_body_bytes=TEXT_BYTES)
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    headers = {"authorization": "Bearer all", "content-type": "application/json"}
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://supportmax", headers=headers
    ) as client:
        yield client


async def test_what_is_no_image_is_refused_before_it_is_read(http: httpx2.AsyncClient) -> None:
    """A body that is larger than any text may be has room for 300,000 messages."""
    refusal = await http.post("/v1/chat", json={"said": WORDS})
    assert (refusal.status_code, READ) == (413, [])
    assert "besides images" in refusal.json()["error"]["message"]


@pytest.mark.parametrize("image", ["A" * 100_000, "AAAAAAA/" * 9_000, "A" * 36])
async def test_what_may_be_an_image_is_read_however_it_is_written(
    http: httpx2.AsyncClient, image: str
) -> None:
    """A slash may have a backslash before it, in JSON."""
    count = 3_500 // 30 if len(image) == 36 else 1
    body = json.dumps({"seen": [f"data:image/png;base64,{image}"] * count}).replace("/", "\\/")
    assert len(body) > TEXT_BYTES
    taken = await http.post("/v1/chat", content=body)
    assert (taken.status_code, len(READ)) == (200, 1)


async def test_a_route_for_anybody_takes_as_little_as_it_needs(http: httpx2.AsyncClient) -> None:
    """Announced or not; the limit of all is for its neighbours."""
    large = b'{"a": "' + b"x" * 600 + b'"}'

    async def in_pieces() -> AsyncIterator[bytes]:
        yield large

    assert (await http.post("/sign-on", content=large)).status_code == 413
    assert (await http.post("/sign-on", content=in_pieces())).status_code == 413
    assert (await http.post("/sign-on", content=b"{}")).status_code == 200
    assert (await http.post("/other", content=large)).status_code == 200


@pytest.mark.parametrize("shape", [OPENAI_ERRORS, ANTHROPIC_ERRORS])
def test_a_mistake_of_ours_is_logged_once_for_each_answer(
    shape: routes.ErrorShape, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        assert shape.response(KeyError("x")).status_code == 500
    assert [record.message for record in caplog.records] == ["unexpected error"]
