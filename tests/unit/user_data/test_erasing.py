"""An erasure takes one person out of every table, and tells what it did and what it left."""

import asyncio

import pytest
from sqlalchemy import Connection, insert

from actors.audit import AuditUnavailable
from actors.database import Accounts, Conversations, Database, Idempotency, NewTurn
from actors.database.budget_books import KEPT_DAYS, BudgetBooks
from actors.database.idempotency import LEASE_S, Fresh
from actors.database.legal_holds import LegalHold, LegalHolds
from actors.database.memory_facts import Facts, NewFact
from actors.database.people_map import HOLDINGS
from actors.database.person_erasure import PersonErasure
from actors.database.tool_tables import incident
from actors.memory import Memory
from deployments.security.principal import Principal
from deployments.security.trail import Trail
from deployments.user_data.erasing import ERASED, SETTLE_S, SETTLED, Erasing
from routing.clock import ManualClock
from routing.errors import AccessError, ConflictError
from tests.audit_world import AuditWorld
from tests.people_world import (
    ABOUT_NAMES,
    ANN,
    AT,
    SOMEBODY,
    Somebody,
    everything,
    of_others,
)

ADMIN = Principal(ANN.tenant, "key:0123456789abcdef")
GONE = {holding.section for holding in HOLDINGS if holding.fate == "erased"}


@pytest.fixture
def erasing(database: Database, memory: Memory, trail: Trail, clock: ManualClock) -> Erasing:
    # Three rows at a time, so that a section takes several transactions.
    return Erasing(PersonErasure(database, batch=3), memory.erasure, trail, clock)


async def test_after_an_erasure_no_row_says_who_it_was_but_those_that_tell_why(
    database: Database, erasing: Erasing, clock: ManualClock
) -> None:
    before = await everything(database)
    report = await erasing.erase(ADMIN, ANN.user)
    assert report is not None
    assert set(report.row.erased) == GONE
    clock.advance(SETTLE_S)
    await erasing.go_on(ADMIN, 10)
    after = await everything(database)
    assert not [row for rows in after.values() for row in rows if ANN.canary in row]
    named = {
        table
        for table, rows in after.items()
        if any(f"'{ANN.tenant}'" in row and ANN.user in row for row in rows)
    }
    assert named == ABOUT_NAMES
    assert of_others(after, ANN) == of_others(before, ANN)


async def test_what_is_kept_is_counted_with_its_reason_and_a_pseudonym(
    database: Database, erasing: Erasing
) -> None:
    report = await erasing.erase(ADMIN, ANN.user)
    assert report is not None
    kept = {holding.section: holding.why for holding in HOLDINGS if holding.fate != "erased"}
    assert {name: told["why"] for name, told in report.row.kept.items()} == {
        **kept, "named_in": "What was done for others; who did it is replaced by a pseudonym.",
    }  # fmt: skip
    assert all(int(told["records"]) > 0 for told in report.row.kept.values())
    (invoice,) = [row for row in (await everything(database))["invoice"] if ANN.id in row]
    assert report.row.person in invoice


async def test_what_is_kept_for_a_days_limits_is_gone_days_later(
    database: Database, erasing: Erasing
) -> None:
    await erasing.erase(ADMIN, ANN.user)
    await BudgetBooks(database).prune(20_454 + KEPT_DAYS + 1)
    left = await everything(database)
    assert not left["budget_spend"] + left["budget_lease"]


async def test_the_same_again_tells_the_same(erasing: Erasing, clock: ManualClock) -> None:
    first = await erasing.erase(ADMIN, ANN.user)
    again = await erasing.erase(ADMIN, ANN.user)
    clock.advance(SETTLE_S)
    await erasing.go_on(ADMIN, 10)
    settled = await erasing.erase(ADMIN, ANN.user)
    assert first is not None
    assert again is not None
    assert settled is not None
    assert first.body == again.body == settled.body
    assert first.digest == settled.digest
    assert (again.row.state, settled.row.state) == ("settling", "settled")
    assert settled.row.user_id is None


async def test_a_key_that_an_erased_person_made_opens_nothing_and_is_nobodys(
    database: Database, erasing: Erasing
) -> None:
    """Whatever it may do, and although no directory ever said who they are."""
    accounts = Accounts(database)
    theirs = await accounts.create_key(
        ANN.tenant, "laptop of ann", frozenset({"admin"}), AT, created_by=ANN.user
    )
    nobodys = await accounts.create_key(ANN.tenant, "shop", frozenset({"agent"}), AT)
    assert await accounts.verify(theirs.secret, AT) is not None
    report = await erasing.erase(ADMIN, ANN.user)
    assert report is not None
    assert await accounts.verify(theirs.secret, AT) is None
    assert await accounts.verify(nobodys.secret, AT) is not None
    ended = await accounts.find_key(theirs.key.key_id)
    assert ended is not None
    assert ended.created_by == report.row.person
    assert (ended.revoked_at, ended.name) == (report.row.begun_at, "erased")


