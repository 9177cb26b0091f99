"""The product over a PostgreSQL: the same promises, and no file of its own."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from actors.database import Accounts, open_database
from actors.database.address import Server
from config.loader import SHIPPED
from routing.clock import SystemClock
from tests.integration.talk import whole
from tests.postgresql import GUARDED, PASSWORD, Postgres
from tests.product import Product, running

pytestmark = pytest.mark.timeout(400)

_THERE = text("SELECT to_regclass('kb_vector')")
RAY_LOGS = Path("/tmp/ray/session_latest/logs")  # noqa: S108  where Ray puts them


@pytest.fixture(scope="module")
def server(postgres: Postgres) -> Server:
    return postgres.new()


@pytest.fixture(scope="module")
def product(
    postgres: Postgres, server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Product]:
    config = tmp_path_factory.mktemp("config") / "database.yaml"
    config.write_text(
        f"database:\n  url: postgresql://{GUARDED}@127.0.0.1:{postgres.port}/{server.name}\n"
        "  password: ${DB_PASSWORD}\n  tls: off\n"
        "mcp:\n  servers:\n    knowledge: {embedder: openai, index: pgvector}\n"
    )
    others = [path for path in SHIPPED if path.name != "mcp_config.yaml"]
    with running(*others, config, environment={"DB_PASSWORD": PASSWORD}) as product:
        yield product


async def test_questions_are_answered_from_rows_on_a_server(product: Product) -> None:
    assert not (product.home / "supportmax.sqlite").exists()
    question = {"message": "I was charged twice in November.", "user_id": "user_123"}
    async with product.http() as client:
        first = (await client.post("/v3/chat", json=question)).json()
        assert {citation["source"] for citation in first["citations"]} >= {"vector_store"}
        more = {**question, "conversation_id": first["conversation_id"], "message": "And now?"}
        second = (await client.post("/v3/chat", json=more)).json()
        assert second["conversation_id"] == first["conversation_id"]
        key = {"Idempotency-Key": "once"}
        both = await asyncio.gather(
            *(client.post("/v3/chat", json=question, headers=key) for _ in range(2))
        )
        texts = {answer.json()["id"] for answer in both if answer.status_code == 200}
        assert len(texts) == 1
        asked = {"query": "my invoices", "user_id": "user_123"}
        found = await in_full(client, asked)
        assert "database" in {passage["source"] for passage in found["passages"]}


async def test_vectors_of_a_platform_stay_in_the_database_and_are_booked(
    product: Product, server: Server
) -> None:
    """The articles' at first, the questions' with each question; all by the simulator, which says so."""
    database = open_database(server)
    ask = text("SELECT count(*) FROM kb_vector")
    spent = text(
        "SELECT count(*), sum(input_tokens) FROM ledger WHERE target LIKE '%embedding%' AND simulated"
    )
    async with product.http() as client:
        async with asyncio.timeout(120):
            # Another process writes, and wakes nobody.
            while not await database.read(lambda c: c.scalar(_THERE) and c.scalar(ask)):  # noqa: ASYNC110
                await asyncio.sleep(0.5)
        count, tokens = await database.read(lambda c: c.execute(spent).one())
        assert tokens > 1_000
        asked = {"query": "why was my card charged twice", "user_id": "user_123"}
        async with asyncio.timeout(60):
            # Until the replica has heard of the index with vectors, words find it and nothing is booked.
            while (await database.read(lambda c: c.execute(spent).one()))[0] == count:
                assert (await client.post("/v3/mcp/context", json=asked)).json()["passages"]
        assert (await in_full(client, asked))["passages"]
    await database.aclose()


async def test_while_its_server_is_away_the_product_says_so_and_then_goes_on(
    product: Product, postgres: Postgres, server: Server
) -> None:
    asked = {"query": "charged twice, invoice", "user_id": "user_123"}
    async with product.http() as client:
        await in_full(client, asked)
    # Who asks is known for some seconds without a look, which a key that is new begins with.
    async with product.http(await key_of(server)) as client:
        known = await client.post("/v3/mcp/context", json=asked)
        assert known.status_code == 200, known.text
        await asyncio.to_thread(postgres.stop)
        try:
            # Articles need no row.
            away = await client.post("/v3/mcp/context", json=asked)
            assert away.status_code == 200, away.text
            assert "database" in away.json()["degraded"]
            assert "vector_store" not in away.json()["degraded"]
            assert away.json()["passages"]
        finally:
            await asyncio.to_thread(postgres.start)
        await in_full(client, asked)
        answer = await client.post("/v3/chat", json={"message": "Hello", "user_id": "user_123"})
        assert answer.status_code == 200, answer.text


async def in_full(client: httpx2.AsyncClient, asked: object) -> Any:
    """The first context of which nothing is missing."""

    async def ask() -> httpx2.Response:
        return await client.post("/v3/mcp/context", json=asked)

    def missing(answer: httpx2.Response) -> object:
        return answer.text if answer.status_code != 200 else answer.json()["degraded"]

    return (await whole(ask, missing)).json()


async def key_of(server: Server) -> str:
    """An administrator's new key, made in the database."""
    database = open_database(server)
    made = await Accounts(database).create_key(
        "northwind", "test", frozenset({"admin"}), SystemClock().now()
    )
    await database.aclose()
    return made.secret


def test_no_process_shows_the_password(product: Product) -> None:
    """Neither in its arguments nor in what it printed."""
    for process in product.processes():
        assert PASSWORD not in process.title
    assert PASSWORD not in product.said
    logs = [path for path in RAY_LOGS.rglob("*") if path.is_file()]
    for path in logs:
        assert PASSWORD.encode() not in path.read_bytes(), path
