"""Settings of platforms changed over HTTP in the whole product: hot, everywhere, and put back."""

import asyncio
import json
import os
import re
import sqlite3
import sys
from collections.abc import AsyncIterator
from subprocess import STDOUT
from typing import Any

import anyio
import httpx2
import pytest

from deployments.boot import Boot
from deployments.replay import again
from tests.integration.talk import MESSAGE, Heard, listen_into
from tests.product import Product
from tests.servers import Simulators

PATH = "/admin/platforms/configure"
ONE, OTHER = "gpt-6.1-terra", "gpt-6-luna"
# Two seconds are promised; a machine on which others work needs several times that.
HEALED_S = 60.0
CANARY = "sk-canary-4be1f08a77c3d5926e10"


@pytest.fixture
async def unchanged(healthy: httpx2.AsyncClient) -> AsyncIterator[httpx2.AsyncClient]:
    """A product whose platforms are as the files say, before and afterwards."""
    await configure(healthy, {"restore": 0})
    yield healthy
    await configure(healthy, {"restore": 0})


async def configure(http: httpx2.AsyncClient, body: dict[str, Any]) -> Any:
    """The change that was made, once every process works with it."""
    answer = await http.post(PATH, json=body)
    assert answer.status_code == 200, answer.text
    made = answer.json()
    return made if made["in_force"] else {**made, **await in_force(http, made["version"])}


async def in_force(http: httpx2.AsyncClient, version: int) -> dict[str, Any]:
    """What is said of it then; on busy cores that may be later than the answer to the change."""
    with anyio.fail_after(HEALED_S):
        while not (shown := (await http.get(PATH)).json())["in_force"]:  # noqa: ASYNC110  asked over HTTP
            await anyio.sleep(0.2)
    assert shown["version"] == version
    return {name: shown[name] for name in ("in_force", "waiting_for")}


def catalogue_of(product: Product, decision: str) -> str:
    with sqlite3.connect(product.home / "supportmax.sqlite") as connection:
        query = "SELECT body FROM decision WHERE id = ?"
        body = json.loads(connection.execute(query, (decision,)).fetchone()[0])
    return str(body["world"]["catalog"])


async def model_of(http: httpx2.AsyncClient) -> str:
    answer = await http.post("/v3/openai/chat", json={"message": MESSAGE})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["model"])


async def test_a_model_is_changed_under_a_stream_and_fifty_answers_and_none_of_them_breaks(
    product: Product, unchanged: httpx2.AsyncClient, simulators: Simulators
) -> None:
    """What was begun ends with the old model, what comes next is the new one's, and both decisions replay."""
    http = unchanged
    assert await model_of(http) == ONE
    # They last for longer than a change takes to be in force on busy cores.
    await simulators.script("openai", {"kind": "slow", "chunk_delay_ms": 1_000, "times": 51})
    heard = Heard()
    body = {"message": MESSAGE, "platform": "openai", "fallback_platforms": []}
    async with anyio.create_task_group() as group:
        group.start_soon(listen_into, heard, http, body)
        under_way = [asyncio.create_task(http.post("/v3/chat", json=body)) for _ in range(50)]
        with anyio.fail_after(HEALED_S):
            while "delta" not in heard.names:  # noqa: ASYNC110  another process
                await anyio.sleep(0.02)
        made = await configure(http, {"platform": "openai", "changes": {"model": OTHER}})
        assert "done" not in heard.names, "the stream was over before the change"
    answers = await asyncio.gather(*under_way)
    assert [answer.status_code for answer in answers] == [200] * 50
    heard.assert_honest()
    assert heard.done["model"] == ONE
    assert made["diff"] == [{"key": "platforms.openai.model", "before": ONE, "after": OTHER}]
    assert (made["in_force"], made["waiting_for"]) == (True, [])
    await simulators.clear()
    fresh = await http.post("/v3/openai/chat", json={"message": MESSAGE})
    assert fresh.json()["model"] == OTHER
    assert (await http.get("/v3/platforms/status")).json()["settings_version"] == made["version"]
    worlds = set()
    for decision in (heard.done["decision"]["id"], fresh.json()["decision"]["id"]):
        assert await again(Boot(product.home, "development"), "northwind", decision)
        worlds.add(catalogue_of(product, decision))
    assert len(worlds) == 2, "two catalogues, each by its own name"


