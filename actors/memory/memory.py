"""Memory as one process has it: its parts over one database and one store."""

from dataclasses import dataclass

from actors.database.conversations import Conversations
from actors.database.engine import Database
from actors.database.memory_erasure import MemoryErasure
from actors.database.memory_facts import Facts
from actors.database.runbooks import RunbookStore
from actors.memory.episodes import Episodes
from actors.memory.erasure import Erasure
from actors.memory.facts import CustomerFacts
from actors.memory.runbooks import Runbooks
from actors.window_store import WindowStore
from routing.clock import Clock


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered: episodes, facts and runbooks; and how it is forgotten."""

    episodes: Episodes
    facts: CustomerFacts
    runbooks: Runbooks
    erasure: Erasure
    conversations: Conversations
    store: WindowStore

    async def aclose(self) -> None:
        """Close the store; the database is its owner's."""
        await self.store.aclose()


def make_memory(database: Database, store: WindowStore, clock: Clock) -> Memory:
    """The parts, wired."""
    conversations = Conversations(database)
    return Memory(
        Episodes(conversations, store, database.sealing),
        CustomerFacts(Facts(database), conversations, clock),
        Runbooks(RunbookStore(database), conversations, clock),
        Erasure(MemoryErasure(database), store),
        conversations,
        store,
    )
