"""What loading finds: notices to read, and all errors at once."""

from collections.abc import Sequence
from dataclasses import dataclass

from typing_extensions import override

from routing.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that works but should be changed; `line` is 1-based."""

    path: str
    line: int | None
    key: str
    message: str

    @override
    def __str__(self) -> str:
        return str(ConfigError(self.path, self.line, self.key, self.message))


class ConfigErrors(ConfigError):
    """Every error found in a configuration, in `errors`; in its own fields, the first."""

    def __init__(self, errors: Sequence[ConfigError]) -> None:
        first = errors[0]
        super().__init__(first.path, first.line, first.key, first.message)
        # What unpickling calls the constructor with: errors cross processes.
        self.args = (tuple(errors),)
        self.errors = tuple(errors)

    @override
    def __str__(self) -> str:
        return "\n".join(str(error) for error in self.errors)
