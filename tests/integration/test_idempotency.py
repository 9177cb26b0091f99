"""One key, one answer: a caller who is not sure asks again without paying again."""

import asyncio
import uuid

import httpx2
import pytest

from tests.integration.talk import MESSAGE
from tests.servers import Simulators

BODY = {"message": MESSAGE, "user_id": "user_123", "platform": "openai"}


@pytest.fixture
def key() -> dict[str, str]:
    return {"idempotency-key": uuid.uuid4().hex}


async def test_a_repeat_gets_the_first_answer_and_calls_nobody(
    healthy: httpx2.AsyncClient, simulators: Simulators, key: dict[str, str]
) -> None:
    """Byte for byte the same answer, booked once."""
    first = await healthy.post("/v3/chat", json=BODY, headers=key)
    again = await healthy.post("/v3/chat", json=BODY, headers=key)
    assert first.status_code == again.status_code == 200
    assert first.json() == again.json()
    assert len(await simulators.requests()) == 1


async def test_a_key_used_with_another_body_is_refused(
    healthy: httpx2.AsyncClient, key: dict[str, str]
) -> None:
    """Not the first answer to another question; nor on another route."""
    await healthy.post("/v3/chat", json=BODY, headers=key)
    other = await healthy.post("/v3/chat", json=BODY | {"message": "else"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")
    route = await healthy.post("/v3/openai/chat", json=BODY, headers=key)
    assert (route.status_code, route.json()["code"]) == (422, "idempotency_mismatch")


async def test_a_repeat_while_the_first_runs_is_a_conflict(
    healthy: httpx2.AsyncClient, simulators: Simulators, key: dict[str, str]
) -> None:
    """Told at once, with a hint when to come back; the first is answered in peace."""
    await simulators.script("openai", {"kind": "slow", "delay_ms": 2_000})
    first = asyncio.create_task(healthy.post("/v3/chat", json=BODY, headers=key))
    async with asyncio.timeout(10):
        while not await simulators.requests(settled_within_s=0):  # noqa: ASYNC110  another process
            await asyncio.sleep(0.02)
    second = await healthy.post("/v3/chat", json=BODY, headers=key)
    assert (second.status_code, second.json()["code"]) == (409, "request_in_progress")
    assert int(second.headers["retry-after"]) >= 1
    assert (await first).status_code == 200


async def test_of_many_at_once_exactly_one_is_carried_out(
    healthy: httpx2.AsyncClient, simulators: Simulators, key: dict[str, str]
) -> None:
    """However they race, one call is made; the others get its answer or a conflict."""
    await simulators.script("openai", {"kind": "slow", "delay_ms": 300})
    asked = [healthy.post("/v3/chat", json=BODY, headers=key) for _ in range(10)]
    answers = await asyncio.gather(*asked)
    assert {a.status_code for a in answers} <= {200, 409}
    assert len({a.json()["id"] for a in answers if a.status_code == 200}) == 1
    assert len(await simulators.requests()) == 1


async def test_a_request_that_failed_gives_its_key_back(
    healthy: httpx2.AsyncClient, simulators: Simulators, key: dict[str, str]
) -> None:
    """A failure is not an answer to be repeated for a day."""
    await simulators.script("openai", {"kind": "status", "status": 400})
    failed = await healthy.post("/v3/chat", json=BODY, headers=key)
    assert failed.status_code >= 400
    again = await healthy.post("/v3/chat", json=BODY, headers=key)
    assert again.status_code == 200


@pytest.mark.parametrize("bad", ["", "two words", "x" * 129])
async def test_a_key_that_cannot_be_one_is_refused(healthy: httpx2.AsyncClient, bad: str) -> None:
    """One to 128 visible characters."""
    answer = await healthy.post("/v3/chat", json=BODY, headers={"idempotency-key": bad})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "header:Idempotency-Key"


async def test_a_stream_cannot_be_repeated_and_says_so(
    healthy: httpx2.AsyncClient, key: dict[str, str]
) -> None:
    """Better than a key that is silently ignored."""
    answer = await healthy.post("/v3/chat", json=BODY | {"stream": True}, headers=key)
    assert answer.status_code == 422
