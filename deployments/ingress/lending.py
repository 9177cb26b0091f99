"""POST /v3/regions/budgets: where another region takes leases of budgets that are at home here."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

from starlette.responses import Response

from actors.coordinator.loans import Answer
from deployments.ingress.lease_schema import BUDGETS_MAX, VERSION, LeaseAnswer
from deployments.ingress.routes import Call, reply
from routing.budget import Budget, Claim, Standing
from routing.budget_home import BudgetHomes
from routing.errors import AccessError, RequestError, Violation
from routing.loan import Lent, Refusal

if TYPE_CHECKING:
    from deployments.ingress.lease_schema import LeaseBody

LEASES = "/v3/regions/budgets"


class Lender(Protocol):
    """Who owns the budgets: the coordinator's client, seen from here."""

    async def lend(self, region: str, claims: Sequence[Claim], lease_s: float) -> list[Lent]:
        """What each claim comes to."""
        ...


class Definitions(Protocol):
    """Where it is written which budgets there are."""

    async def all(self) -> list[Budget]:
        """Every tenant's."""
        ...


class Lending:
    """Answers letters of the regions in `peers`, for tenants they may serve and nobody else's."""

    def __init__(
        self,
        lender: Lender,
        definitions: Definitions,
        homes: BudgetHomes,
        peers: frozenset[str],
        lease_s: float,
    ) -> None:
        self._lender = lender
        self._definitions = definitions
        self._homes = homes
        self._peers = peers
        self._lease_s = lease_s

    async def lend(self, call: Call) -> Response:
        """Lend what each claim asks for, as far as there is that much, and tell the budgets.

        A letter that comes twice leases nothing twice.
        """
        body: LeaseBody = call.body
        if body.version > VERSION:
            message = f"This region understands version {VERSION}; update it first."
            raise RequestError("newer_version", message, (Violation("/version", message),))
        if body.region not in self._peers:
            message = f"No peer of this region is called {body.region}."
            raise AccessError("forbidden", message)
        claims = [claim.claim for claim in body.claims]
        refused = {n: why for n, c in enumerate(claims) if (why := self._refusal(c)) is not None}
        wanted = [claim for n, claim in enumerate(claims) if n not in refused]
        lent = iter(await self._lender.lend(body.region, wanted, self._lease_s) if wanted else ())
        answers = [
            Lent(Standing(c.key, c.lease, c.seq, 0, 0), 0, refused[n])
            if n in refused
            else next(lent)
            for n, c in enumerate(claims)
        ]
        budgets = self._shared(await self._definitions.all())
        digest = digest_of(budgets)
        known = None if digest == body.digest else budgets
        answer = Answer(answers, self._lease_s, digest, known)
        return reply(LeaseAnswer.of(self._homes.here, answer).model_dump())

    def _refusal(self, claim: Claim) -> Refusal | None:
        if self._homes.away(claim.key.tenant) is not None:
            return Refusal.NOT_AT_HOME
        return None if self._homes.may_lend(claim.key.tenant) else Refusal.NOT_ELSEWHERE

    def _shared(self, budgets: Iterable[Budget]) -> list[Budget]:
        """Those that tenants have whom another region may serve; nothing is said of the others."""
        return [b for b in budgets if b.tenant is None or self._homes.may_lend(b.tenant)][
            :BUDGETS_MAX
        ]


def digest_of(budgets: Iterable[Budget]) -> str:
    """The same for the same budgets in any order."""
    rows = sorted(
        [b.tenant or "", b.id, b.scope.value, b.subject or "", b.limit_pico] for b in budgets
    )
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()
