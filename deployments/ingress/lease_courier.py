"""Carries letters to the homes of budgets that this region spends, and brings the answers back.

In the background, over the address and key with which figures are pulled. No request waits for
it but those that find nothing lent yet, and they for half a second at most.
"""

import asyncio
import contextlib
import json
import logging
import random
from collections.abc import Mapping
from itertools import islice
from typing import Protocol

import httpx2

from actors.coordinator.loans import Answer, Letter
from deployments.ingress.lease_schema import VERSION, LeaseAnswer, LeaseBody
from deployments.ingress.lending import LEASES
from deployments.ingress.peers import PeerAddress
from routing.budget import Budget, Budgets, Key, day_at
from routing.budget_home import BudgetHomes
from routing.clock import Clock
from routing.errors import SupportMaxError
from routing.loan import PREPARE_S

_log = logging.getLogger(__name__)

LETTER_TIMEOUT_S = 4.0
"""As for figures: a home that takes longer is not there for those who wait for money."""

ANSWER_MAX_BYTES = 32 * 1024 * 1024
"""100,000 budgets, which is the most that are taken, are 20 MB."""

PAUSE_S = 0.1
"""Between two letters: while many ask at once, ten a second carry all of it."""

REST_S = 2.0
"""After a letter that was not answered."""

JITTER = 0.5
"""Of a rest, either way, so that replicas do not come together."""

HOLD_MAX = 200
"""Reserves begun in one transaction: 40 ms of the store's write lock."""

RESERVES_MAX = 10_000
"""Budgets of guests held ready; more could not be told of within a minute."""


class Borrower(Protocol):
    """Who keeps what was lent: the coordinator's client, seen from here."""

    async def hold(self, home: str, reserves: Mapping[Key, int]) -> None:
        """Keep a share of these limits at hand."""
        ...

    async def letter(self, home: str) -> Letter:
        """What the home is to be told."""
        ...

    async def hear_home(self, home: str, sent_at: float, answer: Answer | None) -> None:
        """What it answered, None for nothing."""
        ...


class Known(Protocol):
    """Which budgets other regions told of."""

    async def all(self) -> Mapping[str, list[Budget]]:
        """By the region they are at home in."""
        ...


class LeaseCourier:
    """One per process; that several carry for one region is harmless."""

    def __init__(
        self,
        addresses: Mapping[str, PeerAddress],
        borrower: Borrower,
        known: Known,
        homes: BudgetHomes,
        clock: Clock,
        chance: random.Random,
    ) -> None:
        self._addresses = addresses
        self._borrower = borrower
        self._known = known
        self._homes = homes
        self._clock = clock
        self._chance = chance
        self._held: dict[str, tuple[str, tuple[int, ...]]] = {}
        self._loops: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to carry, to each home by itself."""
        loop = asyncio.get_running_loop()
        self._loops = [loop.create_task(self._always(home)) for home in self._homes.lenders]

    async def aclose(self) -> None:
        """Stop; what is under way is told again by whoever carries next."""
        for task in self._loops:
            task.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)

    async def carry(self, home: str) -> bool:
        """Take one letter to the home, and its answer back; whether there was one.

        Raises:
            SupportMaxError: the coordinator is away.
        """
        letter = await self._borrower.letter(home)
        try:
            answer = await self._ask(home, LeaseBody.of(self._homes.here, letter))
        except (httpx2.HTTPError, TimeoutError, ValueError) as error:
            said = str(error)[:300] or type(error).__name__
            _log.warning("the region %s lends nothing: %s", home, said)
            await self._borrower.hear_home(home, letter.sent_at, None)
            return False
        for lent in answer.lent:
            if lent.refusal is not None:
                _log.warning(
                    "the region %s refuses a lease of %s: %s",
                    home, lent.standing.key.budget, lent.refusal.value,
                )  # fmt: skip
        await self._borrower.hear_home(home, letter.sent_at, answer)
        await self._hold(home, answer.digest)
        return True

    async def _always(self, home: str) -> None:
        while True:
            is_heard = False
            try:
                is_heard = await self.carry(home)
            except SupportMaxError as error:
                _log.warning("nothing is told to %s: %s", home, error)
            except Exception:  # noqa: BLE001  carrying goes on whatever happened
                _log.exception("a letter to the region %s failed", home)
            rest_s = PAUSE_S if is_heard else REST_S
            await asyncio.sleep(rest_s * self._chance.uniform(1 - JITTER, 1 + JITTER))

    async def _hold(self, home: str, digest: str) -> None:
        """Have a reserve of what is known before anybody asks: today's, and near midnight tomorrow's."""
        now = self._clock.now()
        days = tuple(sorted({day_at(now), day_at(now + PREPARE_S)}))
        if self._held.get(home) == (digest, days):
            return
        budgets = Budgets((await self._known.all()).get(home, ()))
        reserves = {
            key: limit
            for day in days
            for tenant in self._homes.guests(home)
            for key, limit in budgets.named(tenant, day).items()
        }
        if len(reserves) > RESERVES_MAX:
            _log.error("%s has more budgets than can be held ready: %d", home, len(reserves))
        rows = islice(reserves.items(), RESERVES_MAX)
        while some := dict(islice(rows, HOLD_MAX)):
            await self._borrower.hold(home, some)
        self._held[home] = (digest, days)

    async def _ask(self, home: str, body: LeaseBody) -> Answer:
        """Raises ValueError where what came is no answer that can be taken."""
        address = self._addresses[home]
        headers = {"Authorization": f"Bearer {address.key}", "Content-Type": "application/json"}
        read = bytearray()
        async with (
            asyncio.timeout(LETTER_TIMEOUT_S),
            httpx2.AsyncClient(headers=headers, trust_env=False) as client,
            client.stream(
                "POST", address.url + LEASES, content=body.model_dump_json().encode()
            ) as reply,
        ):
            async for chunk in reply.aiter_bytes():
                read += chunk
                if len(read) > ANSWER_MAX_BYTES:
                    raise ValueError(f"its answer is larger than {ANSWER_MAX_BYTES} bytes")
        if reply.status_code != 200:
            raise ValueError(f"status {reply.status_code}: {_field(read, 'detail')}")
        version = _field(read, "version")
        if isinstance(version, int) and version > VERSION:
            raise ValueError(f"it answers in version {version}; this region knows {VERSION}")
        answer = LeaseAnswer.model_validate_json(bytes(read))
        if answer.region != home:
            raise ValueError(f"this is the region {answer.region}")
        return answer.answer


def _field(body: bytes | bytearray, name: str) -> object:
    """One field of what may be anything; None where it is not there."""
    with contextlib.suppress(ValueError):
        fields: object = json.loads(body)
        if isinstance(fields, dict):
            return fields.get(name)
    return None
