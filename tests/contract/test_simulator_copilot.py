"""The simulator of Copilot Studio, driven by Microsoft's own client and by plain HTTP.

Whatever Microsoft's client believes here, an adapter may believe.
"""

from collections.abc import AsyncIterable, AsyncIterator
from typing import cast

import httpx2
import pytest
from aiohttp import ClientError, ClientSession
from microsoft_agents.activity import Activity
from microsoft_agents.copilotstudio.client import ConnectionSettings, CopilotClient

from tests.servers import Simulators

KNOWLEDGE = (
    '<passage id="kb-012" source="vector_store" title="Refunds">'
    "Refunds are paid within 14 days.</passage>\nWhen is my refund paid?"
)
COPILOT = "copilot_studio"


def microsofts_client(simulators: Simulators, token: str) -> CopilotClient:
    address = simulators.address(COPILOT)
    bot = f"{address}/copilotstudio/dataverse-backed/authenticated/bots/cr_support"
    settings = ConnectionSettings("", "", direct_connect_url=bot)
    return CopilotClient(settings, token)


async def said(activities: AsyncIterable[Activity]) -> list[Activity]:
    return [activity async for activity in activities]


@pytest.fixture
async def direct_line(simulators: Simulators) -> AsyncIterator[httpx2.AsyncClient]:
    """Direct Line with the secret."""
    headers = {"authorization": f"Bearer {simulators.key}"}
    root = f"{simulators.address(COPILOT)}/v3/directline"
    async with httpx2.AsyncClient(base_url=root, headers=headers, verify=False) as client:
        yield client


async def test_microsofts_client_is_greeted_and_answered(simulators: Simulators) -> None:
    """A conversation, an answer typed in pieces, and the message that says it whole."""
    client = microsofts_client(simulators, simulators.key)
    [hello] = await said(client.start_conversation())
    assert hello.text
    assert hello.text.startswith("Hello")
    *typed, last = await said(client.ask_question(KNOWLEDGE))
    assert last.text == "Refunds are paid within 14 days. [kb-012]"
    assert (last.type, {one.type for one in typed}) == ("message", {"typing"})
    assert "".join(one.text or "" for one in typed) == last.text
    assert last.conversation.id == hello.conversation.id


async def test_microsofts_client_sees_the_handoff(simulators: Simulators) -> None:
    """As an event with the agent's context."""
    client = microsofts_client(simulators, simulators.key)
    await said(client.start_conversation(emit_start_conversation_event=False))
    *_, event = await said(client.ask_question("May I speak with a human?"))
    assert (event.type, event.name) == ("event", "handoff.initiate")
    assert cast("dict[str, str]", event.value)["va-LastTopic"] == "Escalate"


async def test_microsofts_client_fails_where_microsoft_fails(simulators: Simulators) -> None:
    """A wrong token, a conversation nobody knows, a limit."""
    with pytest.raises(ClientError, match="401"):
        await said(microsofts_client(simulators, "wrong").start_conversation())
    client = microsofts_client(simulators, simulators.key)
    with pytest.raises(ClientError, match="404"):
        await said(client.ask_question("Hello?", "conv_unknown"))
    await said(client.start_conversation())
    await simulators.script(COPILOT, {"kind": "status", "status": 429})
    with pytest.raises(ClientError, match="429"):
        await said(client.ask_question("Hello?"))


async def test_direct_line_keeps_what_was_said_behind_watermarks(
    direct_line: httpx2.AsyncClient,
) -> None:
    """A client reads on from where it stopped; typing is not kept."""
    opened = (await direct_line.post("/conversations")).json()
    here = f"/conversations/{opened['conversationId']}/activities"
    message = {"type": "message", "from": {"id": "dl_1"}, "text": KNOWLEDGE}
    taken = (await direct_line.post(here, json=message)).json()
    first = (await direct_line.get(here, params={"watermark": "0"})).json()
    question, answer = first["activities"]
    assert (question["id"], question["from"]) == (taken["id"], {"id": "dl_1"})
    assert answer["text"] == "Refunds are paid within 14 days. [kb-012]"
    assert (answer["replyToId"], answer["from"]["role"]) == (taken["id"], "bot")
    after = (await direct_line.get(here, params={"watermark": first["watermark"]})).json()
    assert after == {"activities": [], "watermark": first["watermark"]}


async def test_direct_lines_socket_types_and_replays(direct_line: httpx2.AsyncClient) -> None:
    """Its address needs no header; with a watermark it begins with what was missed."""
    opened = (await direct_line.post("/conversations")).json()
    here = f"/conversations/{opened['conversationId']}"
    message = {"type": "message", "from": {"id": "dl_1"}, "text": KNOWLEDGE}
    kinds: list[str] = []
    async with ClientSession() as session, session.ws_connect(opened["streamUrl"]) as socket:
        assert (await socket.receive_str()) == ""
        await direct_line.post(f"{here}/activities", json=message)
        while kinds.count("message") < 2:
            frame = await socket.receive_json()
            kinds += [activity["type"] for activity in frame["activities"]]
    assert kinds == ["message", "typing", "typing", "typing", "message"]
    again = (await direct_line.get(here, params={"watermark": "w-1"})).json()
    async with ClientSession() as session, session.ws_connect(again["streamUrl"]) as socket:
        await socket.receive_str()
        [missed] = (await socket.receive_json())["activities"]
    assert missed["text"] == "Refunds are paid within 14 days. [kb-012]"


async def test_a_direct_line_token_opens_one_conversation_and_no_other(
    direct_line: httpx2.AsyncClient,
) -> None:
    """Tokens are for browsers; the secret never leaves the server."""
    first = (await direct_line.post("/tokens/generate")).json()
    other = (await direct_line.post("/conversations")).json()
    bearer = {"authorization": f"Bearer {first['token']}"}
    opened = await direct_line.post("/conversations", headers=bearer)
    assert opened.status_code == 201
    assert opened.json()["conversationId"] == first["conversationId"]
    refreshed = await direct_line.post("/tokens/refresh", headers=bearer)
    assert refreshed.json()["token"] != first["token"]
    refused = await direct_line.get(
        f"/conversations/{other['conversationId']}/activities", headers=bearer
    )
    assert refused.status_code == 403
    wrong = await direct_line.post("/conversations", headers={"authorization": "Bearer wrong"})
    assert (wrong.status_code, set(wrong.json()["error"])) == (401, {"code", "message"})