async def test_replicas_that_die_start_with_the_newest_version(
    product: Product, unchanged: httpx2.AsyncClient
) -> None:
    """An ingress and a platform's process are killed; nothing comes back from the files."""
    http = unchanged
    made = await configure(http, {"platform": "openai", "changes": {"model": OTHER}})
    for deployment in ("platform-openai", "ingress"):
        for replica in product.replicas(deployment):
            replica.kill()
    with anyio.fail_after(HEALED_S):
        while True:
            try:
                status = await http.get("/v3/platforms/status")
                answer = await http.post("/v3/openai/chat", json={"message": MESSAGE})
            except httpx2.HTTPError:
                continue
            if status.status_code == answer.status_code == 200:
                break
            await anyio.sleep(0.2)
    assert status.json()["settings_version"] == made["version"]
    assert answer.json()["model"] == OTHER
    shown = (await http.get(PATH)).json()
    row = next(row for row in shown["platforms"] if row["name"] == "openai")
    assert row["changed"] == {"model": OTHER}


async def test_a_platform_that_is_switched_off_is_asked_no_more_and_comes_back(
    unchanged: httpx2.AsyncClient,
) -> None:
    """And so does every earlier version, by its number."""
    http = unchanged
    off = await configure(http, {"platform": "openai", "changes": {"enabled": False}})
    refused = await http.post("/v3/openai/chat", json={"message": MESSAGE})
    assert refused.status_code == 422, refused.text
    assert (await http.post("/v3/chat", json={"message": MESSAGE})).status_code == 200
    back = await configure(http, {"restore": off["version"] - 1})
    assert back["version"] == off["version"] + 1
    assert await model_of(http) == ONE
    again = await configure(http, {"restore": off["version"]})
    assert again["diff"] == off["diff"]
    listed = [row["restored"] for row in (await http.get(PATH)).json()["history"][:3]]
    assert listed == [off["version"], off["version"] - 1, None]


async def test_a_key_that_somebody_writes_among_the_changes_is_kept_nowhere(
    product: Product, unchanged: httpx2.AsyncClient
) -> None:
    """Neither as a key, which is not changed this way, nor in the place of a model's name."""
    for changes in ({"api_key": CANARY}, {"model": CANARY}, {"models": [{"model": CANARY}]}):
        body = {"platform": "openai", "changes": changes}
        assert (await unchanged.post(PATH, json=body)).status_code == 422
    assert CANARY not in (await unchanged.get(PATH)).text
    assert CANARY not in (await unchanged.get("/v3/audit")).text
    holding = [
        path
        for path in product.home.rglob("*")
        if path.is_file() and CANARY.encode() in path.read_bytes()
    ]
    assert holding == []


async def test_the_command_line_changes_what_runs_and_the_log_has_it_before_it_is_made(
    product: Product, unchanged: httpx2.AsyncClient
) -> None:
    """Over HTTP with the key: 409 for a version that was not looked at, and a history of all."""

    async def supportmax(*arguments: str) -> tuple[int, str]:
        environment = {**os.environ, "SUPPORTMAX_URL": product.address}
        environment["SUPPORTMAX_HOME"] = str(product.home)
        command = (sys.executable, "-m", "deployments.cli", "platforms", *arguments)
        done = await anyio.run_process(command, env=environment, check=False, stderr=STDOUT)
        return done.returncode, done.stdout.decode()

    async def made(*arguments: str) -> str:
        """What is said of a change, which is in force then: of who is late it has no word yet."""
        status, said = await supportmax(*arguments)
        version = re.match(r"version (\d+)\n", said)
        assert version is not None, said
        late = [line for line in said.splitlines() if line.startswith("not in force in ")]
        assert all(line.endswith(": no word yet") for line in late), said
        assert status == (1 if late else 0), said
        await in_force(unchanged, int(version[1]))
        return said

    change = ("configure", "openai", f"model={OTHER}", "timeout_s=50")
    status, said = await supportmax(*change, "--dry-run")
    assert (status, "(not made)" in said) == (0, True), said
    assert await model_of(unchanged) == ONE
    said = await made(*change)
    assert f'platforms.openai.model: "{ONE}" -> "{OTHER}"' in said
    assert await model_of(unchanged) == OTHER
    status, said = await supportmax(*change, "--expected-version", "0")
    assert (status, "settings_changed" in said) == (1, True), said
    status, said = await supportmax("history", "--limit", "2")
    assert f'platforms.openai.model: "{ONE}" -> "{OTHER}"' in said
    await made("restore", "0")
    query = {"action": f"POST {PATH}", "limit": "100"}
    with anyio.fail_after(HEALED_S):
        while True:
            records = (await unchanged.get("/v3/audit", params=query)).json()["records"]
            begun = [row["request_id"] for row in records if row["outcome"] == "begun"]
            done = [row["request_id"] for row in records if row["outcome"] == "done"]
            if len(done) >= 3:
                break
            await anyio.sleep(0.2)
    assert set(done) <= set(begun)
    shown = (await unchanged.get(PATH)).json()["history"]
    assert {row["request"] for row in shown[:2]} <= set(begun)
