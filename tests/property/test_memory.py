"""Whatever is said, guessed, deleted and erased: memory shows each customer their own, as it is now."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.database import Database, NewTurn, open_database
from actors.memory import Memory, Said, make_memory
from actors.memory.window import WINDOW_TURNS
from actors.window_store import InProcessWindows, WindowStore
from routing.clock import ManualClock
from routing.errors import AccessError, RequestError

Step: TypeAlias = tuple[str, str, str | None, str]

# Names that tempt: separators of keys, prefixes of one another, nothing at all.
TENANTS = st.sampled_from(["acme", "acme:ann", "", "a"])
USERS = st.sampled_from(["ann", "ann:c", "", "a", None])
IDS = st.sampled_from(["c", "c:c", "cc"])

steps = st.tuples(
    st.sampled_from(["say", "say", "say", "read", "read", "delete", "erase", "remember"]),
    TENANTS,
    USERS,
    IDS,
)


lives = st.lists(steps, max_size=40)


@settings(max_examples=60, deadline=None)
@given(lives, st.integers(1, 3))
def test_memory_is_what_a_list_for_each_customer_would_be(life: list[Step], processes: int) -> None:
    with TemporaryDirectory() as folder:
        asyncio.run(_live(life, processes, Path(folder)))


class Life:
    """What memory should hold, and memories that hold it, one for each store."""

    def __init__(self, database: Database, stores: Sequence[WindowStore]) -> None:
        self._clock = ManualClock()
        self._memories = [make_memory(database, store, self._clock) for store in stores]
        self._said = dict[tuple[str, str], tuple[str | None, list[str]]]()
        self._facts = defaultdict[tuple[str, str], set[str]](set)

    async def take(self, number: int, step: Step) -> None:
        what, tenant, user, conversation = step
        memory = self._memories[number % len(self._memories)]
        match what:
            case "say":
                await self._say(memory, number, tenant, user, conversation)
            case "delete":
                there = self._said.pop((tenant, conversation), None) is not None
                assert await memory.conversations.delete(tenant, conversation) == there
            case "erase" if user is not None:
                await self._erase(memory, tenant, user)
            case "remember" if user is not None:
                await self._remember(memory, tenant, user, conversation)
            case _:
                pass
        await self._look(memory, tenant, user, conversation)

    async def _say(
        self, memory: Memory, number: int, tenant: str, user: str | None, conversation: str
    ) -> None:
        owner, texts = self._said.get((tenant, conversation), (user, []))
        text = f"{number} of {tenant}/{user}"
        try:
            turn = NewTurn("user", text, self._clock.now())
            await memory.episodes.append(tenant, conversation, user, [turn])
        except AccessError:
            assert owner != user
        else:
            assert owner == user
            self._said[tenant, conversation] = (user, [*texts, text])

    async def _erase(self, memory: Memory, tenant: str, user: str) -> None:
        erased = await memory.erasure.erase(tenant, user)
        mine = [key for key, (who, _) in self._said.items() if key[0] == tenant and who == user]
        turns = sum(len(self._said.pop(key)[1]) for key in mine)
        assert (erased.rows["conversations"], erased.rows["turns"]) == (len(mine), turns)
        self._facts.pop((tenant, user), None)

    async def _remember(self, memory: Memory, tenant: str, user: str, conversation: str) -> None:
        owner, texts = self._said.get((tenant, conversation), (None, []))
        value, last = f"of {tenant}/{user}", Said(conversation, len(texts))
        try:
            await memory.facts.remember_said(tenant, user, "who", value, last, "key:1")
        except RequestError:
            assert owner != user
        else:
            assert owner == user
            self._facts[tenant, user].add(value)

    async def _look(self, memory: Memory, tenant: str, user: str | None, conversation: str) -> None:
        window = await memory.episodes.window(tenant, conversation, user)
        owner, texts = self._said.get((tenant, conversation), (None, []))
        if not texts or owner != user:
            assert window is None
        else:
            assert window is not None
            assert [turn.text for turn in window.turns] == texts[-WINDOW_TURNS:]
        if user is not None:
            held = {fact.value for fact in await memory.facts.recall(tenant, user)}
            assert held == self._facts[tenant, user]


async def _live(life: list[Step], processes: int, folder: Path) -> None:
    database = open_database(folder / "x.db")
    await database.migrate()
    try:
        # Of each other's stores they know nothing, so those are stale by nature.
        living = Life(database, [InProcessWindows(ManualClock()) for _ in range(processes)])
        for number, step in enumerate(life):
            await living.take(number, step)
    finally:
        await database.aclose()
