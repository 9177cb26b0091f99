"""A request that is tried again: what one try changed stays, and is not changed once more."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request

from actors.database.idempotency import Idempotency
from deployments.ingress.chat import Chat
from deployments.ingress.routes import Call
from deployments.ingress.schema import ChatBody
from deployments.security.principal import Principal
from routing.clock import SystemClock
from routing.errors import AccessError
from tests.unit.acting.world import CUSTOMER, PAID, World, acting, asks, says
from tests.unit.agent.worlds import Scripted
from tests.unit.tools.desk import person

REFUND = ("tools__refund_invoice", {"invoice_id": PAID, "reason": "DUP", "amount_usd": 20})
INVOICES = ("tools__list_invoices", dict[str, Any]())
QUESTION = f"Please refund 20 dollars of {PAID}, I was charged twice."
HANGS = 60.0


def chat_of(world: World) -> Chat:
    return Chat(world.agent, Idempotency(world.desk.database), SystemClock())


def request(who: Principal, message: str = QUESTION, **more: Any) -> Call:
    """POST /v3/chat under the same key, whoever asks."""
    body = {"message": message, **more}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}

    headers = [(b"idempotency-key", b"the-same"), (b"host", b"localhost")]
    scope = {
        "type": "http", "method": "POST", "path": "/v3/chat", "root_path": "", "scheme": "http",
        "query_string": b"", "headers": headers,
    }  # fmt: skip
    return Call(who, ChatBody.model_validate(body), Request(scope, receive))


async def asked(model: Scripted, turns: int) -> None:
    """Wait until the model was asked for its turn of that number."""
    async with asyncio.timeout(20):
        while len(model.asked) < turns:  # noqa: ASYNC110  the model is a script and tells nobody
            await asyncio.sleep(0.01)


@pytest.fixture
async def away() -> AsyncIterator[list[asyncio.Task[Any]]]:
    """Callers who leave; none is left behind."""
    tasks: list[asyncio.Task[Any]] = []
    yield tasks
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_who_hangs_up_after_a_refund_and_repeats_the_request_is_paid_once(
    tmp_path: Path, away: list[asyncio.Task[Any]]
) -> None:
    """Also where the model of the second try looks at the invoices before it refunds."""
    model = Scripted(
        [asks(REFUND)], [HANGS], [asks(INVOICES)], [asks(REFUND)], [says("It is on its way.")]
    )
    async with acting(tmp_path, {"openai": model}) as world:
        chat, who = chat_of(world), person("agent")
        away.append(asyncio.create_task(chat.auto(request(who, user_id=CUSTOMER))))
        await asked(model, 2)
        assert await world.desk.refunded_cents(PAID) == 2_000
        away[0].cancel()
        await asyncio.wait(away)
        again = await chat.auto(request(who, user_id=CUSTOMER))
        assert await world.desk.refunded_cents(PAID) == 2_000
    told = json.loads(bytes(again.body))
    assert [call["status"] for call in told["tool_calls"]] == ["done", "done"]


async def test_a_key_is_its_callers_own(tmp_path: Path) -> None:
    """A colleague who thinks of the same key is answered for themselves."""
    model = Scripted([says("for ann")], [says("for bob")])
    async with acting(tmp_path, {"openai": model}) as world:
        chat = chat_of(world)
        answers = [
            json.loads(bytes((await chat.auto(request(person("agent", name), "Hello"))).body))
            for name in ("ann", "bob", "ann")
        ]
    assert [answer["text"] for answer in answers] == ["for ann", "for bob", "for ann"]


async def test_a_conversation_about_nobody_is_of_who_began_it(tmp_path: Path) -> None:
    """Of who may ask about any customer it stays open to all who may."""
    model = Scripted(*([says("Yes.")] for _ in range(4)))
    ann, bob = (
        replace(person("agent", name), permissions=frozenset({"chat:create"}))
        for name in ("ann", "bob")
    )
    async with acting(tmp_path, {"openai": model}) as world:
        own = await world.ask("Hello", who=ann, user_id=None)
        await world.ask("And?", who=ann, user_id=None, conversation_id=own.conversation_id)
        with pytest.raises(AccessError):
            await world.ask("And?", who=bob, user_id=None, conversation_id=own.conversation_id)
        staff = await world.ask("Hello", user_id=None)
        other = person("agent", "cleo")
        await world.ask("And?", who=other, user_id=None, conversation_id=staff.conversation_id)
