"""Whether SupportMax has a platform configured as a script believes, asked before its first call."""

from collections.abc import Mapping, Sequence

from deployments.clients.door import Door
from deployments.clients.problem import Problem
from routing.errors import Violation

_STATUS = "/v3/platforms/status"


class Configured:
    """What a script expects of a platform's configuration, compared once.

    A simulated platform is nobody's, and has nothing to be compared with; so has one whose
    options are not told, to this key or at all.
    """

    def __init__(self, platform: str, expected: Mapping[str, str]) -> None:
        self._platform = platform
        self._expected = expected
        self._is_compared = False

    def compare(self, door: Door) -> None:
        """Raise Problem, `configured_otherwise`, where SupportMax is configured for another one."""
        if self._is_compared:
            return
        try:
            self._hold_against(door.send("GET", _STATUS))
        except Problem as problem:
            self._let(problem)
        self._is_compared = True

    async def acompare(self, door: Door) -> None:
        """The same in an event loop."""
        if self._is_compared:
            return
        try:
            self._hold_against(await door.asend("GET", _STATUS))
        except Problem as problem:
            self._let(problem)
        self._is_compared = True

    def _let(self, problem: Problem) -> None:
        """A key for chatting alone may not read how platforms are configured."""
        if problem.code != "forbidden":
            raise problem

    def _hold_against(self, status: Mapping[str, object]) -> None:
        options = self._options(status)
        different = [
            Violation(name, f"the script says {wanted!r}, SupportMax is configured for {there!r}")
            for name, wanted in self._expected.items()
            if (there := options.get(name)) and str(there).casefold() != wanted.casefold()
        ]
        if different:
            detail = f"The {self._platform} of this SupportMax is not the one this script means."
            raise Problem("configured_otherwise", detail, violations=tuple(different))

    def _options(self, status: Mapping[str, object]) -> Mapping[str, object]:
        rows = status.get("platforms")
        for row in rows if isinstance(rows, Sequence) else ():
            if isinstance(row, Mapping) and row.get("name") == self._platform:
                options = row.get("options")
                if not row.get("simulated") and isinstance(options, Mapping):
                    return options
        return {}