async def test_nobody_makes_a_key_while_they_are_erased(
    database: Database, erasing: Erasing, clock: ManualClock
) -> None:
    """By a session or a key that a replica still remembers; not by replacing one either."""
    accounts, agent = Accounts(database), frozenset({"agent"})
    nobodys = await accounts.create_key(ANN.tenant, "shop", agent, AT)
    await erasing.erase(ADMIN, ANN.user)
    with pytest.raises(ConflictError) as refused:
        await accounts.create_key(ANN.tenant, "late", agent, AT, created_by=ANN.user)
    assert refused.value.code == "being_erased"
    with pytest.raises(ConflictError):
        await accounts.replace_key(ANN.tenant, nobodys.key.key_id, AT, 60.0, None, ANN.user)
    clock.advance(SETTLE_S)
    await erasing.go_on(ADMIN, 10)
    await accounts.create_key(ANN.tenant, "another ann", agent, AT, created_by=ANN.user)


def test_a_persons_keys_end_before_what_held_them_to_less() -> None:
    """Whoever dies in the middle leaves no key that may do more than a moment before."""
    sections = [holding.section for holding in HOLDINGS]
    assert sections.index("keys") < min(sections.index("sessions"), sections.index("roles"))


async def test_of_whom_nothing_is_known_nothing_is_erased(
    database: Database, erasing: Erasing
) -> None:
    """Nobody, and somebody of another tenant: no difference but the name."""
    before = await everything(database)
    assert await erasing.erase(ADMIN, "nobody") is None
    assert await erasing.erase(Principal("initech", "key:1"), ANN.user) is None
    assert await everything(database) == before


@pytest.mark.parametrize("user", ["os:0", "os:1000", "key:0123456789abcdef"])
async def test_whoever_may_use_the_machine_erases_no_account_and_no_key(
    database: Database, erasing: Erasing, user: str
) -> None:
    """The road of `supportmax user erase`."""
    before = await everything(database)
    with pytest.raises(AccessError) as refused:
        await erasing.erase(Principal(ANN.tenant, "os:0"), user)
    assert refused.value.code == "forbidden"
    assert await everything(database) == before


async def test_the_counts_are_on_record_under_the_digest_of_the_answer(
    audit: AuditWorld, database: Database, memory: Memory, clock: ManualClock
) -> None:
    async with audit.trail() as trail:
        erasing = Erasing(PersonErasure(database), memory.erasure, trail, clock)
        report = await erasing.erase(ADMIN, ANN.user)
        clock.advance(SETTLE_S)
        await erasing.go_on(ADMIN, 10)
    assert report is not None
    records = [record for record in audit.records() if record["action"] in {ERASED, SETTLED}]
    said = " ".join(str(record["reason"]) for record in records)
    assert "conversations:1" in said
    assert f"sha256:{report.digest}" in said
    assert records[-1]["action"] == SETTLED
    assert ANN.user.encode() not in audit.everything()
    assert audit.faults() == []


async def test_an_erasure_whose_counts_cannot_be_put_on_record_has_not_ended(
    audit: AuditWorld, database: Database, memory: Memory, clock: ManualClock
) -> None:
    """The rows are gone; the proof is made good by whoever goes on."""
    kept = audit.root.with_name("kept")
    audit.root.rename(kept)
    audit.root.write_text("not a folder")
    async with audit.trail() as trail:
        erasing = Erasing(PersonErasure(database), memory.erasure, trail, clock)
        with pytest.raises(AuditUnavailable):
            await erasing.erase(ADMIN, ANN.user)
        (open_,) = await PersonErasure(database).open(clock.now(), 10)
        assert open_.state == "erasing"
        audit.root.unlink()
        kept.rename(audit.root)
        await erasing.go_on(ADMIN, 10)
        report = await erasing.erase(ADMIN, ANN.user)
    assert report is not None
    reasons = [record["reason"] for record in audit.records()]
    assert f"sha256:{report.digest}" in reasons


