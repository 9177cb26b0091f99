"""One run on a conversation: it is held, told to the platform, and added to when there is an answer."""

from collections.abc import Sequence
from typing import Literal

from actors.database.thread_rows import Held, Item
from actors.database.threads import Threads
from deployments.ingress.conversation_items import answered, earlier, stored
from deployments.ingress.dialect import Earlier, Stamp
from deployments.ingress.openai_responses_schema import ResponsesItem
from deployments.security.principal import Principal
from deployments.security.reach import only_of
from routing.clock import Clock
from routing.errors import RequestError
from routing.exchange import ChatReply

# Beyond the answer's deadline: for an answer that comes at the last moment to be written
# by a store that another process keeps waiting for 5 s at most (engine.BUSY_TIMEOUT_MS).
_WRITE_S = 6.0

State = Literal["local", "server"]


class ConversationRun:
    """A conversation held for one answer: `keep` or `release` ends it, whichever is first.

    `earlier` is what the platform has to be told beside the new input, and
    `vendor_conversation` is as in `ChatRequest`.
    """

    def __init__(
        self,
        threads: Threads,
        tenant: str,
        held: Held,
        asked: Sequence[Item],
        state: State,
        clock: Clock,
    ) -> None:
        self.id = held.thread.id
        is_here = held.thread.vendor is None
        self.earlier = earlier(held.items) if is_here else Earlier(whole=False)
        self.vendor_conversation = (held.thread.vendor_id or "") if state == "server" else None
        self._threads = threads
        self._tenant = tenant
        self._lease = held.lease
        self._asked = asked
        self._clock = clock
        self._is_held = True

    async def keep(self, stamp: Stamp, reply: ChatReply, platform: str) -> None:
        """Add the input and the answer; raises ConflictError where that is too late."""
        items: Sequence[Item] = [*self._asked, *answered(stamp, reply)]
        vendor = None
        if self.vendor_conversation is not None and reply.vendor_conversation is not None:
            items, vendor = [], (platform, reply.vendor_conversation)
        await self._threads.finish(
            self._tenant, self.id, self._lease, items, self._clock.now(), vendor
        )
        self._is_held = False

    async def release(self) -> None:
        """Let the conversation go as it was, unless the answer was kept."""
        if self._is_held:
            self._is_held = False
            await self._threads.release(self._tenant, self.id, self._lease)


class ConversationRuns:
    """Begins runs on the conversations of this process's store."""

    def __init__(self, threads: Threads, clock: Clock) -> None:
        self._threads = threads
        self._clock = clock

    async def begin(
        self,
        principal: Principal,
        conversation: str,
        given: Sequence[ResponsesItem],
        deadline_s: float,
        state: State,
    ) -> ConversationRun:
        """Hold `conversation` for an answer to `given` that has `deadline_s` seconds.

        Raises:
            AccessError: `not_found`: there is none that the caller may reach.
            ConflictError: `conversation_locked`: another run is under way.
            RequestError: there is no room, or its items are at a vendor and `state` is local.
        """
        tenant, now = principal.tenant, self._clock.now()
        asked = stored(given, "/input")
        until = now + deadline_s + _WRITE_S
        held = await self._threads.hold(
            tenant, conversation, asked, now, until, owner=only_of(principal)
        )
        if held.thread.vendor is not None and state == "local":
            await self._threads.release(tenant, conversation, held.lease)
            message = (
                f"The items of this conversation are kept at {held.thread.vendor}: "
                "only an assistant whose state is server can go on with it."
            )
            raise RequestError("conversation_at_vendor", message)
        return ConversationRun(self._threads, tenant, held, asked, state, self._clock)
