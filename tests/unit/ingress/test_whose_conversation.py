"""Whose a conversation under /v1 is: to anybody else who may ask about nobody else there is none."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import select

from actors.database.tables import thread
from tests.unit.ingress.conversation_world import World, running
from tests.unit.ingress.test_compatible import reply

OWNER, STRANGER, STAFF = "acme/ann", "acme/bob", "acme/eve+any"
UNKNOWN = f"conv_{'0' * 48}"
HELLO = {"type": "message", "role": "user", "content": "hello"}
EVERY_ROUTE: list[tuple[str, str, object]] = [
    ("GET", "/conversations/{id}", None),
    ("POST", "/conversations/{id}", {"metadata": {}}),
    ("DELETE", "/conversations/{id}", None),
    ("GET", "/conversations/{id}/items", None),
    ("POST", "/conversations/{id}/items", {"items": [HELLO]}),
    ("GET", "/conversations/{id}/items/{item}", None),
    ("DELETE", "/conversations/{id}/items/{item}", None),
    ("POST", "/responses", {"model": "auto", "input": "go on", "conversation": "{id}"}),
]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with running(tmp_path / "x.sqlite") as world:
        world.gpt.script = [reply("Hm.")]
        yield world


async def asked(
    world: World, key: str, method: str, path: str, body: object, named: str, item: str
) -> httpx2.Response:
    given = body
    if isinstance(body, dict) and "conversation" in body:
        given = {**body, "conversation": named}
    return await world.http.request(
        method,
        "http://test/v1" + path.format(id=named, item=item),
        json=given,
        headers={"authorization": f"Bearer {key}"},
    )


async def began(world: World, key: str = OWNER) -> tuple[str, str]:
    """A conversation of the caller's with one item: their ids."""
    conversations = world.client(key).conversations
    made = await conversations.create(
        metadata={"topic": "billing"}, items=[{"role": "user", "content": "my secret"}]
    )
    items = await conversations.items.list(made.id)
    return made.id, str(items.data[0].id)


async def stored(world: World, named: str) -> tuple[object, ...]:
    rows = await world.database.read(
        lambda c: c.execute(select(thread).where(thread.c.id == named)).all()
    )
    return tuple(tuple(row) for row in rows)


@pytest.mark.parametrize(("method", "path", "body"), EVERY_ROUTE)
async def test_another_persons_conversation_is_as_unknown_as_none(
    world: World, method: str, path: str, body: object
) -> None:
    """To the letter of the answer; nothing of it changes, no platform is asked, nobody takes it over."""
    named, item = await began(world)
    before = await stored(world, named)
    refused = await asked(world, STRANGER, method, path, body, named, item)
    none = await asked(world, STRANGER, method, path, body, UNKNOWN, item)
    assert (refused.status_code, none.status_code) == (404, 404)
    assert refused.text.replace(named, UNKNOWN) == none.text
    assert await stored(world, named) == before
    assert world.gpt.asked == world.claude.asked == []


@pytest.mark.parametrize("key", [OWNER, STAFF])
@pytest.mark.parametrize(("method", "path", "body"), EVERY_ROUTE)
async def test_its_own_caller_and_who_may_ask_about_anybody_reach_it(
    world: World, key: str, method: str, path: str, body: object
) -> None:
    """The same requests."""
    named, item = await began(world)
    answer = await asked(world, key, method, path, body, named, item)
    assert answer.status_code == 200, answer.text


async def test_a_conversation_of_nobody_known_is_reached_by_who_may_ask_about_anybody_alone(
    world: World,
) -> None:
    """Made by a program that did not say for whom: nobody's own."""
    named, item = await began(world, STAFF)
    for method, path, body in EVERY_ROUTE[:1] + EVERY_ROUTE[3:4]:
        for key, status in ((STRANGER, 404), (STAFF, 200)):
            answer = await asked(world, key, method, path, body, named, item)
            assert answer.status_code == status
