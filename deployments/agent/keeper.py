"""What is kept of an answer: its turns, and what it did, also where nobody waited for its end."""

import asyncio
import logging

from actors.database.conversations import NewTurn
from actors.database.errors import DatabaseBusy, DatabaseUnavailable
from actors.memory import Episodes
from deployments.agent.exchange import Ask
from deployments.agent.hands import Hands
from deployments.agent.toolbox import Toolbox
from deployments.security.principal import Principal
from deployments.security.reach import customer_of
from routing.clock import Clock
from routing.errors import AccessError

_log = logging.getLogger(__name__)

# An append takes half a millisecond; a store that needs this long must not hold an answer back, nor
# does an answer wait for it beyond its caller's limit.
KEEP_S = 0.5
BROKEN_OFF = "This answer was broken off. Something may have been done already."


class Keeper:
    """Keeps answers in their conversations."""

    def __init__(self, episodes: Episodes, toolbox: Toolbox | None, clock: Clock) -> None:
        self._episodes = episodes
        self._toolbox = toolbox
        self._clock = clock
        # No more than are answered within `KEEP_S`, after which each gives up.
        self._keeping: set[asyncio.Task[bool]] = set()

    async def aclose(self) -> None:
        """Wait for what is still being kept."""
        if self._keeping:
            await asyncio.wait(self._keeping)

    def keep(
        self,
        principal: Principal,
        ask: Ask,
        conversation_id: str,
        answer_id: str,
        text: str,
        hands: Hands | None,
    ) -> asyncio.Task[bool]:
        """Add the answer to its conversation, whoever waits for that; the result is whether it worked."""
        keeping = asyncio.ensure_future(
            self._keep(principal, ask, conversation_id, answer_id, text, hands)
        )
        self._keeping.add(keeping)
        keeping.add_done_callback(self._keeping.discard)
        return keeping

    def keep_broken_off(
        self,
        principal: Principal,
        ask: Ask,
        conversation_id: str,
        answer_id: str,
        said: str,
        hands: Hands | None,
    ) -> None:
        """The same of an answer without an end, where it may have changed something."""
        if hands is not None and hands.may_have_acted:
            text = f"{said}\n\n{BROKEN_OFF}" if said else BROKEN_OFF
            self.keep(principal, ask, conversation_id, answer_id, text, hands)

    async def _keep(
        self,
        principal: Principal,
        ask: Ask,
        conversation_id: str,
        answer_id: str,
        text: str,
        hands: Hands | None,
    ) -> bool:
        tenant, owner, now = principal.tenant, owner_of(principal, ask), self._clock.now()
        turns = (
            NewTurn("user", ask.message, now),
            NewTurn("assistant", text, now, answer_id),
        )
        try:
            async with asyncio.timeout(KEEP_S):
                acted = hands is not None and (bool(hands.made) or hands.tainted)
                if self._toolbox is not None and hands is not None and acted:
                    # First: no turn is ever kept without the origin of what stands in it.
                    if ask.conversation_id is None:
                        await self._episodes.begin(tenant, conversation_id, owner, now)
                    await self._toolbox.keep(tenant, conversation_id, answer_id, hands, now)
                await self._episodes.append(tenant, conversation_id, owner, turns)
        except (AccessError, DatabaseBusy, DatabaseUnavailable, TimeoutError):
            # The answer is paid for and the customer waits: give it, and say what is missing.
            _log.exception("conversation %s was not kept", conversation_id)
            return False
        return True


def owner_of(principal: Principal, ask: Ask) -> str | None:
    """Whose the conversation is: of who may ask about nobody else it is their own."""
    return customer_of(principal, ask.user_id)
