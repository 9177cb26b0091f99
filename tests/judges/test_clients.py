"""Clients that others wrote talk to our simulators, each in an environment of its own.

What they understand is what the vendors say; a simulator that is kinder or stricter than
its vendor would be found out by them and not by the adapter that was written against it.
"""

import asyncio
import json
import subprocess
from typing import Any

import pytest

from tests.judges.judge import HERE, REPOSITORY, program
from tests.servers import Simulators

# Of which Google's client takes most to import.
pytestmark = pytest.mark.timeout(120)
CLIENT_S = 100.0

AGENT = "projects/shop/locations/us-central1/reasoningEngines/42"


async def run(judge: str, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What a client said, and how it ended."""
    python = program(REPOSITORY / f".judges/{judge}/bin/python")
    command = [python, str(HERE / script), *arguments]
    return await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=CLIENT_S, check=False
    )


async def direct_line(simulators: Simulators, secret: str, *questions: str) -> dict[str, Any]:
    """What directline-client heard from the agent."""
    endpoint = simulators.address("copilot_studio") + "/v3/directline"
    done = await run("direct-line", "direct_line_client.py", endpoint, secret, *questions)
    assert done.returncode == 0, done.stderr
    heard: dict[str, Any] = json.loads(done.stdout)
    return heard


async def test_directline_client_has_a_conversation_with_our_direct_line(
    simulators: Simulators,
) -> None:
    """It opens one, asks twice, and polls each answer once: watermarks move as it expects."""
    await simulators.clear()
    said = ({"kind": "text", "text": text} for text in ("Five days.", "Then write to us."))
    await simulators.script("copilot_studio", *said)
    heard = await direct_line(simulators, simulators.key, "How long does it take?", "And then?")
    assert heard["answers"] == ["Five days.", "Then write to us."]
    asked = [one.body for one in await simulators.requests() if one.body]
    assert [body["text"] for body in asked] == ["How long does it take?", "And then?"]


async def test_directline_client_is_turned_away_without_the_secret(simulators: Simulators) -> None:
    """The door is where the vendor has it: before the conversation."""
    heard = await direct_line(simulators, "somebody-else's", "Hello?")
    assert heard["conversation"] is None


async def test_googles_client_finds_our_agent_and_streams_its_answer(
    simulators: Simulators,
) -> None:
    """It learns the agent's methods from us, opens a session by one and asks by the other.

    A wrong token is its own error, with the vendor's status. One process hears all of it,
    because the import alone is 5 s of CPU.
    """
    await simulators.clear()
    answer = {"kind": "text", "text": "Ünï 🙂: five days.", "chunks": 4}
    # A session is no answer, but it takes its turn in the script.
    await simulators.script("google_vertex", {"kind": "text", "text": ""}, answer)
    arguments = (simulators.address("google_vertex"), simulators.key, AGENT, "How long?")
    done = await run("agent-engine", "agent_engine_client.py", *arguments)
    assert done.returncode == 0, done.stderr
    heard = json.loads(done.stdout)
    assert {"async_create_session", "async_stream_query"} <= set(heard["methods"])
    assert heard["session"]["userId"] == "user_123"
    texts = [event["content"]["parts"][0]["text"] for event in heard["events"]]
    assert "".join(texts) == "Ünï 🙂: five days."
    assert len(texts) == 4
    assert heard["refused"] == [401, "UNAUTHENTICATED"]
