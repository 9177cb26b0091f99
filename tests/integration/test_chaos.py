"""What callers see when things break: a whole answer, somebody else's, or an explicit error."""

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import httpx2
import pytest

from routing.budget import DAY_S
from routing.clock import SystemClock
from tests.integration.cluster import deploy
from tests.integration.conftest import HEAL_S, heal
from tests.integration.talk import MESSAGE, OTHER, Heard, listen, listen_into
from tests.product import Process, Product
from tests.servers import Simulators

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(240)]

# Serve notices a dead replica and starts another in some 8 s on two quiet cores.
BACK_S = 120.0
TO_ANTHROPIC = {"platform": "openai", "fallback_platforms": ["anthropic"]}


async def until(what: Callable[[], bool], within_s: float = BACK_S) -> None:
    """Wait for a condition of other processes, but not for ever."""
    async with asyncio.timeout(within_s):
        while not what():  # noqa: ASYNC110  other processes send no events
            await asyncio.sleep(0.05)


async def whole_text(http: httpx2.AsyncClient) -> str:
    """What a whole answer to the question says; every platform says the same."""
    answer = await http.post("/v3/chat", json={"message": MESSAGE, **TO_ANTHROPIC})
    return str(answer.json()["text"])


def is_another(old: Sequence[Process], new: Sequence[Process]) -> bool:
    return bool(new) and not {p.pid for p in old} & {p.pid for p in new}


FAULTS: dict[str, dict[str, object]] = {
    "429": {"kind": "status", "status": 429, "retry_after_s": 0.05},
    "500": {"kind": "status", "status": 500},
    "529": {"kind": "status", "status": 529},
    "cut at once": {"kind": "cut", "after_chunks": 0},
    "cut": {"kind": "cut", "after_chunks": 3},
    "disconnect at once": {"kind": "disconnect", "after_chunks": 0},
    "disconnect": {"kind": "disconnect", "after_chunks": 3},
    "garbage at once": {"kind": "garbage", "after_chunks": 0},
    "garbage": {"kind": "garbage", "after_chunks": 3},
    "error event at once": {"kind": "error_event", "after_chunks": 0},
    "error event": {"kind": "error_event", "after_chunks": 3},
}


@pytest.mark.parametrize("platform", ["openai", "anthropic"])
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_faulty_platform_costs_a_caller_time_or_an_error_and_never_half_an_answer(
    healthy: httpx2.AsyncClient, simulators: Simulators, fault: str, platform: str
) -> None:
    """JSON fails over, whole; a stream fails over before its first word and says so after it."""
    text = await whole_text(healthy)
    body = {"platform": platform, "fallback_platforms": [OTHER[platform]]}

    await simulators.script(platform, FAULTS[fault])
    answer = (await healthy.post("/v3/chat", json={"message": MESSAGE, **body})).json()
    assert [a["platform"] for a in answer["attempts"]] == [platform, OTHER[platform]]
    assert answer["attempts"][0]["outcome"] != "ok"
    assert answer["text"] == text

    await heal_breaker(healthy, simulators, platform)
    await simulators.script(platform, FAULTS[fault])
    heard = await listen(healthy, body)
    heard.assert_honest()
    if heard.done is not None:
        assert heard.text == text
        assert heard.done["platform"] == OTHER[platform]
    else:
        assert text.startswith(heard.text)
        assert heard.text
        assert heard.error["code"] == "platform_error"


async def heal_breaker(http: httpx2.AsyncClient, simulators: Simulators, platform: str) -> None:
    """One good answer after one bad one keeps the breaker closed; a 429 is waited for."""
    await simulators.clear()
    async with asyncio.timeout(HEAL_S):
        while True:
            answer = await http.post(f"/v3/{platform}/chat", json={"message": MESSAGE})
            if answer.status_code == 200:
                return
            await asyncio.sleep(0.1)


