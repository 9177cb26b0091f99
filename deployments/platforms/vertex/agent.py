"""An agent of Agent Engine as a platform: one question, one turn in one of its sessions.

It answers in place of Gemini where the configuration names one (`agent_engine`). Google's
SDK is not needed for it, and not loaded.
"""

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from typing_extensions import override

from deployments.platforms import errors
from deployments.platforms.base import Connection, Platform
from deployments.platforms.transport import IDLE_S
from deployments.platforms.vertex.agent_codec import (
    CREATE_SESSION,
    STREAM_QUERY,
    Turn,
    check_question,
    decode_session,
    encode_question,
)
from deployments.platforms.vertex.agent_engine import AgentEngine
from deployments.platforms.vertex.agent_sessions import Sessions
from deployments.platforms.vertex.codec import VERTEX
from routing.errors import PlatformError
from routing.exchange import ChatChunk, ChatReply, ChatRequest, ReplyDone, TextDelta
from routing.message import JsonObject, Message

# What a session that Google has deleted may come back as, before anything was done.
_GONE = frozenset({400, 404})


class AgentPlatform(Platform):
    """The agent that `connection.options` names as `agent_engine`.

    A conversation of a user with a `safety_id` goes on in its session as long as this
    replica answers it; anybody else's every question has a session of its own. `idle_s` is
    how long the agent may be silent; `now` is the clock of the sessions.

    Raises:
        ConfigError: That is not the name of an agent.
    """

    def __init__(
        self,
        connection: Connection,
        idle_s: float = IDLE_S,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = AgentEngine(connection, connection.options.get("agent_engine", ""), idle_s)
        self._sessions = Sessions(now)

    @override
    async def complete(self, request: ChatRequest, deadline_s: float) -> ChatReply:
        async with aclosing(self.stream(request, deadline_s)) as chunks:
            async for chunk in chunks:
                if isinstance(chunk, ReplyDone):
                    return chunk.reply
        raise errors.bad_reply(VERTEX, "an answer without an end")

    @override
    async def stream(self, request: ChatRequest, deadline_s: float) -> AsyncGenerator[ChatChunk]:
        check_question(request)
        deadline = asyncio.get_running_loop().time() + deadline_s
        *earlier, last = request.messages
        talk = _Talk(self._engine, request, deadline)
        if request.safety_id and earlier:
            talk.session_id = self._sessions.take(request.safety_id, earlier) or ""
        turn = Turn()
        async with aclosing(talk.events()) as events:
            async for event in events:
                if text := turn.feed(event):
                    yield TextDelta(text)
        reply = turn.reply(request.model)
        if request.safety_id:
            said = (*earlier, last, Message("assistant", reply.text))
            self._sessions.keep(request.safety_id, said, talk.session_id)
        yield ReplyDone(reply)

    @override
    async def aclose(self) -> None:
        await self._engine.aclose()


class _Talk:
    """One turn on the wire. `session_id` is where it is held, "" until there is a session."""

    def __init__(self, engine: AgentEngine, request: ChatRequest, deadline: float) -> None:
        self._engine = engine
        self._request = request
        self._deadline = deadline
        self._user_id = request.safety_id or uuid.uuid4().hex
        self.session_id = ""

    async def events(self) -> AsyncGenerator[JsonObject]:
        """The agent's events; a session that is gone is replaced, once."""
        if self.session_id:
            has_begun = False
            try:
                async with aclosing(self._ask(is_known=True)) as events:
                    async for event in events:
                        has_begun = True
                        yield event
            except PlatformError as error:
                if has_begun or error.status not in _GONE:
                    raise
            else:
                return
        output = await self._engine.query(
            CREATE_SESSION, {"user_id": self._user_id}, self._left_s()
        )
        self.session_id = decode_session(output)
        async with aclosing(self._ask(is_known=False)) as events:
            async for event in events:
                yield event

    def _ask(self, *, is_known: bool) -> AsyncGenerator[JsonObject]:
        arguments = encode_question(
            self._request, self._user_id, self.session_id, is_known=is_known
        )
        return self._engine.stream_query(STREAM_QUERY, arguments, self._left_s())

    def _left_s(self) -> float:
        return self._deadline - asyncio.get_running_loop().time()
