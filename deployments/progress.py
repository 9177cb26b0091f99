"""How far a start is: a bar at a terminal, and one plain line a step where a file or a pipe reads it."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


class Steps:
    """So many steps, each named when it begins."""

    def __init__(self, console: Console, total: int) -> None:
        self._console = console
        self._total = total
        self._begun = 0
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=total)

    def begin(self, what: str) -> None:
        """The next step is this one."""
        self._bar.update(self._task, completed=self._begun, description=what)
        self._begun += 1
        if not self._console.is_terminal:
            self._console.print(
                f"{self._begun} of {self._total}: {what} …", markup=False, soft_wrap=True
            )

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()
