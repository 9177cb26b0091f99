"""GET /v3/budgets and /admin/budgets: what may be spent today, and what is left of it."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from starlette.responses import Response

from actors.database.budget_books import BudgetBooks
from actors.database.budget_loans import BudgetLoans
from actors.database.budgets import MADE_MAX, BudgetDefinitions
from actors.database.budgets_abroad import BudgetsAbroad
from deployments.ingress.budget_figures import Shown, held_of, lent_of, row
from deployments.ingress.routes import Call, reply
from routing.budget import Budget, Scope, day_at, to_pico
from routing.budget_home import BudgetHomes
from routing.clock import Clock
from routing.errors import (
    AccessError,
    BudgetUnavailable,
    ConflictError,
    MisdirectedRequest,
    RequestError,
    Violation,
)
from routing.message import JsonObject

if TYPE_CHECKING:
    from deployments.ingress.budget_schema import BudgetBody

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Where budgets are looked up that are at home in another region."""

    homes: BudgetHomes
    abroad: BudgetsAbroad
    loans: BudgetLoans


class BudgetRoutes:
    """The routes of budgets; `learn` makes a change known in this process at once."""

    def __init__(
        self,
        definitions: BudgetDefinitions,
        books: BudgetBooks,
        learn: Callable[[], Awaitable[None]],
        clock: Clock,
        elsewhere: Elsewhere,
    ) -> None:
        self._definitions = definitions
        self._books = books
        self._learn = learn
        self._clock = clock
        self._elsewhere = elsewhere

    async def every(self, call: Call) -> Response:
        """Those that concern the caller's tenant."""
        return reply({"budgets": await self._rows(call.principal.tenant, None)})

    async def one(self, call: Call) -> Response:
        """One of them; another tenant's is as unknown as none."""
        wanted = call.request.path_params["id"]
        rows = await self._rows(call.principal.tenant, wanted)
        if not rows:
            raise _unknown(wanted)
        return reply(rows[0])

    async def put(self, call: Call) -> Response:
        """Make one, or change it: from now on, and what was spent today counts."""
        tenant, wanted = call.principal.tenant, call.request.path_params["id"]
        self._must_be_at_home(tenant)
        body: BudgetBody = call.body
        if not _ID.fullmatch(wanted):
            await self._must_not_be_configured(tenant, wanted)
            message = "An id is letters, digits, _ and -, 64 at most."
            raise RequestError("invalid_request", message, (Violation("/id", message),))
        if body.scope == "tenant" and body.subject is not None:
            message = "The tenant is the caller's own; leave the field out."
            raise RequestError("invalid_request", message, (Violation("/subject", message),))
        limit = to_pico(Decimal(str(body.usd_per_day)))
        budget = Budget(wanted, Scope(body.scope), limit, tenant, body.subject)
        if not await self._definitions.put(budget):
            message = f"There are {MADE_MAX} budgets already; leave subject out for one of every {body.scope}."
            raise RequestError("too_many_budgets", message)
        await self._learn()
        return reply((await self._rows(tenant, wanted))[0])

    def intent(self, call: Call) -> list[str]:
        """Of a PUT: how much there is to be, and for each of what."""
        body: BudgetBody = call.body
        whose = "each" if body.subject is None and body.scope != "tenant" else "one"
        return [f"scope:{body.scope}", f"of:{whose}", f"usd_per_day:{body.usd_per_day}"]

    async def delete(self, call: Call) -> Response:
        """Take one away that was made here."""
        tenant, wanted = call.principal.tenant, call.request.path_params["id"]
        self._must_be_at_home(tenant)
        if not await self._definitions.delete(tenant, wanted):
            await self._must_not_be_configured(tenant, wanted)
            raise _unknown(wanted)
        await self._learn()
        return reply({"id": wanted, "deleted": True})

    def _must_be_at_home(self, tenant: str) -> None:
        if (home := self._elsewhere.homes.away(tenant)) is not None:
            message = f"The tenant's budgets are at home in {home}; change them there."
            raise MisdirectedRequest(message, home)

    async def _must_not_be_configured(self, tenant: str, wanted: str) -> None:
        if any(b.id == wanted and b.is_configured for b in await self._definitions.of(tenant)):
            message = f"The budget {wanted} is in the configuration; change it there."
            raise ConflictError("budget_configured", message)

    async def _rows(self, tenant: str, wanted: str | None) -> list[JsonObject]:
        home = self._elsewhere.homes.away(tenant)
        if home is not None:
            return await self._borrowed(home, tenant, wanted)
        budgets = await self._definitions.of(tenant)
        budgets = [b for b in budgets if wanted is None or b.id == wanted]
        now = self._clock.now()
        books = await self._books.books(tenant, budgets, now) if budgets else {}
        rows: list[JsonObject] = []
        for budget in budgets:
            shown = {name: lent_of(book, now) for name, book in books[budget.id].items()}
            rows.append(row(budget, tenant, shown, Shown(left=budget.limit_pico), now))
        return rows

    async def _borrowed(self, home: str, tenant: str, wanted: str | None) -> list[JsonObject]:
        """What this region holds of the budgets of a tenant that is at home in another."""
        told = (await self._elsewhere.abroad.all()).get(home)
        if told is None:
            raise BudgetUnavailable(f"The region {home} did not tell yet which budgets there are.")
        budgets = [b for b in told if b.tenant in {None, tenant} and wanted in {None, b.id}]
        now, here = self._clock.now(), self._elsewhere.homes.here
        shown: dict[str, dict[str, Shown]] = {budget.id: {} for budget in budgets}
        for held in await self._elsewhere.loans.held(tenant, day_at(now), now):
            if held.key.budget in shown:
                shown[held.key.budget][held.key.subject] = held_of(held, here, now)
        rows = [row(budget, tenant, shown[budget.id], Shown(), now) for budget in budgets]
        return [{**one, "home": home} for one in rows]


def _unknown(wanted: str) -> AccessError:
    return AccessError("not_found", f"There is no budget {wanted[:64]}.")
