"""Direct-to-Engine: a turn as one POST whose answer is a stream of events with a definite end.

Spoken in the name of a user: the credential is that user's delegated token.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import aclosing

from yarl import URL

from deployments.platforms import errors
from deployments.platforms.copilot.caller import Caller
from deployments.platforms.copilot.codec import conversation_of, decode_activity, message_activity
from deployments.platforms.copilot.threads import Place
from deployments.platforms.copilot.turn import Saying, Turn
from deployments.platforms.copilot.words import COPILOT, status_error
from deployments.platforms.sse import SseEvent, SseReader
from deployments.platforms.transport import Answer
from deployments.platforms.vendor_json import load_object
from routing.errors import ErrorKind, PlatformError
from routing.message import Json

API_VERSION = "2022-03-01-preview"
_ID_HEADER = "x-ms-conversationid"
_EVENTS = "text/event-stream"


def environment_root(environment_id: str) -> URL:
    """The address of an environment: its id, the last two digits apart."""
    digits = environment_id.lower().replace("-", "")
    return URL(f"https://{digits[:-2]}.{digits[-2:]}.environment.api.powerplatform.com")


class DirectToEngine:
    """Turns over Direct-to-Engine."""

    def __init__(self, caller: Caller, root: URL, schema_name: str, token: str) -> None:
        self._caller = caller
        path = "copilotstudio/dataverse-backed/authenticated/bots"
        self._here = root / path / schema_name / "conversations"
        self._token = token
        self.is_echoed = False

    async def talk(self, turn: Turn, saying: Saying, deadline: float) -> AsyncGenerator[str]:
        """Say it and hear the answer; a conversation that is gone is replaced, once.

        Raises:
            PlatformError: The agent failed, or the stream had no end.
        """
        async with asyncio.timeout_at(deadline):
            place = saying.place
            turn.begin(await self._start() if place is None else place.conversation_id)
            try:
                answer = await self._ask(turn, saying.whole if place is None else saying.more)
            except PlatformError as error:
                if error.status != 404:
                    raise
                turn.begin(await self._start())
                answer = await self._ask(turn, saying.whole)
        # Cut the connection, not the task: a timeout held open across a `yield` would cancel
        # the consumer in the middle of its own work.
        timer = asyncio.get_running_loop().call_at(deadline, answer.close)
        try:
            async with aclosing(_read(turn, answer)) as pieces:
                async for piece in pieces:
                    yield piece
            turn.place = Place(turn.conversation_id)
        finally:
            timer.cancel()
            answer.close()

    async def _start(self) -> str:
        """A new conversation, without the agent's greeting."""
        answer = await self._open(self._here, {"emitStartConversationEvent": False})
        try:
            found = answer.header(_ID_HEADER) or ""
            reader = SseReader()
            while data := await answer.read_some():
                for event in reader.feed(data):
                    if event.event == "activity" and not found:
                        found = conversation_of(load_object(COPILOT, event.data))
        finally:
            answer.close()
        if not found:
            raise errors.bad_reply(COPILOT, "a conversation without an id")
        return found

    async def _ask(self, turn: Turn, text: str) -> Answer:
        activity = message_activity(text, turn.user_id, turn.marker)
        activity["conversation"] = {"id": turn.conversation_id}
        return await self._open(self._here / turn.conversation_id, {"activity": activity})

    async def _open(self, url: URL, body: dict[str, Json]) -> Answer:
        url = url.update_query({"api-version": API_VERSION})
        return await self._caller.open("POST", url, self._token, body, accept=_EVENTS)


async def _read(turn: Turn, answer: Answer) -> AsyncGenerator[str]:
    """The text in a stream of events; what arrived together is one piece."""
    reader = SseReader()
    while data := await answer.read_some():
        pieces: list[str] = []
        is_over = False
        for event in reader.feed(data):
            is_over = is_over or event.event == "end"
            pieces.append(_hear(turn, event))
        if said := "".join(pieces):
            yield said
        if is_over:
            # The turn is whole; whatever happens behind it costs a connection, not the answer.
            with contextlib.suppress(Exception):
                await answer.drain()
            return
    detail = "the stream ended without its last event"
    raise PlatformError(COPILOT, ErrorKind.STREAM_TRUNCATED, detail)


def _hear(turn: Turn, event: SseEvent) -> str:
    match event.event:
        case "activity":
            return turn.feed(decode_activity(load_object(COPILOT, event.data)))
        case "error":
            raise status_error(event.data, 500, {})
        case _:
            return ""
