"""The script: behaviours come in order, as often as asked, to the platform they were meant for."""

import pytest
from pydantic import ValidationError

from deployments.simulators.faults import MAX_QUEUED, Script, ScriptFullError, ScriptOrder


def order(*behaviours: dict[str, object], platform: str = "*") -> ScriptOrder:
    return ScriptOrder.model_validate({"behaviours": list(behaviours), "platform": platform})


def kinds(script: Script, platform: str, count: int) -> list[str | None]:
    taken = [script.take(platform) for _ in range(count)]
    return [behaviour.kind if behaviour else None for behaviour in taken]


def test_behaviours_come_in_order_and_as_often_as_asked() -> None:
    """A test of failover scripts exactly what happens first, second and third."""
    script = Script()
    script.append(order({"kind": "length", "times": 2}, {"kind": "cut"}))
    assert kinds(script, "openai", 4) == ["length", "length", "cut", None]


def test_a_behaviour_waits_for_its_own_platform() -> None:
    """One platform can fail while its neighbour answers."""
    script = Script()
    script.append(order({"kind": "cut"}, platform="anthropic"))
    script.append(order({"kind": "length"}))
    assert kinds(script, "openai", 2) == ["length", None]
    assert kinds(script, "anthropic", 2) == ["cut", None]


def test_minus_one_lasts_until_the_script_is_cleared() -> None:
    """An outage lasts as long as the test wants it to."""
    script = Script()
    script.append(order({"kind": "status", "status": 503, "times": -1}))
    assert kinds(script, "openai", 3) == ["status"] * 3
    script.clear()
    assert kinds(script, "openai", 1) == [None]


def test_a_full_script_takes_all_of_an_order_or_nothing() -> None:
    """The queue is bounded, and half an order would be a riddle."""
    script = Script()
    cut: dict[str, object] = {"kind": "cut"}
    script.append(order(*[cut] * (MAX_QUEUED - 1)))
    with pytest.raises(ScriptFullError):
        script.append(order(cut, cut))
    assert len(script) == MAX_QUEUED - 1


@pytest.mark.parametrize(
    "behaviour",
    [
        {"kind": "explode"},
        {"kind": "status", "status": 200},
        {"kind": "cut", "after_chunk": 1},
        {"kind": "stall", "stall_s": 1e9},
        {"kind": "tool_calls", "calls": []},
    ],
)
def test_an_order_nobody_can_keep_is_refused(behaviour: dict[str, object]) -> None:
    """A misspelt fault must fail the test which wrote it, not pass unnoticed."""
    with pytest.raises(ValidationError):
        order(behaviour)
