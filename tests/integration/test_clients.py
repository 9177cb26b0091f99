"""Plain scripts beside the running product: another folder, an address, the file of a key, no more."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import anyio
import httpx2
import pytest

from tests.product import REPOSITORY, Product
from tests.servers import Simulators

SCRIPT = '''
import asyncio, json, sys
from deployments.clients import ClaudeIntegration, CopilotStudio, Done, UnifiedAgent, VertexAIAgent

def find_order(order: str) -> dict[str, str]:
    """Find an order by its number."""
    return {"order": order, "state": "shipped"}

told = {}
claude = ClaudeIntegration(model="claude-3-opus-20240229").process_with_tools(
    [{"role": "user", "content": "Where are A-17 and B-18?"}], [find_order]
)
told["claude"] = [claude.text, claude.model, claude.platform, claude.rounds, claude.cost_usd]
told["results"] = [
    block["content"] for turn in claude.messages for block in turn["content"]
    if not isinstance(block, str) and block["type"] == "tool_result"
]

contents = [{"role": "user", "parts": [{"text": "Where is A-17?"}]}]
vertex = VertexAIAgent("my-project", "us-central1")
asked = vertex.generate_content(contents, [find_order])
[call] = asked.function_calls
told["call"] = [call.name, call.args]
result = {"name": call.name, "response": find_order(**call.args)}
contents += [asked.content, {"role": "user", "parts": [{"function_response": result}]}]
done = vertex.generate_content(contents, [find_order])
told["vertex"] = [done.text, done.model, done.usage.output_tokens]

agent = UnifiedAgent(platform="auto", fallback_platforms=["openai", "anthropic"])
message, context = "I was charged twice in November.", {"user_id": "user_123"}
answer = agent.process(message, context)
told["sync"] = [
    answer.text, answer.platform, answer.cost_usd, answer.citations[0].id, answer.decision.chosen
]
told["async"] = asyncio.run(agent.aprocess(message, context)).text
told["stream"] = [type(event).__name__ for event in agent.stream(message, context)]

copilot = CopilotStudio("00000000-0000-4000-8000-00000c0b1107")
first = copilot.send_activity("user_123", "I bought a kettle.")
second = copilot.send_activity("user_123", "I want to talk to a person")
told["copilot"] = [
    first.conversation_id == second.conversation_id, second.handoff.reason, second.text
]
told["loaded"] = sorted({"ray", "starlette", "openai"} & set(sys.modules))
print(json.dumps(told))
'''
TWO_CALLS = {
    "kind": "tool_calls",
    "calls": [
        {"name": "find_order", "arguments": {"order": "A-17"}},
        {"name": "find_order", "arguments": {"order": "B-18"}},
    ],
}
ONE_CALL = {"kind": "tool_calls", "calls": TWO_CALLS["calls"][:1]}


async def run(product: Product, folder: Path, script: str) -> str:
    """What a script prints that knows where the product is and which file holds the key."""
    environment = {
        "PATH": os.environ["PATH"],
        "SUPPORTMAX_URL": product.address,
        "SUPPORTMAX_API_KEY_FILE": str(product.home / "admin.key"),
    }

    def done() -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-W", "error::ResourceWarning", "-c", script],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    finished = await anyio.to_thread.run_sync(done)
    assert finished.returncode == 0, finished.stderr
    assert "ResourceWarning" not in finished.stderr
    return finished.stdout


@pytest.mark.usefixtures("healthy")
async def test_a_plain_script_uses_every_client(
    product: Product, simulators: Simulators, tmp_path: Path
) -> None:
    """Tools, a conversation, a stream, a handoff; and nothing of the service is imported for it."""
    await simulators.script("anthropic", TWO_CALLS)
    await simulators.script("google_vertex", ONE_CALL)
    told = json.loads(await run(product, tmp_path, SCRIPT))
    text, model, platform, rounds, cost_usd = told["claude"]
    assert (model, platform, rounds) == ("claude-sonnet-5-5", "anthropic", 2)
    assert text
    assert cost_usd > 0
    assert [json.loads(one)["order"] for one in told["results"]] == ["A-17", "B-18"]
    assert told["call"] == ["find_order", {"order": "A-17"}]
    assert told["vertex"][0]
    assert told["vertex"][1].startswith("gemini")
    assert told["vertex"][2] > 0
    text, platform, cost_usd, cited, chosen = told["sync"]
    assert f"[{cited}]" in text
    assert platform == chosen
    assert cost_usd > 0
    assert told["async"]
    assert told["stream"][:2] == ["Decided", "Grounded"]
    assert told["stream"][-1] == "Done"
    is_same, reason, text = told["copilot"]
    assert is_same
    assert reason == "Escalate"
    assert text
    assert told["loaded"] == []


@pytest.mark.usefixtures("healthy")
async def test_copilots_conversation_goes_on_across_calls(
    product: Product, simulators: Simulators, http: httpx2.AsyncClient
) -> None:
    """The second message is the only thing the agent is told."""
    asked = {"message": "I bought a kettle.", "user_id": "user_7"}
    first = (await http.post("/v3/microsoft/copilot", json=asked)).json()
    going_on = {
        "message": "May I return it?",
        "user_id": "user_7",
        "conversation_id": first["conversation_id"],
    }
    second = await http.post("/v3/microsoft/copilot", json=going_on)
    assert second.status_code == 200, second.text
    bodies = [one.body for one in await simulators.requests() if one.platform == "copilot"]
    texts = [body["text"] for body in bodies if body and "text" in body]
    assert texts == ["I bought a kettle.", "May I return it?"]


@pytest.mark.usefixtures("healthy")
async def test_the_snippets_of_the_page_about_clients_run(product: Product, tmp_path: Path) -> None:
    """What people copy works, one after another."""
    page = (REPOSITORY / "docs" / "clients.md").read_text()
    snippets = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(snippets) >= 5
    for snippet in snippets:
        assert (await run(product, tmp_path, snippet)).strip()
