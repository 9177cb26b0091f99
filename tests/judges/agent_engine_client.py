"""Talk to an agent of Agent Engine through Google's own client, in its own environment.

Arguments: the base URL, an access token, the agent's name and a question. Prints as JSON
the methods it was offered, the session it was given, the events of the answer, and what
a wrong token comes to.
"""

import asyncio
import json
import sys

from agentplatform import Client  # type: ignore[import-not-found]  # not in our environment
from google.genai.errors import ClientError
from google.oauth2.credentials import Credentials


def opened(base_url: str, token: str, name: str) -> Client:
    _, project, _, location, *_ = name.split("/")
    return Client(
        project=project,
        location=location,
        credentials=Credentials(token),  # type: ignore[no-untyped-call]
        http_options={"base_url": base_url},
    )


async def main() -> None:
    base_url, token, name, question = sys.argv[1:]
    client = opened(base_url, token, name)  # kept: its end would close what it has opened
    agent = client.runtimes.get(name=name)
    session = await agent.async_create_session(user_id="user_123")
    said = agent.async_stream_query(user_id="user_123", session_id=session["id"], message=question)
    heard = {
        "methods": [method["name"] for method in agent.operation_schemas()],
        "session": session,
        "events": [event async for event in said],
    }
    stranger = opened(base_url, "ya29.of-somebody-else", name)
    try:
        stranger.runtimes.get(name=name)
    except ClientError as error:
        heard["refused"] = [error.code, error.status]
    json.dump(heard, sys.stdout)


asyncio.run(main())