async def test_a_slow_platform_is_waited_for_within_the_time_there_is(
    healthy: httpx2.AsyncClient, simulators: Simulators
) -> None:
    """Late is not wrong: the whole text, from it or from who was asked beside it."""
    text = await whole_text(healthy)
    await simulators.script(
        "openai", {"kind": "slow", "delay_ms": 1_000, "chunk_delay_ms": 50, "times": 2}
    )
    answer = (await healthy.post("/v3/chat", json={"message": MESSAGE, **TO_ANTHROPIC})).json()
    heard = await listen(healthy, TO_ANTHROPIC)
    heard.assert_honest()
    assert answer["text"] == heard.text == text
    assert {a["outcome"] for a in answer["attempts"]} <= {"ok", "abandoned"}


async def test_a_platform_that_hangs_loses_its_turn_in_time_for_the_next(
    healthy: httpx2.AsyncClient, simulators: Simulators
) -> None:
    """The time it was given ends before the caller's does."""
    await simulators.script("openai", {"kind": "slow", "delay_ms": 60_000, "times": 2})
    body = {**TO_ANTHROPIC, "requirements": {"max_latency_ms": 4_000}}
    answer, heard = await asyncio.gather(
        healthy.post("/v3/chat", json={"message": MESSAGE, **body}), listen(healthy, body)
    )
    heard.assert_honest()
    for whole in (answer.json(), heard.done):
        assert [a["outcome"] for a in whole["attempts"]] == ["timeout", "ok"]


async def test_a_platform_that_falls_silent_in_mid_sentence_is_gone_on_for_in_time(
    healthy: httpx2.AsyncClient, simulators: Simulators
) -> None:
    """What was read cannot be taken back: another platform says the rest.

    Answers cut by the test before count as late ones: a shorter limit could not be promised now.
    """
    text = await whole_text(healthy)
    await simulators.script("openai", {"kind": "stall", "after_chunks": 3, "stall_s": 60})
    began = time.monotonic()
    heard = await listen(healthy, {**TO_ANTHROPIC, "requirements": {"max_latency_ms": 12_000}})
    heard.assert_honest()
    assert heard.text == text
    assert "resumed" in heard.names
    assert time.monotonic() - began < 20


async def test_a_platforms_replica_killed_under_a_hundred_streams_leaves_no_half_answer(
    healthy: httpx2.AsyncClient, product: Product, simulators: Simulators
) -> None:
    """Who had read nothing is answered by the other platform; who had is told the rest by it."""
    text = await whole_text(healthy)
    await simulators.clear()
    await simulators.script(
        "openai",
        {"kind": "slow", "chunk_delay_ms": 1_500, "times": 50},
        {"kind": "slow", "delay_ms": 20_000, "times": 50},
    )
    heard = [Heard() for _ in range(100)]
    streams = [asyncio.create_task(listen_into(one, healthy, TO_ANTHROPIC)) for one in heard]
    async with asyncio.timeout(60):
        while len(await simulators.requests(settled_within_s=0)) < 100:  # noqa: ASYNC110  another process
            await asyncio.sleep(0.1)
    await until(lambda: sum(bool(one.text) for one in heard) >= 20)
    begun = [one for one in heard if one.text and one.done is None]
    silent = [one for one in heard if not one.text]
    old = product.replicas("platform-openai")
    for replica in old:
        replica.kill()
    async with asyncio.timeout(90):
        await asyncio.gather(*streams)
    for one in heard:
        one.assert_honest()
        assert one.done is None or one.text == text
    assert len(silent) >= 40
    for one in silent:
        # Text may have been on its way when the replica died: then, too, the end is explicit.
        assert one.done is not None or one.text
    failed_over = [one for one in silent if one.done is not None]
    assert len(failed_over) >= 40
    for one in failed_over:
        *lost, last = [a["outcome"] for a in one.done["attempts"]]
        assert (last, one.done["platform"]) == ("ok", "anthropic")
        assert set(lost) <= {"connection", "abandoned"}
    assert any("resumed" in one.names for one in begun)
    await simulators.clear()
    await until(lambda: is_another(old, product.replicas("platform-openai")))
    await heal(product, healthy)


