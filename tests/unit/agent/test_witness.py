"""Decisions are written together, soon, off the way of the questions they send."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import pytest

from actors.database.errors import DatabaseBusy
from deployments.agent import witness as witnesses
from deployments.agent.certificate import read_certificate, replay
from deployments.agent.witness import WRITE_AFTER_S, WRITE_MAX, Witness
from routing.catalog import Catalog
from routing.decision import Decision
from routing.policies.balanced import Weights
from routing.scorecard import Scorecard, Snapshot
from tests.unit.routing.worlds import asked, platform, seen
from tests.unit.virtual_time import LoopClock

if TYPE_CHECKING:
    from actors.database.decisions import NewDecision

CATALOG = Catalog([platform("openai"), platform("anthropic")])
BOARD = seen(Scorecard("openai", 500.0, 900.0))


class Archive:
    """Keeps decisions and worlds, unless it is busy; notes every time it was asked to."""

    def __init__(self, *, busy: int = 0) -> None:
        self.written: list[list[NewDecision]] = []
        self.worlds: list[Mapping[str, bytes]] = []
        self._busy = busy

    async def put(self, *given: Any) -> None:
        if self._busy:
            self._busy -= 1
            raise DatabaseBusy("too many wait")
        match given:
            case (dict() as parts, float()):
                self.worlds.append(parts)
            case (list() as rows,):
                self.written.append(rows)
            case unknown:
                raise AssertionError(unknown)

    @property
    def ids(self) -> list[str]:
        return [row.id for rows in self.written for row in rows]


def witness(archive: Archive) -> Witness:
    kept = cast("Any", archive)
    return Witness(CATALOG, kept, kept, Weights(), LoopClock())


def keep(by: Witness, count: int, board: Snapshot = BOARD) -> Sequence[Decision]:
    taken = [by.named(asked(CATALOG.profiles, board, seed=n), board) for n in range(count)]
    for number, decision in enumerate(taken):
        by.keep("acme", f"ans_{number}", decision, board)
    return taken


async def test_decisions_of_a_moment_are_written_together_after_their_questions_are_sent() -> None:
    """Whoever waits for an answer waits for no transaction; the world is written once."""
    archive = Archive()
    keep(witness(archive), 20)
    assert archive.written == []
    await asyncio.sleep(2 * WRITE_AFTER_S)
    assert [len(rows) for rows in archive.written] == [20]
    assert len(archive.worlds) == 1


async def test_what_was_written_later_is_enough_to_take_the_decision_again() -> None:
    archive = Archive()
    (decision,) = keep(witness(archive), 1)
    await asyncio.sleep(2 * WRITE_AFTER_S)
    ((row,),) = archive.written
    certificate: Any = row.body["certificate"]
    again = replay(read_certificate(certificate), archive.worlds[0], decision.id)
    assert {**again.to_json(), "world": decision.world} == decision.to_json()


async def test_each_board_is_written_before_the_first_decision_on_it() -> None:
    """A decision that is kept can be replayed, whatever happens to those after it."""
    archive = Archive()
    by = witness(archive)
    keep(by, 2)
    keep(by, 2, seen(Scorecard("openai", 700.0, 1_900.0)))
    await asyncio.sleep(2 * WRITE_AFTER_S)
    named = {row.body["world"]["snapshot"] for rows in archive.written for row in rows}  # type: ignore[call-overload,index]
    assert named <= {name for parts in archive.worlds for name in parts}
    assert len(archive.worlds) == 2


async def test_a_busy_database_is_asked_again_and_nothing_is_written_twice() -> None:
    archive = Archive(busy=3)
    by = witness(archive)
    keep(by, 3)
    await asyncio.sleep(6 * WRITE_AFTER_S)
    assert len(archive.ids) == 3


async def test_a_backlog_is_written_in_pieces_that_the_event_loop_can_bear() -> None:
    archive = Archive()
    keep(witness(archive), 2 * WRITE_MAX + 1)
    await asyncio.sleep(5 * WRITE_AFTER_S)
    assert [len(rows) for rows in archive.written] == [WRITE_MAX, WRITE_MAX, 1]


async def test_with_too_many_waiting_the_newest_decisions_are_dropped_aloud(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(witnesses, "WAITING_MAX", 3)
    archive = Archive()
    by = witness(archive)
    keep(by, 5)
    await by.aclose()
    assert [row.answer_id for rows in archive.written for row in rows] == [
        "ans_0",
        "ans_1",
        "ans_2",
    ]
    assert "was not kept" in caplog.text


async def test_a_process_that_stops_writes_what_waits() -> None:
    archive = Archive()
    by = witness(archive)
    keep(by, WRITE_MAX + 1)
    await by.aclose()
    assert len(archive.ids) == WRITE_MAX + 1


async def test_a_process_that_stops_does_not_wait_for_a_database_that_is_away() -> None:
    archive = Archive(busy=10**9)
    by = witness(archive)
    keep(by, 3)
    async with asyncio.timeout(1.0):
        await by.aclose()
    assert archive.written == []


def test_a_decision_that_was_shown_before_it_was_named_shows_its_world_afterwards() -> None:
    """What is shown is made once, for each decision its own."""
    by = witness(Archive())
    bare = asked(CATALOG.profiles, BOARD)
    assert bare.to_json()["world"] == {}
    named = by.named(bare, BOARD)
    assert named.to_json()["world"] == named.world != {}
