"""What it costs to seal a chat request and to open its answer, beside what else an answer takes."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from random import Random
from typing import TYPE_CHECKING

from rich.table import Table

from deployments.privacy.find import Finder
from deployments.privacy.known import Fact, Known
from deployments.privacy.request import sealed_request
from deployments.privacy.restore import Restorer
from deployments.privacy.seal import Seal
from routing.exchange import ChatRequest
from routing.message import Message
from tests.bench.report import Target, plain_targets, targets_table
from tests.unit.privacy.people import said

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

_TIMES = 60
_BATCHES = 8
REQUEST_US = 1_000.0
_FACTS = (Fact("account", "user_123"), Fact("name", "Casey Sample"), Fact("email", "c@example.com"))
_PROSE = (
    "I was charged twice for the Team plan of November, invoices INV-2026-0039 and INV-2026-0040, "
    "and the help centre says that takes five days. It has been nine. "
)


@dataclass(frozen=True, slots=True)
class Sealed:
    """CPU microseconds, the best batch: what is worse is the machine's noise."""

    follow_up_us: float
    unseen_us: float
    without_us: float
    opened_us: float
    chunk_us: float


def measure(progress: "Progress") -> Sealed:
    """A conversation of ten turns with a new message, every third with something of a person's in it."""
    bar = progress.add_task("privacy", total=5)
    chance = Random(7)  # noqa: S311
    known = Known(_FACTS)

    def turn(number: int, *, has_data: bool) -> Message:
        kinds = ("email", "phone", "card")
        own = said(chance, kinds[number % 3])[0] if has_data else ""
        return Message("assistant" if number % 2 else "user", f"{number} {_PROSE}{own} {_PROSE}")

    history = tuple(turn(number, has_data=number % 3 == 0) for number in range(10))
    news = [turn(number, has_data=True) for number in range(0, 2 * _TIMES * (_BATCHES + 1), 2)]
    plain = [turn(number, has_data=False) for number in range(0, 2 * _TIMES * (_BATCHES + 1), 2)]
    finder = Finder()
    finder.find("+1 202 555 0123")

    def ask(message: Message, finder: Finder = finder) -> Seal:
        seal = Seal(b"key", finder, known)
        sealed_request(seal, ChatRequest("m", (*history, message), "Rules. Answer briefly."))
        return seal

    def best_us(work: Callable[[], object]) -> float:
        work()
        best_s = float("inf")
        for _ in range(_BATCHES):
            began = time.process_time()
            for _ in range(_TIMES):
                work()
            best_s = min(best_s, time.process_time() - began)
        progress.advance(bar)
        return best_s / _TIMES * 1e6

    every, others = iter(news), iter(plain)
    follow_up = best_us(lambda: ask(next(every)))
    without = best_us(lambda: ask(next(others)))

    def unseen() -> Seal:
        finder._seen.clear()
        return ask(news[0])

    all_new = best_us(unseen)
    seal = ask(news[0])
    answer = seal.text("".join(message.text for message in history))
    opened = best_us(lambda: seal.opened(answer))
    words = [f"{word} " for word in answer.split(" ")]

    def stream() -> None:
        restorer = Restorer(seal)
        for word in words:
            restorer.feed(word)
        restorer.end()

    return Sealed(follow_up, all_new, without, opened, best_us(stream) / len(words))


def targets(found: Sealed) -> list[Target]:
    """The promises and what became of them."""
    return [
        Target("a message of a conversation of ten turns", found.follow_up_us, REQUEST_US, "µs"),
    ]


def show(found: Sealed, console: "Console") -> None:
    """For people."""
    table = Table(title="Personal data, CPU microseconds of a request", title_justify="left")
    for column in ("what", "measured"):
        table.add_column(column)
    table.add_row("sealed, ten turns seen before, data in the new one", f"{found.follow_up_us:.0f}")
    table.add_row("the same, no data in the new one", f"{found.without_us:.0f}")
    table.add_row("the same, nothing seen before", f"{found.unseen_us:.0f}")
    table.add_row("an answer of four thousand characters opened", f"{found.opened_us:.0f}")
    table.add_row("a chunk of a streamed answer", f"{found.chunk_us:.1f}")
    console.print(table)
    console.print(targets_table(targets(found)))


def plain(found: Sealed) -> dict[str, object]:
    """For bench.json."""
    figures = {name: round(value, 1) for name, value in asdict(found).items()}
    return {"privacy": {**figures, "targets": plain_targets(targets(found))}}
