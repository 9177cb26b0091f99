"""What an administrator says of platforms' settings while they are in use, and what is heard back."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from config.platforms import PlatformName
from deployments.nesting import ShallowJson

Key = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_]{0,39}$")]


class ConfigureBody(BaseModel):
    """A change of one platform, or the settings of an earlier version: one of the two.

    `changes` are keys of the platform as the configuration's file has them; null puts one back to
    what the file says. `expected_version` is the one you looked at; with it, nobody's change is lost.
    `dry_run` checks everything and changes nothing.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)

    platform: PlatformName | None = None
    changes: dict[Key, ShallowJson] | None = Field(None, min_length=1, max_length=32)
    restore: int | None = Field(
        None, ge=0, description="the version that is to hold again; 0: the files alone"
    )
    expected_version: int | None = Field(None, ge=0)
    dry_run: bool = False


class Difference(BaseModel):
    """One setting; null is one that has no value."""

    key: str
    before: Any
    after: Any


class Waiting(BaseModel):
    """A process that does not work with the version yet, and what keeps it if it knows."""

    process: str
    role: str
    version: int
    detail: str


class Configured(BaseModel):
    """A version and what differs from the one before. `dry_run`: it would be that one.

    `in_force` says that every process works with it; the others are in `waiting_for`.
    """

    version: int
    dry_run: bool
    diff: list[Difference]
    warnings: list[str]
    in_force: bool
    waiting_for: list[Waiting]


class VersionRow(BaseModel):
    """A version: who made it and when, and what differed."""

    version: int
    platform: str | None
    restored: int | None
    diff: list[Difference]
    by: str
    at: str
    request: str


class PlatformRow(BaseModel):
    """A platform's settings as they are, and those of them that differ from the file."""

    name: str
    state: Literal["configured", "simulated", "disabled"]
    detail: str
    settings: dict[str, Any]
    changed: dict[str, Any]


class SettingsBody(BaseModel):
    """What holds, which process has taken it, and how it came to be: the newest version first.

    `next` is the `before` of the next page, null on the last.
    """

    version: int
    in_force: bool
    waiting_for: list[Waiting]
    platforms: list[PlatformRow]
    history: list[VersionRow]
    next: int | None
