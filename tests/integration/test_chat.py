"""The main job: a customer's question, answered from the knowledge that ships with the product."""

import asyncio
import re
from typing import Any

import httpx2
import pytest

from actors.database import Accounts, open_database
from routing.clock import SystemClock
from tests.integration.conftest import connected
from tests.integration.contract import Contract
from tests.integration.talk import MESSAGE, OTHER, Heard, listen, whole
from tests.product import Product
from tests.servers import Simulators

# Reported four times a second, learned once a second; a busy machine takes its time.
LEARNED_S = 20.0


async def chat(http: httpx2.AsyncClient, path: str = "/v3/chat", **body: object) -> Any:
    """A question, and the answer's JSON."""
    answer = await http.post(path, json={"message": MESSAGE, **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_question_is_answered_from_the_shipped_knowledge_and_says_where_from(
    healthy: httpx2.AsyncClient,
) -> None:
    """With nothing configured the answer is grounded, cited, priced, and says it is simulated."""
    answer = await whole(lambda: chat(healthy, user_id="user_123"), lambda it: it["degraded"])
    assert answer["simulated"] is True
    assert {c["id"] for c in answer["citations"]} >= {"kb-001"}
    for citation in answer["citations"]:
        assert f"[{citation['id']}]" in answer["text"]
    assert answer["cost_usd"] > 0
    assert [a["outcome"] for a in answer["attempts"]] == ["ok"]
    assert answer["decision"]["chosen"] == answer["platform"] == answer["attempts"][0]["platform"]
    assert answer["finish_reason"] == "stop"


async def test_a_customers_own_records_are_part_of_the_answer_and_nobody_elses(
    healthy: httpx2.AsyncClient,
) -> None:
    """An invoice is quoted to the customer it belongs to, and to no other."""
    question = "Was my invoice for the Team plan in August 2026 paid?"
    own = await chat(healthy, message=question, user_id="user_123")
    other = await chat(healthy, message=question, user_id="user_124")
    assert "INV-2026-0002" in {c["id"] for c in own["citations"]}
    assert "INV-2026-0002" not in str(other)


async def test_a_conversation_goes_on_where_it_was(
    healthy: httpx2.AsyncClient, simulators: Simulators
) -> None:
    """The platform is shown what was said before."""
    first = await chat(healthy, user_id="user_123")
    again = await chat(
        healthy,
        message="How long does that take?",
        user_id="user_123",
        conversation_id=first["conversation_id"],
    )
    assert again["conversation_id"] == first["conversation_id"]
    last = (await simulators.requests())[-1]
    assert MESSAGE in str(last.body)
    assert "How long does that take?" in str(last.body)


@pytest.mark.parametrize("who", [{"user_id": "user_124"}, {}])
async def test_another_customers_conversation_is_not_found_and_nobody_is_called(
    healthy: httpx2.AsyncClient, simulators: Simulators, who: dict[str, str]
) -> None:
    """The refusal comes before anything is spent."""
    first = await chat(healthy, user_id="user_123")
    await simulators.clear()
    body = {"message": "And now?", "conversation_id": first["conversation_id"], **who}
    answer = await healthy.post("/v3/chat", json=body)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert await simulators.requests() == []


async def test_another_tenants_conversation_is_not_found(
    healthy: httpx2.AsyncClient, product: Product, contract: Contract
) -> None:
    """Not forbidden: that it exists is already none of their business."""
    first = await chat(healthy, user_id="user_123")
    async with connected(product, contract, await key_of(product, "globex")) as stranger:
        body = {"message": "And now?", "conversation_id": first["conversation_id"]}
        for user in ({}, {"user_id": "user_123"}):
            answer = await stranger.post("/v3/chat", json=body | user)
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
            assert "charged" not in answer.text
        own = await chat(stranger, message=MESSAGE)
        assert own["citations"] == []


async def test_a_key_that_may_not_choose_a_platform_is_forbidden_to(
    product: Product, contract: Contract
) -> None:
    """Roles hold over HTTP: a customer talks and sees no platforms."""
    key = await key_of(product, "northwind", "customer")
    async with connected(product, contract, key) as customer:
        await chat(customer)
        answer = await customer.get("/v3/platforms/status")
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        route = {"message": "hi", "platform": "openai"}
        answer = await customer.post("/v3/platforms/route", json=route)
        assert answer.status_code == 403


async def key_of(
    product: Product, tenant: str, role: str = "admin", person: str | None = None
) -> str:
    """A new key for a tenant, made as an administrator's tool would, in the database; None is nobody's."""
    database = open_database(product.home / "supportmax.sqlite")
    try:
        made = await Accounts(database).create_key(
            tenant, "test", frozenset({role}), SystemClock().now(), created_by=person
        )
        return made.secret
    finally:
        await database.aclose()


async def test_a_streams_events_come_in_the_contracts_order(healthy: httpx2.AsyncClient) -> None:
    """decision, context, deltas, and exactly one done, whose text is the deltas'."""
    heard = await whole(lambda: listen(healthy, {"user_id": "user_123"}), degraded)
    assert heard.names[:2] == ["decision", "context"]
    assert set(heard.names[2:-1]) == {"delta"}
    assert heard.names[-1] == "done"
    assert heard.done["decision"] == heard.events[0][1]
    found = heard.events[1][1]
    assert {c["id"] for c in heard.done["citations"]} <= {c["id"] for c in found["citations"]}


def degraded(heard: Heard) -> Any:
    """What its second event says was missing."""
    heard.assert_honest()
    return heard.events[1][1]["degraded"]


async def test_a_stream_and_a_whole_answer_say_the_same(
    healthy: httpx2.AsyncClient, contract: Contract
) -> None:
    """Two ways to read one answer; `done` is the JSON answer of the contract."""
    answer = await chat(healthy, platform="openai")
    heard = await listen(healthy, {"platform": "openai"})
    assert heard.text == answer["text"]
    contract.validate("POST", "/v3/chat", 200, "application/json", heard.done)
    assert heard.done.keys() == answer.keys()


@pytest.mark.parametrize("platform", ["openai", "anthropic"])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_platforms_own_route_asks_that_platform_alone(
    healthy: httpx2.AsyncClient, simulators: Simulators, platform: str, *, stream: bool
) -> None:
    """The same body and answer, the platform fixed."""
    if stream:
        answer = (await listen(healthy, path=f"/v3/{platform}/chat")).done
    else:
        answer = await chat(healthy, f"/v3/{platform}/chat")
    assert answer["platform"] == platform
    assert {request.platform for request in await simulators.requests()} == {platform}


async def test_a_platforms_own_route_contradicted_by_the_body_is_refused(
    healthy: httpx2.AsyncClient, simulators: Simulators
) -> None:
    """Neither of two answers to one question is guessed."""
    body = {"message": "hi", "platform": "anthropic"}
    answer = await healthy.post("/v3/openai/chat", json=body)
    assert answer.status_code == 422
    assert [e["pointer"] for e in answer.json()["errors"]] == ["/platform"]
    assert await simulators.requests() == []


async def test_a_dry_run_decides_and_calls_nobody(
    healthy: httpx2.AsyncClient, simulators: Simulators
) -> None:
    """What would happen, with its reasons, for free."""
    body = {"message": MESSAGE, "platform": "anthropic", "fallback_platforms": ["openai"]}
    answer = await healthy.post("/v3/platforms/route", json={**body, "dry_run": True})
    assert answer.status_code == 200
    assert answer.json().keys() == {"decision"}
    decision = answer.json()["decision"]
    assert decision["chosen"] == "anthropic"
    assert [attempt["platform"] for attempt in decision["plan"]] == ["anthropic", "openai"]
    assert await simulators.requests() == []


async def test_route_without_dry_run_answers_over_the_named_platform(
    healthy: httpx2.AsyncClient,
) -> None:
    """As /v3/chat does, with the platform explicit."""
    assert (await chat(healthy, "/v3/platforms/route", platform="anthropic"))[
        "platform"
    ] == "anthropic"


@pytest.mark.parametrize(
    "strategy", ["cost_optimized", "latency", "capability", "balanced", "adaptive"]
)
async def test_every_strategy_answers_and_says_which_it_was(
    healthy: httpx2.AsyncClient, strategy: str
) -> None:
    """Whatever is wanted most, the customer gets an answer."""
    answer = await chat(healthy, strategy=strategy)
    assert answer["decision"]["strategy"] == strategy
    assert answer["text"]


async def test_feedback_moves_what_adaptive_believes(healthy: httpx2.AsyncClient) -> None:
    """A bad word about an answer lowers what is believed of whom it came from, for a later question."""
    first = (await chat(healthy, strategy="adaptive"))["decision"]
    path = f"/v3/decisions/{first['id']}/feedback"

    async with asyncio.timeout(LEARNED_S):
        # The answer is booked with the next report of the process that gave it.
        while (said := await healthy.post(path, json={"quality": 0.0})).status_code != 200:
            assert said.json()["code"] in {"not_answered", "not_found"}
            await asyncio.sleep(0.1)
        assert said.json()["teaches"] is True
        while True:
            decision = (await chat(healthy, strategy="adaptive"))["decision"]
            (quality,) = (
                candidate["quality"]
                for candidate in decision["candidates"]
                if f"{candidate['platform']}/{candidate['model']}" == said.json()["target"]
            )
            if quality["believed"] < quality["predicted"]:
                break
            await asyncio.sleep(0.1)


async def test_the_cheapest_platform_is_the_cheapest(healthy: httpx2.AsyncClient) -> None:
    """cost_optimized chooses the candidate whose expected cost is least."""
    decision = (await chat(healthy, strategy="cost_optimized"))["decision"]
    eligible = [c for c in decision["candidates"] if c["eligible"]]
    assert len(eligible) >= 2
    cheapest = min(eligible, key=lambda candidate: candidate["expected_cost_usd"])
    assert decision["chosen"] == cheapest["platform"]


@pytest.mark.parametrize("platform", ["openai", "anthropic"])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_named_fallback_takes_over_where_the_first_fails(
    healthy: httpx2.AsyncClient, simulators: Simulators, platform: str, *, stream: bool
) -> None:
    """The customer reads one answer; `attempts` tells the story."""
    await simulators.script(platform, {"kind": "status", "status": 500})
    body: dict[str, Any] = {"platform": platform, "fallback_platforms": [OTHER[platform]]}
    answer = (await listen(healthy, body)).done if stream else await chat(healthy, **body)
    assert answer["platform"] == OTHER[platform]
    assert [(a["platform"], a["outcome"]) for a in answer["attempts"]] == [
        (platform, "overloaded"),
        (OTHER[platform], "ok"),
    ]


async def test_a_fixed_platform_without_fallback_is_not_replaced(
    healthy: httpx2.AsyncClient, simulators: Simulators
) -> None:
    """It is asked once more, and then the failure is told: 503 with every attempt and its reason."""
    await simulators.script("openai", {"kind": "status", "status": 500, "times": 2})
    answer = await healthy.post("/v3/chat", json={"message": "hi", "platform": "openai"})
    assert (answer.status_code, answer.json()["code"]) == (503, "no_platform_available")
    assert [a["outcome"] for a in answer.json()["attempts"]] == ["overloaded"] * 2
    assert int(answer.headers["retry-after"]) >= 1
    assert {r.platform for r in await simulators.requests()} == {"openai"}


async def test_the_money_a_caller_allows_is_never_exceeded(healthy: httpx2.AsyncClient) -> None:
    """The least that was said to pass does pass, and an answer too long for it is cut."""
    refused = await healthy.post(
        "/v3/chat", json={"message": MESSAGE, "requirements": {"max_cost": 0.0001}}
    )
    least = re.search(r"would pass with ([0-9.]+)", refused.json()["detail"])
    assert least is not None, refused.text
    limit = float(least[1])
    answer = await chat(healthy, requirements={"max_cost": limit})
    assert answer["cost_usd"] <= limit
    assert answer["usage"]["output_tokens"] <= 16
    assert answer["finish_reason"] == "length"


async def test_a_caller_who_asks_for_few_tokens_gets_few(healthy: httpx2.AsyncClient) -> None:
    """And reads that the answer was cut by his own limit."""
    answer = await chat(healthy, max_tokens=16)
    assert answer["finish_reason"] == "length"
    assert answer["usage"]["output_tokens"] <= 16


async def test_the_time_a_caller_allows_is_kept(
    healthy: httpx2.AsyncClient, simulators: Simulators
) -> None:
    """Everybody hangs; the refusal comes when the caller's time is over, not at ours."""
    await simulators.script("*", {"kind": "slow", "delay_ms": 60_000, "times": -1})
    body = {
        "message": MESSAGE,
        "platform": "openai",
        "fallback_platforms": ["anthropic"],
        "requirements": {"max_latency_ms": 2500},
    }
    async with asyncio.timeout(15):
        answer = await healthy.post("/v3/chat", json=body)
    assert (answer.status_code, answer.json()["code"]) == (504, "deadline_exceeded")


@pytest.mark.parametrize("stream", [False, True])
async def test_a_caller_who_hangs_up_ends_the_platforms_call(
    healthy: httpx2.AsyncClient, simulators: Simulators, *, stream: bool
) -> None:
    """Tokens nobody reads are not paid for."""
    await simulators.script("openai", {"kind": "slow", "delay_ms": 30_000})
    body = {"message": MESSAGE, "platform": "openai", "stream": stream}
    # On a connection that was used before, as clients do it (flags.py: what HAProxy made of that).
    asking = asyncio.create_task(healthy.post("/v3/chat", json=body))
    async with asyncio.timeout(10):
        while not await simulators.requests(settled_within_s=0):  # noqa: ASYNC110  another process
            await asyncio.sleep(0.05)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    [request] = await simulators.requests(settled_within_s=9.0)
    assert request.cancelled


async def test_callers_who_hang_up_in_company_take_nobody_elses_answer_along(
    healthy: httpx2.AsyncClient, simulators: Simulators
) -> None:
    """Requests that share a call to the replica are cancelled one by one."""
    await simulators.script("openai", {"kind": "slow", "delay_ms": 4_000, "times": 12})
    body = {"message": MESSAGE, "platform": "openai"}
    asking = [asyncio.create_task(healthy.post("/v3/chat", json=body)) for _ in range(12)]
    async with asyncio.timeout(10):
        while len(await simulators.requests(settled_within_s=0)) < 12:  # noqa: ASYNC110  another process
            await asyncio.sleep(0.05)
    for leaving in asking[::2]:
        leaving.cancel()
    answers = await asyncio.gather(*asking[1::2])
    assert [answer.status_code for answer in answers] == [200] * 6
    requests = await simulators.requests(settled_within_s=9.0)
    assert sorted((r.completed, r.cancelled) for r in requests) == [
        *[(False, True)] * 6,
        *[(True, False)] * 6,
    ]


async def test_impossible_requirements_name_every_violated_limit(
    healthy: httpx2.AsyncClient, simulators: Simulators
) -> None:
    """Each with a pointer and the least that would help, and nobody is called."""
    limits = {"max_cost": 1e-9, "max_latency_ms": 1, "regions": ["antarctica"], "min_quality": 1.0}
    body = {"message": MESSAGE, "platform": "openai", "fallback_platforms": ["anthropic"]}
    answer = await healthy.post("/v3/chat", json={**body, "requirements": limits})
    assert (answer.status_code, answer.json()["code"]) == (422, "requirements_impossible")
    errors = {e["pointer"]: e["message"] for e in answer.json()["errors"]}
    assert errors.keys() == {f"/requirements/{name}" for name in limits}
    assert all("would pass with" in message for message in errors.values())
    assert await simulators.requests() == []


async def test_impossible_requirements_of_a_stream_are_its_one_event(
    healthy: httpx2.AsyncClient,
) -> None:
    """A stream that cannot begin still says why, in the same document."""
    heard = await listen(healthy, {"requirements": {"max_cost": 1e-9}})
    problem = heard.events[-1][1]
    assert heard.names in (["error"], ["problem"])
    assert (problem["status"], problem["code"]) == (422, "requirements_impossible")


async def test_an_empty_list_of_fallbacks_means_nobody_else(healthy: httpx2.AsyncClient) -> None:
    """It is a wish like any other, not the absence of one."""
    free = await healthy.post("/v3/chat", json={"message": MESSAGE, "fallback_platforms": []})
    assert len(free.json()["decision"]["plan"]) == 1