@contextlib.asynccontextmanager
async def load(http: httpx2.AsyncClient, workers: int = 8) -> AsyncIterator[list[dict[str, Any]]]:
    """Questions without a pause; in the end the answers, every one of which was a good one."""
    answers: list[dict[str, Any]] = []
    stop = asyncio.Event()

    async def work() -> None:
        while not stop.is_set():
            answer = await http.post("/v3/chat", json={"message": MESSAGE})
            assert answer.status_code == 200, answer.text
            answers.append(answer.json())

    async with asyncio.TaskGroup() as group:
        for _ in range(workers):
            group.create_task(work())
        yield answers
        stop.set()


def midnight(ago_s: float = 0.0) -> float:
    """When the day began, UTC, that it is or was so long ago: in seconds since the epoch."""
    then = SystemClock().now() - ago_s
    return then - then % DAY_S


def spent_today(product: Product) -> float:
    """What the ledger says, read from its file: the truth of the money."""
    with contextlib.closing(
        sqlite3.connect(f"file:{product.home}/supportmax.sqlite?mode=ro", uri=True)
    ) as db:
        query = "SELECT sum(cost_pico_usd) FROM ledger WHERE at >= ?"
        [total] = db.execute(query, [midnight()]).fetchone()
        return float(total or 0) / 1e12


def unbooked(product: Product, answers: Sequence[dict[str, Any]]) -> set[str]:
    """The answers that are not in the ledger exactly once."""
    with contextlib.closing(
        sqlite3.connect(f"file:{product.home}/supportmax.sqlite?mode=ro", uri=True)
    ) as db:
        booked = [
            row[0]
            for row in db.execute(
                "SELECT answer_id FROM ledger WHERE error IS NULL AND NOT abandoned"
            )
        ]
    return {a["id"] for a in answers if booked.count(a["id"]) != 1}


async def shown(http: httpx2.AsyncClient) -> tuple[int, float]:
    """The status' version, and what it says was spent today."""
    status = (await http.get("/v3/platforms/status")).json()
    return status["snapshot"], sum(row["cost_usd_today"] for row in status["platforms"])


async def test_the_coordinator_killed_under_load_costs_no_request_and_no_cent(
    healthy: httpx2.AsyncClient, product: Product
) -> None:
    """Replicas go on with the last snapshot; it comes back with its books, and nothing is booked twice."""
    old = product.processes("ray::Coordinator")
    assert len(old) == 1
    async with load(healthy) as answers:
        await until(lambda: len(answers) >= 50)
        day = midnight(BACK_S)  # what is shown is a little older than the question
        async with asyncio.timeout(BACK_S):
            while (before := await shown(healthy))[1] == 0.0:  # noqa: ASYNC110  a day has just begun
                await asyncio.sleep(0.1)
        version, spent = before
        old[0].kill()
        at_the_kill = len(answers)
        await until(lambda: is_another(old, product.processes("ray::Coordinator")))
        await until(lambda: len(answers) >= at_the_kill + 50)
    await until(lambda: not unbooked(product, answers))
    async with asyncio.timeout(BACK_S):
        while True:
            again, spent_again = await shown(healthy)
            if again > version and spent_again == pytest.approx(spent_today(product), rel=1e-6):
                break
            assert spent_again >= spent or midnight() > day
            await asyncio.sleep(0.1)
    rows = (await healthy.get("/v3/platforms/status")).json()["platforms"]
    assert next(row for row in rows if row["name"] == "openai")["latency_ms"]["p50"] > 0


async def test_the_simulators_killed_come_back_at_the_same_address_by_themselves(
    healthy: httpx2.AsyncClient, product: Product
) -> None:
    """Without anybody to ask the refusal is explicit; a second or two later all is well."""
    [old] = product.processes("deployments.simulators.server")
    address = product.simulators.base_url
    old.kill()
    during = await healthy.post("/v3/chat", json={"message": MESSAGE})
    assert during.status_code in {200, 503}
    await until(lambda: is_another([old], product.processes("deployments.simulators.server")))
    await until((product.home / "simulators.port").exists)
    assert product.simulators.base_url == address
    await heal(product, healthy)
    assert (await healthy.post("/v3/chat", json={"message": MESSAGE})).status_code == 200