async def test_who_is_under_a_hold_is_not_erased(
    database: Database, erasing: Erasing, memory: Memory
) -> None:
    holds = LegalHolds(database)
    await holds.place(ANN.tenant, LegalHold(ANN.user, "key:1", AT))
    before = await everything(database)
    for work in (erasing.erase(ADMIN, ANN.user), memory.erasure.erase(ANN.tenant, ANN.user)):
        with pytest.raises(ConflictError) as refused:
            await work
        assert refused.value.code == "legal_hold"
    assert await everything(database) == before
    assert await holds.lift(ANN.tenant, ANN.user)
    assert await erasing.erase(ADMIN, ANN.user) is not None
    with pytest.raises(ConflictError) as late:
        await holds.place(ANN.tenant, LegalHold(ANN.user, "key:1", AT))
    assert late.value.code == "being_erased"


async def test_an_answer_that_was_under_way_brings_nothing_back(
    database: Database, erasing: Erasing, clock: ManualClock
) -> None:
    """Its conversation, its facts and its kept answer: all come after the erasure, none is kept."""
    kept = Idempotency(database)
    begun = await kept.begin(ANN.tenant, "a key", "hash", clock.now(), ANN.user)
    assert isinstance(begun, Fresh)
    await erasing.erase(ADMIN, ANN.user)
    turns = [
        NewTurn("user", ANN.canary, clock.now()),
        NewTurn("assistant", ANN.canary, clock.now()),
    ]
    with pytest.raises(AccessError):
        await Conversations(database).append(ANN.tenant, f"conv_{ANN.id}", ANN.user, turns)
    fact = NewFact("f", "plan", ANN.canary, "customer", "c#1", ANN.canary, "key:1", AT, AT)
    with pytest.raises(ConflictError):
        await Facts(database).remember(ANN.tenant, ANN.user, fact)
    assert not await kept.finish(ANN.tenant, "a key", begun.lease, 200, {"text": ANN.canary})
    assert not [
        row for rows in (await everything(database)).values() for row in rows if ANN.canary in row
    ]
    clock.advance(SETTLE_S)
    await erasing.go_on(ADMIN, 10)
    # From then on who comes back begins anew.
    await Conversations(database).append(ANN.tenant, f"conv_{ANN.id}", ANN.user, turns)


async def test_an_answer_whose_key_was_taken_over_is_still_about_somebody(
    database: Database, erasing: Erasing, clock: ManualClock
) -> None:
    """Whoever repeats the request after the first died: the answer goes with the person too."""
    kept = Idempotency(database)
    await kept.begin(ANN.tenant, "a key", "hash", clock.now(), ANN.user)
    await erasing.erase(ADMIN, ANN.user)
    clock.advance(LEASE_S)
    await erasing.go_on(ADMIN, 10)
    again = await kept.begin(ANN.tenant, "a key", "hash", clock.now(), ANN.user)
    assert isinstance(again, Fresh)
    assert await kept.finish(ANN.tenant, "a key", again.lease, 200, {"text": ANN.canary})
    report = await erasing.erase(ADMIN, ANN.user)
    assert report is not None
    assert report.row.erased == {"kept_answers": 1}


async def test_what_came_in_beside_the_bars_is_found_when_it_is_settled(
    database: Database, erasing: Erasing, clock: ManualClock
) -> None:
    first = await erasing.erase(ADMIN, ANN.user)
    late = Somebody(ANN.tenant, ANN.user)
    await database.write(lambda connection: _late_incident(connection, late))
    clock.advance(SETTLE_S)
    await erasing.go_on(ADMIN, 10)
    again = await erasing.erase(ADMIN, ANN.user)
    assert first is not None
    assert again is not None
    assert again.row.erased["incidents"] == first.row.erased["incidents"] + 1


def _late_incident(connection: Connection, one: Somebody) -> None:
    row = {
        "tenant": one.tenant, "id": "late", "user_id": one.user, "severity": 1, "title": "-",
        "description": "-", "status": "open", "call_id": "-", "at": AT,
    }  # fmt: skip
    connection.execute(insert(incident), row)


async def test_conversations_go_on_while_somebody_is_erased(
    database: Database, erasing: Erasing
) -> None:
    """Ten others talk; each of their turns is kept."""
    conversations = Conversations(database)

    async def talk(number: int) -> int:
        turns = [NewTurn("user", "hello", AT), NewTurn("assistant", "hello", AT)]
        heads = [
            await conversations.append(ANN.tenant, f"c{number}", SOMEBODY, turns) for _ in range(5)
        ]
        return heads[-1].last_seq

    async with asyncio.timeout(60):
        said, *_ = await asyncio.gather(
            asyncio.gather(*(talk(number) for number in range(10))),
            erasing.erase(ADMIN, ANN.user),
            erasing.erase(ADMIN, ANN.user),
        )
    assert said == [10] * 10
    report = await erasing.erase(ADMIN, ANN.user)
    assert report is not None
    # Two at once count each row once.
    assert report.row.erased["conversations"] == 1
