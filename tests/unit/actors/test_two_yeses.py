"""Where it takes two people, the yes of one who is put out meanwhile is not one of the two."""

from dataclasses import replace

import pytest
from sqlalchemy import update
from typing_extensions import override

from actors.database import ApprovalRow, Approvals, Database
from actors.database.directory_ends import end_access
from actors.database.directory_rows import UserRow
from actors.database.directory_users import DirectoryUsers
from actors.database.tool_tables import tool_approval
from deployments.mcp_gateway.business.approval_queue import ApprovalQueue
from deployments.mcp_gateway.gateway import Gateway
from deployments.mcp_gateway.servers.tools import tools_server
from routing.errors import AccessError
from routing.message import Json
from tests.unit.tools.desk import NOON, Desk, calling, desk_over, person, program

# user_128 paid $1,990 at once: more than an agent may give back.
LARGE: dict[str, Json] = {"invoice_id": "INV-2026-0001", "reason": "GOODWILL", "amount_usd": 500}


class TakenBack(Approvals):
    """Whoever said yes first is put out just after the second person's word was heard."""

    @override
    async def agree(
        self, tenant: str, approval_id: str, person: str, now: float
    ) -> ApprovalRow | None:
        found = await super().agree(tenant, approval_id, person, now)
        if found is not None and found.first_by is not None and found.first_by != person:
            left = found.first_by
            await self._database.write(lambda c: end_access(c, tenant, left, now, 1, folds=False))
        return found


async def waiting(desk: Desk) -> str:
    """The id of what a key of nobody's asked for."""
    caller = replace(calling(customer="user_128"), principal=program("agent"))
    asked = await desk.call(caller, "refund_invoice", LARGE)
    assert asked.needs_approval is not None
    return asked.needs_approval.id


async def test_what_is_left_when_one_of_two_is_put_out_is_one(database: Database) -> None:
    """It waits for another, who is the second."""
    desk = await desk_over(database)
    queue = ApprovalQueue(TakenBack(database), desk.runner, desk.clock)
    gateway = Gateway([await tools_server(desk.runner)], desk.clock, queue)
    approval = await waiting(desk)
    ada = person("admin", "ada")
    for approver in (person("supervisor", "sue"), ada, ada):
        shown = await gateway.decide(approver, approval, approved=True)
        assert shown.state == "waiting"
    row = await desk.approvals.get("northwind", approval, desk.clock.now())
    assert row is not None
    assert (row.state, row.first_by, row.decided_by) == ("waiting", "okta:ada", None)
    eve = await desk.gateway.decide(person("admin", "eve"), approval, approved=True)
    assert eve.state == "approved"


@pytest.mark.parametrize("first", [None, "okta:bob"])
async def test_a_second_yes_needs_the_first_that_was_seen(
    database: Database, first: str | None
) -> None:
    """That there is none is not somebody."""
    desk = await desk_over(database)
    approval = await waiting(desk)
    row = await desk.approvals.second(
        "northwind", approval, first, "okta:ada", "key:ada", ("admin",), desk.clock.now()
    )
    assert row is not None
    assert (row.state, row.first_by) == ("waiting", "okta:ada")


SUE = UserRow("northwind", "u-1", "sue", "sue", "okta:sue", True, {}, 1, NOON, NOON)


async def put_out(database: Database) -> UserRow:
    """Sue, by another replica than the one that hears her word."""
    users, out = DirectoryUsers(database), replace(SUE, active=False, version=2, updated_at=NOON)
    await users.create(SUE, folds=False)
    assert await users.replace(SUE, out, folds=False)
    return out


@pytest.mark.parametrize("approved", [True, False])
@pytest.mark.parametrize("of_nobodys", [True, False])
async def test_a_word_that_comes_just_after_its_person_was_put_out_counts_for_nothing(
    database: Database, *, of_nobodys: bool, approved: bool
) -> None:
    """The first of two, the only one, a no; and it counts once they are back."""
    desk = await desk_over(database)
    if of_nobodys:
        approval = await waiting(desk)
    else:
        asked = await desk.call(calling(customer="user_128"), "refund_invoice", LARGE)
        assert asked.needs_approval is not None
        approval = asked.needs_approval.id
    out, sue = await put_out(database), person("supervisor", "sue")
    with pytest.raises(AccessError, match="not active"):
        await desk.gateway.decide(sue, approval, approved=approved)
    row = await desk.approvals.get("northwind", approval, desk.clock.now())
    assert row is not None
    assert (row.state, row.first_by, row.decided_by) == ("waiting", None, None)
    back = replace(out, active=True, version=3, updated_at=NOON + 1)
    assert await DirectoryUsers(database).replace(out, back, folds=False)
    await desk.gateway.decide(sue, approval, approved=approved)
    row = await desk.approvals.get("northwind", approval, desk.clock.now())
    assert row is not None
    assert (row.first_by or row.decided_by) in {"okta:sue", "key:sue"}


async def test_a_first_yes_that_was_written_as_its_person_was_put_out_is_none(
    database: Database,
) -> None:
    """PostgreSQL lets both be done at once, and neither sees the other."""
    desk = await desk_over(database)
    approval = await waiting(desk)
    await put_out(database)
    late = update(tool_approval).where(tool_approval.c.id == approval)
    await database.write(lambda c: c.execute(late.values(first_by="okta:sue")).close())
    shown = await desk.approvals.second(
        "northwind", approval, "okta:sue", "okta:ada", "key:ada", ("admin",), desk.clock.now()
    )
    assert shown is not None
    assert (shown.state, shown.first_by) == ("waiting", "okta:ada")
    await database.write(lambda c: c.execute(late.values(first_by="okta:sue")).close())
    ada = await desk.gateway.decide(person("admin", "ada"), approval, approved=True)
    assert ada.state == "waiting"
    bob = await desk.gateway.decide(person("admin", "bob"), approval, approved=True)
    assert bob.state == "approved"


async def test_a_word_of_before_is_its_persons_in_whatever_spelling_it_was_kept(
    database: Database,
) -> None:
    """Whoever asked does not approve, and nobody is two, because names are kept otherwise now."""
    desk = await desk_over(database)
    before = replace(person("admin", "ada"), subject="okta:Ada", owner=None)
    now = replace(before, subject="okta:ada")
    asks = replace(person("agent", "ada"), subject="okta:Ada", owner=None)
    asked = await desk.call(
        replace(calling(customer="user_128"), principal=asks), "refund_invoice", LARGE
    )
    assert asked.needs_approval is not None
    with pytest.raises(AccessError, match="does not approve"):
        await desk.gateway.decide(now, asked.needs_approval.id, approved=True)
    approval = await waiting(desk)
    for word in (before, now):
        shown = await desk.gateway.decide(word, approval, approved=True)
        assert shown.state == "waiting"


async def test_where_no_directory_says_who_is_out_a_word_of_whoever_left_one_counts(
    database: Database,
) -> None:
    """The directory was taken out of the configuration, and its last word was that all of them go."""
    desk = await desk_over(database)
    approvals = Approvals(database, frozenset({"acme"}))
    queue = ApprovalQueue(approvals, desk.runner, desk.clock)
    gateway = Gateway([await tools_server(desk.runner)], desk.clock, queue)
    approval = await waiting(desk)
    await put_out(database)
    first = await gateway.decide(person("supervisor", "sue"), approval, approved=True)
    assert first.state == "waiting"
    second = await gateway.decide(person("admin", "ada"), approval, approved=True)
    assert second.state == "approved"
