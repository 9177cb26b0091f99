"""Copilot Studio as a platform: one question, one turn of an agent, over whichever wire there is.

A customer's conversation goes on in the one the agent remembers. Where there is none, what was
said before goes along as a reminder.
"""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Protocol

from typing_extensions import override
from yarl import URL

from deployments.platforms import errors
from deployments.platforms.base import Connection, Platform
from deployments.platforms.copilot.caller import Caller
from deployments.platforms.copilot.codec import encode_text
from deployments.platforms.copilot.conversation import REFRESH_BEFORE_S, Access
from deployments.platforms.copilot.direct_line import QUIET_S, DirectLine, Listening
from deployments.platforms.copilot.direct_to_engine import DirectToEngine, environment_root
from deployments.platforms.copilot.inbox import POLL_S
from deployments.platforms.copilot.threads import HEARD_MAX, Thread, Threads
from deployments.platforms.copilot.turn import Saying, Turn
from deployments.platforms.copilot.words import COPILOT
from deployments.platforms.transport import IDLE_S, Transport
from routing.errors import ErrorKind, PlatformError
from routing.exchange import ChatChunk, ChatReply, ChatRequest, ReplyDone, TextDelta

# Bots of a region have another, `https://europe.directline.botframework.com` for one.
DIRECT_LINE_URL = "https://directline.botframework.com"
_TOO_LATE = "the deadline passed before the answer was complete"


class _Line(Protocol):
    """A wire on which one turn can be held."""

    is_echoed: bool

    def talk(self, turn: Turn, saying: Saying, deadline: float) -> AsyncGenerator[str]:
        """Say it and hear the answer, as it is said."""
        ...


class CopilotPlatform(Platform):
    """An agent of Copilot Studio.

    `connection.options`: with `environment_id` and `schema_name` it is reached by
    Direct-to-Engine and the credential is a delegated token; else by Direct Line, with a
    secret for a credential or with tokens from `token_endpoint`. `bot_id` is the agent's id
    in a conversation, `receive` "polling" where no WebSocket gets through, `quiet_period_s`
    how long an agent must be quiet for its turn to be over.

    `idle_s` is how long it may be silent before it has answered.
    """

    def __init__(
        self,
        connection: Connection,
        idle_s: float = IDLE_S,
        poll_s: float = POLL_S,
        refresh_before_s: float = REFRESH_BEFORE_S,
    ) -> None:
        options = connection.options
        self._bot_id = options.get("bot_id", "")
        self._secret = connection.credential
        self._transport = Transport(connection.max_connections, idle_s)
        self._threads = Threads(_now)
        caller = Caller(self._transport)
        environment, schema = options.get("environment_id"), options.get("schema_name")
        self._line: _Line
        if environment and schema:
            root = (
                URL(connection.base_url) if connection.base_url else environment_root(environment)
            )
            self._line = DirectToEngine(caller, root, schema, connection.credential)
            return
        endpoint = options.get("token_endpoint")
        access = Access(
            URL(connection.base_url or DIRECT_LINE_URL) / "v3" / "directline",
            connection.credential,
            URL(endpoint) if endpoint else None,
            refresh_before_s,
        )
        listening = Listening(
            quiet_s=float(options.get("quiet_period_s", QUIET_S)),
            idle_s=idle_s,
            poll_s=poll_s,
            polls=options.get("receive") == "polling",
        )
        self._line = DirectLine(caller, access, listening)

    @override
    async def complete(self, request: ChatRequest, deadline_s: float) -> ChatReply:
        async with aclosing(self.stream(request, deadline_s)) as chunks:
            async for chunk in chunks:
                if isinstance(chunk, ReplyDone):
                    return chunk.reply
        raise errors.bad_reply(COPILOT, "an answer without an end")

    @override
    async def stream(self, request: ChatRequest, deadline_s: float) -> AsyncGenerator[ChatChunk]:
        saying = self._saying(request)
        deadline = _now() + deadline_s
        # Direct Line wants user ids that begin so when a secret speaks for them.
        user_id = f"dl_{request.safety_id or request.thread_key or uuid.uuid4().hex}"
        turn = Turn(user_id, uuid.uuid4().hex, bot_id=self._bot_id, is_echoed=self._line.is_echoed)
        with self._explained(deadline):
            async with aclosing(self._line.talk(turn, saying, deadline)) as said:
                async for piece in said:
                    yield TextDelta(piece)
            reply = turn.reply(request.model)
            if request.thread_key and turn.place and turn.may_continue:
                self._threads.keep(request.thread_key, Thread(turn.place, reply.text[:HEARD_MAX]))
            yield ReplyDone(reply)

    @override
    async def aclose(self) -> None:
        await self._transport.aclose()

    def _saying(self, request: ChatRequest) -> Saying:
        """What to say where; the conversation is this turn's alone until it is kept again."""
        whole = encode_text(request)
        # A turn that fails does not give it back: who can tell what the agent made of it?
        thread = self._threads.take(request.thread_key)
        if thread is None:
            return Saying(whole)
        return Saying(whole, encode_text(request, thread.heard), thread.place)

    @contextlib.contextmanager
    def _explained(self, deadline: float) -> Iterator[None]:
        """Let what Microsoft and networks do leave as a PlatformError; our own bugs stay bugs."""
        try:
            yield
        except PlatformError as error:
            clean = errors.without(self._secret, error)
            if clean is error:
                raise
            raise clean from None  # the original still holds the credential
        except errors.FAULTS as error:
            if _now() >= deadline:
                raise PlatformError(COPILOT, ErrorKind.TIMEOUT, _TOO_LATE) from error
            raise errors.without(self._secret, errors.local_error(COPILOT, error)) from error


def _now() -> float:
    return asyncio.get_running_loop().time()
