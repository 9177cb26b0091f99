"""GET /v3/budgets and /admin/budgets: what may be spent today, and what is left of it."""

import re
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from starlette.responses import Response

from actors.database.budget_books import BudgetBooks
from actors.database.budgets import MADE_MAX, BudgetDefinitions
from deployments.ingress.routes import Call, reply
from routing.budget import DAY_S, Book, Budget, Scope, day_at, to_pico, to_usd
from routing.clock import Clock, rfc3339
from routing.errors import AccessError, ConflictError, RequestError, Violation
from routing.message import Json, JsonObject

if TYPE_CHECKING:
    from deployments.ingress.budget_schema import BudgetBody

# Those with the least left: who asks about more of them asks for a budget of their own.
SUBJECTS_SHOWN = 20
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class BudgetRoutes:
    """The routes of budgets; `learn` makes a change known in this process at once."""

    def __init__(
        self,
        definitions: BudgetDefinitions,
        books: BudgetBooks,
        learn: Callable[[], Awaitable[None]],
        clock: Clock,
    ) -> None:
        self._definitions = definitions
        self._books = books
        self._learn = learn
        self._clock = clock

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

    async def delete(self, call: Call) -> Response:
        """Take one away that was made here."""
        tenant, wanted = call.principal.tenant, call.request.path_params["id"]
        if not await self._definitions.delete(tenant, wanted):
            await self._must_not_be_configured(tenant, wanted)
            raise _unknown(wanted)
        await self._learn()
        return reply({"id": wanted, "deleted": True})

    async def _must_not_be_configured(self, tenant: str, wanted: str) -> None:
        if any(b.id == wanted and b.is_configured for b in await self._definitions.of(tenant)):
            message = f"The budget {wanted} is in the configuration; change it there."
            raise ConflictError("budget_configured", message)

    async def _rows(self, tenant: str, wanted: str | None) -> list[JsonObject]:
        budgets = await self._definitions.of(tenant)
        budgets = [b for b in budgets if wanted is None or b.id == wanted]
        now = self._clock.now()
        books = await self._books.books(tenant, budgets, now) if budgets else {}
        return [_row(budget, tenant, books[budget.id], now) for budget in budgets]


def _row(budget: Budget, tenant: str, books: Mapping[str, Book], now: float) -> JsonObject:
    subject = tenant if budget.scope is Scope.TENANT else budget.subject
    row: dict[str, Json] = {
        "id": budget.id,
        "scope": budget.scope.value,
        "subject": subject,
        "usd_per_day": _usd(budget.limit_pico),
        "configured": budget.is_configured,
        "resets_at": rfc3339(float((day_at(now) + 1) * DAY_S)),
    }
    if subject is not None:
        return row | _figures(books.get(subject, Book(budget.limit_pico)), now)
    of = sorted(books.items(), key=lambda item: (item[1].free, item[0]))
    return row | {
        "spent_usd": _usd(sum(book.spent_at(now) for book in books.values())),
        "reserved_usd": _usd(sum(_reserved(book, now) for book in books.values())),
        # Everybody has one of his own.
        "left_usd": None,
        "subjects": [
            {"subject": name, **_figures(book, now)} for name, book in of[:SUBJECTS_SHOWN]
        ],
    }


def _figures(book: Book, now: float) -> dict[str, Json]:
    return {
        "spent_usd": _usd(book.spent_at(now)),
        "reserved_usd": _usd(_reserved(book, now)),
        "left_usd": _usd(book.free),
    }


def _reserved(book: Book, now: float) -> int:
    return max(book.committed - book.spent_at(now), 0)


def _usd(pico: int) -> float:
    return float(to_usd(pico))


def _unknown(wanted: str) -> AccessError:
    return AccessError("not_found", f"There is no budget {wanted[:64]}.")
