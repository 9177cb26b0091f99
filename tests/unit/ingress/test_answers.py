"""What leaves is what the route table says: anything else is a mistake of ours, and stays inside."""

import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import cast

import httpx2
import pytest
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from deployments.agent.exchange import AgentEvent, Done
from deployments.ingress import api, events, routes
from deployments.ingress.answers import WrongAnswer, checked_event
from deployments.ingress.chat import Chat
from deployments.ingress.routes import Call, Operation
from deployments.ingress.schema import AnswerBody
from deployments.security.principal import Principal

PERMISSIONS = frozenset({"platforms:read"})
CARD = "the card 4111 1111 1111 1111"


class Inner(BaseModel):
    """What a row of it is."""

    name: str
    notes: dict[str, str]


class Good(BaseModel):
    """What the row promises."""

    rows: list[Inner]


GOOD = {"rows": [{"name": "a", "notes": {"b": "c"}}]}


async def nobody(request: Request) -> Principal:
    return Principal("acme", "key:1", frozenset(), PERMISSIONS)


async def ask(response: Response, **row: object) -> httpx2.Response:
    """The answer to one GET, whose handler gives `response`."""

    async def handler(call: Call) -> Response:
        return response

    op = Operation("GET", "/v3/rows", "Rows", "platforms:read", "read", "access", handler, Good)
    changed = replace(op, **row)  # type: ignore[arg-type]
    app = api.application([changed], nobody, PERMISSIONS, 1_000)
    inside = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=inside, base_url="http://supportmax") as http:
        return await http.get("/v3/rows")


async def test_an_answer_as_it_was_promised_leaves_byte_for_byte() -> None:
    answer = await ask(routes.reply(GOOD))
    assert (answer.status_code, answer.json()) == (200, GOOD)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"rows": None},
        {"rows": [{"name": CARD}]},
        {"rows": [{"name": 7, "notes": {}}]},
        GOOD | {"extra": CARD},
        {"rows": [{"name": "a", "notes": {}, "card": CARD}]},
        {"rows": [{"name": "a", "notes": {CARD: 5}}]},
        [GOOD],
    ],
)
async def test_an_answer_that_is_not_as_promised_does_not_leave_nor_reach_the_log(
    wrong: object, caplog: pytest.LogCaptureFixture
) -> None:
    """Too little, too much at any depth, or of another kind: 500, and the log has the place alone."""
    with caplog.at_level(logging.ERROR):
        answer = await ask(routes.reply(wrong))
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert CARD not in answer.text
    assert "GET /v3/rows answers what it does not promise" in caplog.text
    assert CARD not in caplog.text


async def test_a_status_that_is_not_in_the_table_does_not_leave() -> None:
    """Unless the row names it."""
    assert (await ask(routes.reply(GOOD, 202))).status_code == 500
    assert (await ask(routes.reply(GOOD, 202), further={"202": "Later"})).status_code == 202


async def test_what_is_no_json_is_the_handlers_own() -> None:
    """An export in lines, or a page; a row without a model promises nothing."""
    assert (await ask(Response(b"a\n", media_type="text/plain"))).text == "a\n"
    assert (await ask(routes.reply([]), answer=None)).json() == []


async def test_a_streams_end_that_is_not_as_promised_is_an_error_and_the_last_event() -> None:
    """The same words as without a stream, so the same promise."""

    class Wrong:
        def to_json(self) -> dict[str, object]:
            return {"text": CARD}

    async def steps() -> AsyncIterator[AgentEvent]:
        yield Done(cast("object", Wrong()))  # type: ignore[arg-type]

    with pytest.raises(WrongAnswer):
        checked_event("a stream", AnswerBody, {"text": CARD})
    all_steps = steps()
    first = await anext(all_steps)
    chat = Chat.__new__(Chat)
    frames = [frame async for frame in chat._frames(first, all_steps)]  # type: ignore[arg-type]
    assert len(frames) == 1
    assert frames[0].startswith(b"event: error\n")
    assert CARD.encode() not in frames[0]
    assert events.frame("done", {}) not in frames
