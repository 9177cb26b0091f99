"""The knowledge server searches the records of whom the caller may ask about, and of nobody else."""

from collections.abc import Sequence

import pytest

from actors.audience import Audience
from actors.knowledge import Passage
from deployments.mcp_gateway.caller import Caller
from deployments.mcp_gateway.context import ContextGateway
from deployments.mcp_gateway.gateway import Gateway
from deployments.mcp_gateway.servers.knowledge import knowledge_server
from deployments.security.principal import Principal
from routing.clock import SystemClock


class Invoices:
    """Records of whomever it is asked about."""

    async def search(
        self, tenant: str, query: str, user_id: str | None, limit: int, reach: Audience
    ) -> Sequence[Passage]:
        return [Passage("database", "inv1", "Invoice", f"record of {user_id}", "public")]


@pytest.mark.parametrize(
    ("permissions", "customer", "is_found"),
    [
        ((), "victim", False),
        ((), "key:mallory", True),
        (("customers:any",), "victim", True),
    ],
)
async def test_records_are_searched_for_whom_the_caller_may_ask_about(
    permissions: tuple[str, ...], customer: str, *, is_found: bool
) -> None:
    gateway = Gateway(
        [await knowledge_server(ContextGateway({"database": Invoices()}))], SystemClock()
    )
    may = frozenset({"mcp:context", *permissions})
    principal = Principal("acme", "key:mallory", frozenset(), may)
    asking = Caller(principal, customer, tainted=True)
    outcome = await gateway.call(asking, "knowledge__search", {"query": "invoice"})
    assert (f"record of {customer}" in outcome.text) is is_found
    assert outcome.is_error is not is_found
