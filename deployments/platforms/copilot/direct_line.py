"""Direct Line 3.0: a turn said over REST and heard over a WebSocket, or by polling.

The protocol has no end of a turn. It is over when the agent expects input or ends the
conversation, when it has been quiet for a while, or when the time is up and it has answered.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from deployments.platforms.copilot.caller import Caller
from deployments.platforms.copilot.codec import Activity, message_activity
from deployments.platforms.copilot.conversation import Access, Conversation
from deployments.platforms.copilot.inbox import POLL_S, Inbox
from deployments.platforms.copilot.threads import Place
from deployments.platforms.copilot.turn import Saying, Turn
from deployments.platforms.copilot.words import COPILOT
from deployments.platforms.transport import IDLE_S
from routing.errors import ErrorKind, PlatformError

# A guess to be configured: long enough for a second message, short enough not to be felt. An
# agent that works longer shows that it is typing.
QUIET_S = 1.5
# Of a conversation that was left: it is there no more, or its token has ended.
_GONE = frozenset({401, 403, 404})
_NO_REPLY = "the agent did not reply before the deadline"


@dataclass(frozen=True, slots=True)
class Listening:
    """How long to wait for what."""

    quiet_s: float = QUIET_S
    idle_s: float = IDLE_S
    poll_s: float = POLL_S
    polls: bool = False


class DirectLine:
    """Turns over Direct Line."""

    def __init__(self, caller: Caller, access: Access, listening: Listening) -> None:
        self._caller = caller
        self._access = access
        self._listening = listening
        self.is_echoed = True

    async def talk(self, turn: Turn, saying: Saying, deadline: float) -> AsyncGenerator[str]:
        """Say it and hear the answer; a conversation that is gone is replaced, once.

        Raises:
            PlatformError: The agent failed, or was not heard before the deadline.
        """
        place = saying.place
        for may_replace in (True, False):
            text = saying.whole if place is None else saying.more
            try:
                async with aclosing(self._talk_once(turn, text, place, deadline)) as said:
                    async for piece in said:
                        yield piece
            except PlatformError as error:
                is_gone = error.status in _GONE if place else error.status == 404
                is_ours = turn.conversation_id or place
                if not (is_gone and is_ours and not turn.has_spoken and may_replace):
                    raise
                place = None
            else:
                return

    async def _talk_once(
        self, turn: Turn, text: str, place: Place | None, deadline: float
    ) -> AsyncGenerator[str]:
        async with asyncio.timeout_at(deadline):
            conversation = (
                await Conversation.open(self._caller, self._access)
                if place is None
                else await Conversation.resume(self._caller, self._access, place)
            )
        turn.begin(conversation.id)
        listening = self._listening
        inbox = Inbox(
            self._caller.transport,
            conversation,
            polls=listening.polls,
            poll_s=listening.poll_s,
            watermark="" if place is None else place.watermark,
        )
        try:
            async with asyncio.timeout_at(deadline):
                await inbox.open()
            activity = message_activity(text, turn.user_id, turn.marker)
            # Not awaited first: the service answers the request when the bot has ended its turn.
            posted = asyncio.create_task(conversation.post(activity))
            heard = _Heard(inbox, posted, turn, listening, deadline)
            try:
                while not turn.is_over and (activities := await heard.more()):
                    if said := "".join(map(turn.feed, activities)):
                        yield said
            finally:
                await heard.stop()
            if inbox.watermark:  # without one, all of it would be heard again
                turn.place = conversation.place(inbox.watermark)
        finally:
            await inbox.close()


class _Heard:
    """What is heard while, and after, something is said."""

    def __init__(
        self,
        inbox: Inbox,
        posted: "asyncio.Task[str]",
        turn: Turn,
        listening: Listening,
        deadline: float,
    ) -> None:
        self._inbox = inbox
        self._posted = posted
        self._is_posted = False
        self._turn = turn
        self._listening = listening
        self._deadline = deadline
        self._receiving: asyncio.Task[Sequence[Activity]] | None = None

    async def more(self) -> Sequence[Activity]:
        """What comes next; nothing when the turn is over."""
        loop = asyncio.get_running_loop()
        since = loop.time()
        while True:
            if self._receiving is None:
                self._receiving = asyncio.create_task(self._inbox.receive())
            until = min(since + self._patience_s(), self._deadline)
            waited = {self._receiving} if self._is_posted else {self._receiving, self._posted}
            done, _ = await asyncio.wait(
                waited, timeout=until - loop.time(), return_when=asyncio.FIRST_COMPLETED
            )
            if self._posted in done:
                self._is_posted = True
                self._turn.asked(self._posted.result())
            if self._receiving in done:
                receiving, self._receiving = self._receiving, None
                return receiving.result()
            if not done:
                return self._silence(loop.time() >= self._deadline)

    async def stop(self) -> None:
        """Hear no more, and say no more."""
        tasks = [task for task in (self._posted, self._receiving) if task is not None]
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task

    def _patience_s(self) -> float:
        return self._listening.quiet_s if self._turn.may_be_over else self._listening.idle_s

    def _silence(self, is_late: bool) -> Sequence[Activity]:
        if self._turn.may_be_over:
            return ()
        detail = _NO_REPLY if is_late else f"silent for {self._listening.idle_s:g} s"
        raise PlatformError(COPILOT, ErrorKind.TIMEOUT, detail)
