"""A replica sees its own requests at once, and each of them counted once."""

from hypothesis import given
from hypothesis import strategies as st

from actors.coordinator.in_flight import InFlight
from actors.coordinator.state import CoordinatorState
from routing.scorecard import Snapshot

NOON = 1_795_348_800.0
TARGET = "openai/m"


def seen(board: Snapshot) -> int:
    return board.of(TARGET).in_flight + board.own.get(TARGET, 0)


def test_a_burst_counts_before_anybody_was_told() -> None:
    """The board says 40 of others; ours come on top at once."""
    state, mine = CoordinatorState("us"), InFlight()
    state.hear("other", {TARGET: 40}, NOON)
    board = state.snapshot(NOON)
    for count in range(1, 4):
        mine.begin(TARGET)
        assert seen(mine.corrected(board)) == 40 + count
    mine.end(TARGET)
    assert seen(mine.corrected(board)) == 42


def test_a_decision_on_a_corrected_board_cannot_change_afterwards() -> None:
    """It is kept to be replayed: what begins later is in later boards."""
    mine = InFlight()
    board = mine.corrected(Snapshot.empty("us"))
    mine.begin(TARGET)
    assert seen(board) == 0


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2),
            st.sampled_from(["begin", "end", "sync"]),
            st.sampled_from([0.01, 0.2]),
        ),
        max_size=60,
    )
)
def test_no_request_of_ours_is_counted_twice_or_forgotten(
    steps: list[tuple[int, str, float]],
) -> None:
    """Also when the board given back is older than the report it answers; each sees its own exactly."""
    state, now = CoordinatorState("us"), NOON
    replicas = [InFlight() for _ in range(3)]
    boards = [Snapshot.empty("us")] * 3
    told: list[dict[str, int]] = [{}, {}, {}]
    for who, what, pause_s in steps:
        now += pause_s
        mine = replicas[who]
        match what:
            case "begin":
                mine.begin(TARGET)
            case "end":
                mine.end(TARGET)
            case _:
                state.hear(str(who), mine.counts, now)
                boards[who] = state.snapshot(now)
                told[who] = dict(state.counted(str(who)))
                mine.counted(told[who])
        others = boards[who].of(TARGET).in_flight - told[who].get(TARGET, 0)
        assert others >= 0
        assert seen(mine.corrected(boards[who])) == others + mine.of(TARGET)
