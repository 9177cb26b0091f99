"""What is kept of an answer: its turns, and what it did, also where nobody waited for its end."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from actors.database.conversations import NewTurn
from actors.database.errors import DatabaseBusy, DatabaseUnavailable
from actors.memory import Episodes
from deployments.agent.exchange import Ask
from deployments.agent.hands import Hands, Made
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


@dataclass(frozen=True, slots=True)
class Traces:
    """What an answer leaves besides its words: its calls, and whether words of others were read for it.

    `hands` None: it had no tools, which those after it may have. `tainted` is what was known before
    it began; `is_kept`: that is on record already.
    """

    hands: Hands | None = None
    tainted: bool = False
    is_kept: bool = False

    @property
    def made(self) -> Sequence[Made]:
        """The calls."""
        return () if self.hands is None else tuple(self.hands.made)

    @property
    def is_tainted(self) -> bool:
        """Whether words of others are in the conversation now."""
        return self.tainted or (self.hands is not None and self.hands.tainted)

    @property
    def may_have_acted(self) -> bool:
        """Whether something may be different in the world because of it."""
        return self.hands is not None and self.hands.may_have_acted


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
        traces: Traces,
    ) -> asyncio.Task[bool]:
        """Add the answer to its conversation, whoever waits for that; the result is whether it worked."""
        keeping = asyncio.ensure_future(
            self._keep(principal, ask, conversation_id, answer_id, text, traces)
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
        traces: Traces,
    ) -> None:
        """The same of an answer without an end, where it may have changed something."""
        if traces.may_have_acted:
            text = f"{said}\n\n{BROKEN_OFF}" if said else BROKEN_OFF
            self.keep(principal, ask, conversation_id, answer_id, text, traces)

    async def _keep(
        self,
        principal: Principal,
        ask: Ask,
        conversation_id: str,
        answer_id: str,
        text: str,
        traces: Traces,
    ) -> bool:
        tenant, owner, now = principal.tenant, owner_of(principal, ask), self._clock.now()
        turns = (
            NewTurn("user", ask.message, now),
            NewTurn("assistant", text, now, answer_id),
        )
        try:
            async with asyncio.timeout(KEEP_S):
                stains = traces.is_tainted and not traces.is_kept
                if self._toolbox is not None and (traces.made or stains):
                    # First: no turn is ever kept without the origin of what stands in it.
                    if ask.conversation_id is None:
                        await self._episodes.begin(tenant, conversation_id, owner, now)
                    await self._toolbox.keep(
                        tenant, conversation_id, answer_id, traces.made, now,
                        tainted=traces.is_tainted,
                    )  # fmt: skip
                await self._episodes.append(tenant, conversation_id, owner, turns)
        except (AccessError, DatabaseBusy, DatabaseUnavailable, TimeoutError):
            # The answer is paid for and the customer waits: give it, and say what is missing.
            _log.exception("conversation %s was not kept", conversation_id)
            return False
        return True


def owner_of(principal: Principal, ask: Ask) -> str | None:
    """Whose the conversation is: of who may ask about nobody else it is their own."""
    return customer_of(principal, ask.user_id)
