"""A product whose conversations are held at hand in a Redis that wants a password."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.integration.talk import MESSAGE
from tests.product import Product, running
from tests.redis_servers import RedisServer, need, redis_server

pytestmark = pytest.mark.timeout(300)

# What must be found nowhere afterwards: unlike any other text on this machine.
CUSTOMER, CANARY = "customer-5d1b8e", "canary-c04f77a2"
TRIES = 10
PASSWORD = "a-password-of-the-tests"  # noqa: S105
CONFIGURATION = """\
platforms:
  openai:
    simulated: true
    model: gpt-6-luna
mcp:
  servers:
    memory: {{enabled: true, backend: redis}}
redis:
  urls: ["{url}"]
  password: ${{REDIS_PASSWORD}}
"""


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    need()
    with redis_server(tmp_path_factory.mktemp("redis"), password=PASSWORD) as server:
        yield server


@pytest.fixture(scope="module")
def remembering(redis: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    path = tmp_path_factory.mktemp("configuration") / "supportmax.yaml"
    path.write_text(CONFIGURATION.format(url=redis.url))
    secret = path.with_name("redis.password")
    secret.write_text(PASSWORD)
    secret.chmod(0o600)
    with running(path, environment={"REDIS_PASSWORD_FILE": str(secret)}) as product:
        yield product


def found_in(file: Path) -> list[str]:
    """The tables that have the customer's id or words in any row."""
    with closing(sqlite3.connect(file)) as connection:
        tables = [
            name
            for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type='table'")
        ]
        rows = (
            (name, str(row))
            for name in tables
            for row in connection.execute(f'SELECT * FROM "{name}"')  # noqa: S608  our own tables
        )
        return [name for name, row in rows if CUSTOMER in row or CANARY in row]


async def test_a_conversation_is_held_in_redis_survives_it_and_is_erased_from_it(
    remembering: Product, redis: RedisServer
) -> None:
    """One life of a customer's memory; each part rests on the one before."""
    asked = {"message": f"{MESSAGE} {CANARY}", "user_id": CUSTOMER}
    path = f"/v3/memory/{CUSTOMER}"
    async with remembering.http() as http:
        first = (await http.post("/v3/chat", json=asked)).json()
        going_on = asked | {"conversation_id": first["conversation_id"]}
        said = 1
        # On busy cores Redis may have been too slow for an answer, which then does without.
        while said < TRIES and CUSTOMER not in redis.everything():
            second = (await http.post("/v3/chat", json=going_on)).json()
            assert second["conversation_id"] == first["conversation_id"]
            said += 1
        assert CUSTOMER in redis.everything()

        redis.kill()
        third = await http.post("/v3/chat", json=going_on)
        assert third.status_code == 200, third.text
        assert (await http.get("/readyz")).status_code == 200
        assert "memory_cache" in third.json()["degraded"]
        redis.start()

        known = (await http.get(path)).json()
        assert [row["id"] for row in known["conversations"]] == [first["conversation_id"]]
        assert known["conversations"][0]["turns"] == 2 * said + 2

        erased = (await http.delete(path)).json()
        assert erased["complete"], erased
        assert erased["erased"]["turns"] == 2 * said + 2
        assert CUSTOMER not in redis.everything()
        assert (await http.get(path)).json()["conversations"] == []
        assert set(found_in(remembering.home / "supportmax.sqlite")) == set()
        gone = await http.post("/v3/chat", json=going_on)
        assert gone.status_code == 404
