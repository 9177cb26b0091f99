"""Refunds: in no order of calls, repeats, crashes and approvals does more go back than was paid."""

import asyncio
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from typing_extensions import override

from actors.database import tool_calls
from deployments.mcp_gateway.business.approval_queue import requester_of
from deployments.mcp_gateway.tool import ToolOutcome
from tests.unit.tools.desk import calling, opened, person

if TYPE_CHECKING:
    from routing.message import Json

# Some 1,000 real transactions: 15 s on an idle machine, minutes on a busy one.
pytestmark = pytest.mark.timeout(300)

# A large invoice, two small ones of one customer, and one that is not user_123's.
PAID = {"INV-2026-0001": 199_000, "INV-2026-0031": 4_900, "INV-2026-0039": 4_900}
OWNER = {"INV-2026-0001": "user_128", "INV-2026-0031": "user_123", "INV-2026-0039": "user_123"}
AGENTS_LIMIT_CENTS = 20_000

invoices = st.sampled_from(sorted(PAID))
customers = st.sampled_from(["user_123", "user_128"])
amounts = st.one_of(
    st.none(), st.sampled_from([1, 2_500, 4_900, 15_000, 20_000, 199_000]), st.integers(1, 30_000)
)
keys = st.one_of(st.none(), st.sampled_from(["a", "b", "c"]))
agents = st.sampled_from(["ann", "bob"])
asked = st.tuples(agents, customers, invoices, amounts, keys)
Asked: TypeAlias = tuple[str, str, str, int | None, str | None]


class Refunds(RuleBasedStateMachine):
    """Two agents, a supervisor, one database."""

    @initialize()
    def begin(self) -> None:
        self.loop = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.stack = AsyncExitStack()
        self.run(self._open())
        # What each key was first answered, and every refund that was reported.
        self.answers: dict[tuple[str, str], tuple[object, str]] = {}
        self.reported: dict[str, int] = {}
        self.waiting: list[str] = []

    async def _open(self) -> None:
        path = Path(self.folder.name) / "desk.db"
        self.desk = await self.stack.enter_async_context(opened(path))

    def run(self, coroutine: object) -> object:
        return self.loop.run(coroutine)  # type: ignore[arg-type]

    async def ask(self, call: Asked) -> ToolOutcome:
        agent, customer, invoice, cents, key = call
        arguments: dict[str, Json] = {"invoice_id": invoice, "reason": "GOODWILL"}
        arguments |= {} if cents is None else {"amount_usd": cents / 100}
        return await self.desk.call(
            calling(customer=customer, name=agent), "refund_invoice", arguments, key
        )

    def note(self, call: Asked, outcome: ToolOutcome) -> None:
        agent, customer, invoice, cents, key = call
        if outcome.needs_approval is not None:
            self.waiting.append(outcome.needs_approval.id)
            return
        if key is not None and "idempotency_key_reused" not in outcome.text:
            what = (customer, invoice, cents)
            first = self.answers.setdefault((agent, key), (what, outcome.text))
            if first[0] == what and '"approval_needed"' not in first[1]:
                assert outcome.text == first[1]
        if not outcome.is_error:
            assert isinstance(outcome.structured, dict)
            refund, usd = outcome.structured["refund_id"], outcome.structured["refunded_usd"]
            assert OWNER[invoice] == customer
            assert isinstance(refund, str)
            assert isinstance(usd, float)
            assert self.reported.setdefault(refund, round(usd * 100)) == round(usd * 100)

    @rule(call=asked)
    def one(self, call: Asked) -> None:
        outcome = self.run(self.ask(call))
        assert isinstance(outcome, ToolOutcome)
        self.note(call, outcome)

    @rule(calls=st.lists(asked, min_size=2, max_size=8))
    def many_at_once(self, calls: list[Asked]) -> None:
        async def all_of_them() -> list[ToolOutcome]:
            return await asyncio.gather(*map(self.ask, calls))

        outcomes = self.run(all_of_them())
        assert isinstance(outcomes, list)
        for call, outcome in zip(calls, outcomes, strict=True):
            self.note(call, outcome)

    @rule(call=asked)
    def dies_between_doing_and_noting(self, call: Asked) -> None:
        kept = tool_calls._ended

        def dies(keys: object, call: object, outcome: object, now: float) -> dict[str, object]:
            raise MemoryError

        tool_calls._ended = dies
        try:
            self.run(self.ask(call))
        finally:
            tool_calls._ended = kept

    @rule(approved=st.booleans(), twice=st.booleans())
    def decide(self, approved: bool, twice: bool) -> None:
        if not self.waiting:
            return
        approval_id = self.waiting.pop()
        self.run(self._decide(approval_id, approved=approved, times=2 if twice else 1))

    async def _decide(self, approval_id: str, *, approved: bool, times: int) -> None:
        supervisor, desk = person("supervisor", "sue"), self.desk
        row = await desk.approvals.get(supervisor.tenant, approval_id, desk.clock.now())
        assert row is not None
        if row.state != "waiting":
            return
        try:
            await desk.gateway.decide(supervisor, approval_id, approved=approved)
        except Exception as error:  # noqa: BLE001  a limit above the supervisor's: it goes on waiting
            assert "higher limit" in str(error)  # noqa: PT017
            return
        if not approved:
            return
        caller = requester_of(row, supervisor)
        outcomes = await asyncio.gather(
            *(desk.gateway.call(caller, row.tool, row.arguments) for _ in range(times))
        )
        done = {str(o.structured) for o in outcomes if not o.is_error}
        assert len(done) <= 1
        for outcome in outcomes:
            if not outcome.is_error:
                assert isinstance(outcome.structured, dict)
                refund, usd = outcome.structured["refund_id"], outcome.structured["refunded_usd"]
                assert isinstance(usd, float)
                self.reported[str(refund)] = round(usd * 100)

    @rule()
    def starts_again(self) -> None:
        self.run(self.stack.aclose())
        self.stack = AsyncExitStack()
        self.run(self._open())

    @invariant()
    def never_more_than_was_paid(self) -> None:
        for invoice, paid in PAID.items():
            back = self.run(self.desk.refunded_cents(invoice))
            assert isinstance(back, int)
            assert 0 <= back <= paid
            status = "refunded" if back == paid else "partly_refunded" if back else "paid"
            query = f"SELECT count(*) FROM invoice WHERE id='{invoice}' AND status='{status}'"  # noqa: S608
            assert self.run(self.desk.scalar(query)) == 1

    @invariant()
    def what_was_reported_is_what_was_done(self) -> None:
        query = "SELECT coalesce(sum(amount_cents),0) FROM refund"
        assert self.run(self.desk.scalar(query)) == sum(self.reported.values())
        assert self.run(self.desk.scalar("SELECT count(*) FROM refund")) == len(self.reported)

    @invariant()
    def nobody_passes_an_agents_limit_without_an_approval(self) -> None:
        query = """SELECT coalesce(max(alone), 0) FROM (
            SELECT sum(r.amount_cents) AS alone FROM refund r
            JOIN tool_call c ON c.id = r.call_id WHERE c.approval_id IS NULL GROUP BY r.user_id)"""
        alone = self.run(self.desk.scalar(query))
        assert isinstance(alone, int)
        assert alone <= AGENTS_LIMIT_CENTS

    @override
    def teardown(self) -> None:
        if hasattr(self, "loop"):
            self.run(self.stack.aclose())
            self.loop.close()
            self.folder.cleanup()


TestRefunds = Refunds.TestCase
TestRefunds.settings = settings(max_examples=12, stateful_step_count=20, deadline=None)
