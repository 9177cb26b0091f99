"""What a customer writes is on no disk and in no Redis in clear, and is still remembered after a restart."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from tests.product import Product, running
from tests.redis_servers import RedisServer, need, redis_server

pytestmark = pytest.mark.timeout(600)

CUSTOMER = "customer-7fa1c3"
# Words that no rule takes for personal data: what hides them is the sealing alone.
CANARY = "the seventeenth heron of lake Balaton"
TRIES = 10
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
"""


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    need()
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


def files_with(home: Path, words: str) -> list[str]:
    """Files of the data directory in which the words stand: the database, its journal, logs, the audit."""
    return [
        str(path.relative_to(home))
        for path in home.rglob("*")
        if path.is_file() and words.encode() in path.read_bytes()
    ]


async def say(product: Product, text: str, **more: str) -> dict[str, str]:
    """A customer's message and its answer."""
    async with product.http() as http:
        asked = {"message": text, "user_id": CUSTOMER, **more}
        answer = await http.post("/v3/chat", json=asked)
        assert answer.status_code == 200, answer.text
        found: dict[str, str] = answer.json()
        return found


async def test_a_customers_words_are_kept_sealed_and_remembered_after_a_restart(
    redis: RedisServer, tmp_path: Path
) -> None:
    config = tmp_path / "supportmax.yaml"
    config.write_text(CONFIGURATION.format(url=redis.url))
    with tempfile.TemporaryDirectory(prefix="sm-", dir="/tmp") as folder:
        home = Path(folder)
        with running(config, home=home) as product:
            first = await say(product, f"Please remember {CANARY}.")
            named = {"conversation_id": first["conversation_id"]}
            for _ in range(TRIES):
                # On busy cores Redis may have been too slow for an answer, which then does without.
                if CUSTOMER in redis.everything():
                    break
                await say(product, "And then?", **named)
            async with product.http() as http:
                item = {"type": "message", "role": "user", "content": f"Once more: {CANARY}"}
                made = await http.post(
                    "/v1/conversations", json={"metadata": {"about": CANARY}, "items": [item]}
                )
                assert made.status_code == 200, made.text
            assert CUSTOMER in redis.everything()
            assert CANARY not in redis.everything()
            assert files_with(home, CUSTOMER), "the look itself finds what there is"
            assert files_with(home, CANARY) == []
        assert files_with(home, CANARY) == []
        with running(config, home=home) as product:
            await say(product, "What was it that I asked you to remember?", **named)
            asked = await product.simulators.requests()
            assert CANARY in orjson.dumps([request.body for request in asked]).decode()
            async with product.http() as http:
                items = await http.get(f"/v1/conversations/{made.json()['id']}/items")
                assert CANARY in items.text
                kept = await http.get(f"/v1/conversations/{made.json()['id']}")
                assert kept.json()["metadata"] == {"about": CANARY}
            assert files_with(home, CANARY) == []
