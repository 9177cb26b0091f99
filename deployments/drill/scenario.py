"""A scenario: which platforms, which traffic, which faults; the shipped ones by name."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from config.document import read_document
from deployments.drill.faults import EVERYONE, FAVOURITE, Fault
from routing.errors import ConfigError

_SHIPPED = Path(__file__).parent / "scenarios"

A_DAY_S = 86_400.0


class Scenario(BaseModel):
    """What a drill plays.

    `platforms` None means all that the configuration has. `seconds` and `a_second` are the
    length and the pace of the traffic where no file of arrivals is given.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    summary: str = ""
    platforms: tuple[str, ...] | None = None
    strategy: Literal["cost_optimized", "latency", "capability", "balanced"] | None = None
    streams: bool = True
    seconds: float = Field(default=600.0, gt=0, le=400 * A_DAY_S)
    a_second: float = Field(default=2.0, gt=0, le=1_000)
    faults: tuple[Fault, ...] = ()

    @model_validator(mode="after")
    def _knows_whom_it_names(self) -> "Scenario":
        if self.platforms is not None:
            known = {*self.platforms, EVERYONE, FAVOURITE}
            named = {name for fault in self.faults for name in fault.who}
            if unknown := sorted(named - known):
                there = ", ".join(sorted(known))
                raise ValueError(f"{', '.join(unknown)} is not in it; there are: {there}")
        return self


def shipped() -> Iterator[tuple[str, Scenario]]:
    """The scenarios that come with the product, by name."""
    for path in sorted(_SHIPPED.glob("*.yaml")):
        yield path.stem, read_scenario(path)


def find_scenario(name: str) -> tuple[str, Scenario]:
    """A shipped scenario, or the one of a file, with the name it goes by.

    Raises:
        ConfigError: there is none, or the file says something that cannot be meant.
    """
    path = Path(name)
    if path.suffix in {".yaml", ".yml"}:
        return path.stem, read_scenario(path)
    shelf = {each.stem: each for each in _SHIPPED.glob("*.yaml")}
    if name not in shelf:
        message = f"no such scenario; there are: {', '.join(sorted(shelf))}, or a .yaml file"
        raise ConfigError(name, None, "", message)
    return name, read_scenario(shelf[name])


def read_scenario(path: Path) -> Scenario:
    """The scenario of a file.

    Raises:
        ConfigError: with the first thing that is wrong, its line and its key.
    """
    document = read_document(path)
    if document.errors:
        raise document.errors[0]
    try:
        return Scenario.model_validate(document.data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        cause = first.get("ctx", {}).get("error", first["msg"])
        raise document.error(document.written(first["loc"]), str(cause)) from None