async def test_the_ingress_killed_is_replaced_and_asked_again(
    healthy: httpx2.AsyncClient, product: Product
) -> None:
    """Requests in flight break, visibly; new ones are answered as soon as another is up."""
    text = await whole_text(healthy)
    await product.simulators.script("openai", {"kind": "slow", "chunk_delay_ms": 1_000, "times": 5})
    old = product.replicas("ingress")
    async with product.http() as own:
        heard = [Heard() for _ in range(5)]
        streams = [asyncio.create_task(listen_into(one, own, TO_ANTHROPIC)) for one in heard]
        await until(lambda: all(one.text for one in heard))
        for replica in old:
            replica.kill()
        async with asyncio.timeout(60):
            await asyncio.gather(*streams)
    for one in heard:
        assert "done" not in one.names or one.text == text
    assert any(one.done is None for one in heard)
    async with asyncio.timeout(BACK_S), product.http() as own:
        assert await first_answer(own) == text
    assert is_another(old, product.replicas("ingress"))


async def first_answer(http: httpx2.AsyncClient) -> str:
    """The text of the first answer there is."""
    while True:
        with contextlib.suppress(httpx2.HTTPError):
            answer = await http.post("/v3/chat", json={"message": MESSAGE})
            if answer.status_code == 200:
                return str(answer.json()["text"])
        await asyncio.sleep(0.1)


@pytest.mark.timeout(400)
async def test_a_redeploy_under_load_costs_no_request(
    healthy: httpx2.AsyncClient, product: Product, simulators: Simulators
) -> None:
    """Old replicas finish what they have begun; whoever asks meanwhile is answered by somebody."""
    text = await whole_text(healthy)
    # Every answer takes six seconds, so that some are under way whenever a replica is told to stop.
    await simulators.script("openai", {"kind": "stall", "stall_s": 6, "times": -1})
    old = [*product.replicas("ingress"), *product.replicas("platform-openai")]
    assert len(old) >= 2
    streams: list[asyncio.Task[Heard]] = []
    wholes: list[asyncio.Task[httpx2.Response]] = []
    body = {"message": MESSAGE, "platform": "openai"}
    deploying = asyncio.create_task(asyncio.to_thread(redeploy, product))
    drained: set[str] = set()
    while not {"ingress", "platform-openai"} <= drained:
        assert not deploying.done(), f"only {drained} drained: {deploying.result()}"
        streams.append(asyncio.create_task(listen(healthy, body)))
        wholes.append(asyncio.create_task(healthy.post("/v3/chat", json=body)))
        await asyncio.sleep(0.5)  # the pace of the load
        drained |= await draining(product)
    assert not all(task.done() for task in (*streams, *wholes))
    async with asyncio.timeout(BACK_S):
        heard = await asyncio.gather(*streams)
        answers = await asyncio.gather(*wholes)
        await deploying
    for one in heard:
        one.assert_honest()
        assert one.done is not None, one.error
        assert one.text == text
    for answer in answers:
        assert (answer.status_code, answer.json()["text"]) == (200, text)
    await until(lambda: not any(process.is_alive for process in old))
    assert product.replicas("ingress")


async def draining(product: Product) -> set[str]:
    """The deployments of which a replica has been told to stop and has not stopped yet."""
    token = (product.home / "ray.token").read_text().strip()
    async with httpx2.AsyncClient(base_url=product.dashboard, verify=False, timeout=30) as ray:
        answer = await ray.get(
            "/api/serve/applications/", headers={"authorization": f"Bearer {token}"}
        )
    deployments = answer.json()["applications"]["supportmax"]["deployments"]
    return {
        name
        for name, deployment in deployments.items()
        if any(replica["state"] == "STOPPING" for replica in deployment["replicas"])
    }


def redeploy(product: Product) -> None:
    """Deploy another version into the running cluster, from a process of its own."""
    deploy(product, "tests.integration.redeploy", str(product.home), product.simulators.base_url)
