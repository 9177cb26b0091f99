"""The course of an agent's turn on Direct Line: what is said when, and where the line breaks.

`plan_turn` is pure and decides; `hold_turn` does it, and stops when the client has hung up.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import anyio

from deployments.simulators.copilot_agent import with_id
from deployments.simulators.copilot_conversations import SimConversation
from deployments.simulators.delivery import Pace
from deployments.simulators.faults import Behaviour, Cut, Disconnect, Garbage, Slow, Stall
from deployments.simulators.frames import Event, place_after
from deployments.simulators.journal import Entry

GOING_AWAY = 1_001
BROKEN = 1_011
_GARBAGE = b'{"activities": [<garbage>'


@dataclass(frozen=True, slots=True)
class Say:
    """Say an activity, after a wait."""

    wait_s: float
    event: Event


@dataclass(frozen=True, slots=True)
class Garble:
    """Send what is not JSON, and keep nothing."""

    wait_s: float


@dataclass(frozen=True, slots=True)
class HangUp:
    """Close the line; what follows is kept for who comes back."""

    wait_s: float
    code: int


Step: TypeAlias = Say | Garble | HangUp


def plan_turn(events: Sequence[Event], pace: Pace, behaviour: Behaviour | None) -> list[Step]:
    """Plan a turn; behaviours which are not about delivery change nothing."""
    match behaviour:
        case Slow(delay_ms=delay_ms, chunk_delay_ms=chunk_delay_ms):
            return plan_turn(events, Pace(delay_ms / 1_000, chunk_delay_ms / 1_000), None)
        case Cut(after_chunks=chunks):
            return _with(HangUp(0.0, GOING_AWAY), place_after(chunks, events), events, pace)
        case Disconnect(after_chunks=chunks):
            return _with(HangUp(0.0, BROKEN), place_after(chunks, events), events, pace)
        case Garbage(after_chunks=chunks):
            return _with(Garble(0.0), place_after(chunks, events), events, pace)
        case Stall(after_chunks=chunks, stall_s=stall_s):
            at = place_after(chunks, events)
            steps = _said(events, pace)
            return [*steps[:at], Say(stall_s, events[at]), *steps[at + 1 :]]
        case _:
            return list(_said(events, pace))


async def hold_turn(conversation: SimConversation, entry: Entry, steps: Sequence[Step]) -> None:
    """Hold a turn; the entry ends with it, or has ended because the client has left."""
    for step in steps:
        if step.wait_s:
            with anyio.move_on_after(step.wait_s):
                await entry.ended.wait()
        if entry.ended.is_set():
            return
        match step:
            case Say(event=event):
                is_kept = event.payload["type"] != "typing"
                event = with_id(event, conversation.next_id()) if is_kept else event
                conversation.say(event.payload)
            case Garble():
                conversation.tell(_GARBAGE)
            case HangUp(code=code):
                conversation.hang_up(code)
    entry.completed = True
    entry.ended.set()


def _said(events: Sequence[Event], pace: Pace) -> list[Step]:
    begun = False
    steps: list[Step] = []
    for event in events:
        wait_s = pace.chunk_s if event.is_chunk and begun else 0.0
        begun = begun or event.is_chunk
        steps.append(Say(wait_s if steps else pace.first_byte_s, event))
    return steps


def _with(step: Step, place: int, events: Sequence[Event], pace: Pace) -> list[Step]:
    steps = _said(events, pace)
    return [*steps[:place], step, *steps[place:]]
