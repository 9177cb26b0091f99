"""Values that exist nowhere else go through every route, and are then sought wherever something is kept."""

import secrets
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from random import Random

import anthropic
import httpx2
import openai
import orjson

from deployments import flags
from tests.integration.talk import listen
from tests.product import Product
from tests.servers import Simulators
from tests.unit.privacy.people import luhn


class Canary:
    """A customer's e-mail address and card, made for one test."""

    def __init__(self) -> None:
        chance = Random(secrets.randbits(64))  # noqa: S311  unlike any other; nothing hangs on it
        self.email = f"canary{chance.getrandbits(48):012x}@example.com"
        self.card = luhn(chance, "4", 16)
        self.values = (self.email, self.card)

    @property
    def message(self) -> str:
        """What the customer writes."""
        return f"Was my invoice paid with {self.card}? Write to {self.email}."

    def is_in(self, what: bytes) -> bool:
        return any(value.encode() in what for value in self.values)


def files(product: Product) -> Iterator[Path]:
    """Whatever the product wrote: its data, its logs and Ray's."""
    for folder in (product.home, flags._short_folder(product.home)):
        yield from (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def holding(product: Product, canary: Canary) -> list[str]:
    """The files in which it can be read."""
    found = []
    for path in files(product):
        try:
            if canary.is_in(path.read_bytes()):
                found.append(str(path))
        except OSError:
            continue  # it ended while we looked
    return found


def rows(product: Product, canary: Canary) -> list[str]:
    """The tables in which it can be read."""
    found = []
    with sqlite3.connect(f"file:{product.home / 'supportmax.sqlite'}?mode=ro", uri=True) as store:
        tables = [
            name for (name,) in store.execute("SELECT name FROM sqlite_master WHERE type='table'")
        ]
        for table in tables:
            for row in store.execute(f'SELECT * FROM "{table}"'):  # noqa: S608
                if canary.is_in(repr(row).encode()):
                    found.append(table)
                    break
    return found


async def test_what_a_customer_tells_is_in_the_answer_and_nowhere_else(
    product: Product,
    healthy: httpx2.AsyncClient,
    gpt: openai.AsyncOpenAI,
    claude: anthropic.AsyncAnthropic,
    simulators: Simulators,
) -> None:
    canary = Canary()
    said, about = canary.message, "user_123"
    first = await healthy.post("/v3/chat", json={"message": said, "user_id": about})
    assert first.status_code == 200, first.text
    conversation = first.json()["conversation_id"]
    body = {"message": said, "user_id": about, "conversation_id": conversation}
    heard = await listen(healthy, body)
    heard.assert_honest()
    for name in (
        "openai/chat",
        "anthropic/chat",
        "azure/chat",
        "google/vertex",
        "microsoft/copilot",
    ):
        answer = await healthy.post(f"/v3/{name}", json={"message": said, "user_id": about})
        assert answer.status_code == 200, answer.text
    once = {"Idempotency-Key": secrets.token_hex(8)}
    kept = await healthy.post("/v3/chat", json={"message": said}, headers=once)
    again = await healthy.post("/v3/chat", json={"message": said}, headers=once)
    assert kept.json() == again.json()
    # What fails is logged with its reason, and refused with it.
    await simulators.script("openai", {"kind": "status", "status": 503, "times": 3})
    await healthy.post("/v3/openai/chat", json={"message": said})
    await healthy.post("/v3/chat", json={"message": said, "conversation_id": canary.email})
    await healthy.post("/v3/mcp/context", json={"query": said, "user_id": about})
    await gpt.chat.completions.create(
        model="auto",
        messages=[{"role": "system", "content": said}, {"role": "user", "content": said}],
    )
    thread = await gpt.conversations.create()
    await gpt.responses.create(model="auto", input=said, conversation=thread.id)
    streamed = await gpt.responses.create(
        model="auto", input=said, conversation=thread.id, stream=True
    )
    parts = [event async for event in streamed]
    assert parts[-1].type == "response.completed"
    await claude.messages.create(
        model="auto", max_tokens=200, messages=[{"role": "user", "content": said}]
    )
    told = [orjson.dumps([one.headers, one.path, one.body]) for one in await simulators.requests()]
    assert len(told) >= 12
    assert not any(canary.is_in(one) for one in told)
    assert rows(product, canary) == []
    assert holding(product, canary) == []


async def test_a_model_that_repeats_what_it_is_told_gives_the_caller_values(
    healthy: httpx2.AsyncClient, gpt: openai.AsyncOpenAI, simulators: Simulators
) -> None:
    """Over the vendors' own routes, whole and streamed, in texts and in a caller's tools."""
    canary = Canary()
    tool = {
        "type": "function",
        "function": {
            "name": "send_letter",
            "description": "Send a letter to an address",
            "parameters": {
                "type": "object",
                "properties": {"text": {"type": "string"}},
                "required": ["text"],
            },
        },
    }
    ask = [{"role": "user", "content": f"Send a letter: {canary.email}"}]
    for stream in (False, True):
        made = await gpt.chat.completions.create(  # type: ignore[call-overload]
            model="openai", messages=ask, tools=[tool], tool_choice="required", stream=stream
        )
        if stream:
            parts = [chunk async for chunk in made]
            said = "".join(
                call.function.arguments or ""
                for chunk in parts
                for choice in chunk.choices
                for call in choice.delta.tool_calls or ()
            )
        else:
            said = made.choices[0].message.tool_calls[0].function.arguments
        assert canary.email in said
    told = [orjson.dumps(one.body) for one in await simulators.requests()]
    assert not any(canary.is_in(one) for one in told)
