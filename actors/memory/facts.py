"""Facts about a customer, each with words it was taken from; nothing a model merely says is one."""

import secrets
from dataclasses import dataclass

from actors.database.conversations import Conversations, TurnRow
from actors.database.memory_facts import FactRow, Facts, NewFact
from routing.clock import Clock
from routing.errors import RequestError

ATTRIBUTE = r"^[a-z][a-z0-9_]{0,63}$"
"""What a fact is about: preferred_language, timezone, product."""
VALUE_MAX = 500
# What holds of a customer and a model may be shown at once.
RECALL_MAX = 50


@dataclass(frozen=True, slots=True)
class Said:
    """Where a customer said something: a turn of a conversation of theirs."""

    conversation_id: str
    turn: int


class CustomerFacts:
    """Remembers facts whose source can be shown, and recalls them."""

    def __init__(self, facts: Facts, conversations: Conversations, clock: Clock) -> None:
        self._facts = facts
        self._conversations = conversations
        self._clock = clock

    async def remember_said(
        self, tenant: str, user_id: str, attribute: str, value: str, said: Said, stated_by: str
    ) -> FactRow:
        """Remember what the customer said, if that turn is theirs and holds the value word for word.

        It holds from the moment it was said.

        Raises:
            RequestError: `no_source`: it does not; nothing was remembered.
            ConflictError: what is remembered is newer.
        """
        turn = await self._turn(tenant, user_id, said)
        if turn is None or turn.role != "user" or plain_words(value) not in plain_words(turn.text):
            message = f"Turn {said.turn} is none in which the customer says this, word for word."
            raise RequestError("no_source", message)
        fact = NewFact(
            id=f"fact_{secrets.token_hex(8)}",
            attribute=attribute,
            value=value,
            source="customer",
            source_ref=f"{said.conversation_id}#{said.turn}",
            quote=turn.text[:VALUE_MAX],
            stated_by=stated_by,
            valid_from=turn.at,
            recorded_at=self._clock.now(),
        )
        return await self._facts.remember(tenant, user_id, fact)

    async def recall(self, tenant: str, user_id: str, limit: int = RECALL_MAX) -> list[FactRow]:
        """What holds of the customer now, the newest first."""
        return await self._facts.current(tenant, user_id, limit)

    async def history(self, tenant: str, user_id: str, limit: int) -> list[FactRow]:
        """What holds and what held, the newest first."""
        return await self._facts.history(tenant, user_id, limit)

    async def forget(self, tenant: str, user_id: str, attribute: str) -> int:
        """Remove the attribute, former values included; how many there were."""
        return await self._facts.forget(tenant, user_id, attribute)

    async def _turn(self, tenant: str, user_id: str, said: Said) -> TurnRow | None:
        head = await self._conversations.head(tenant, said.conversation_id)
        if head is None or head.user_id != user_id:
            return None
        turns = await self._conversations.between(
            tenant, said.conversation_id, said.turn - 1, said.turn
        )
        return turns[0] if turns else None


def plain_words(text: str) -> str:
    """Words as they are compared: capitals and white space make no difference."""
    return " ".join(text.split()).casefold()
