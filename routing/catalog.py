"""Every target there is: the models of the platforms of a configuration, in the operator's order."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Protocol

from routing.platform_profile import PlatformProfile


class Catalog:
    """The targets, read-only. A platform's first model is its own choice where none is named."""

    __slots__ = ("by_target", "platforms", "profiles")

    def __init__(self, profiles: Iterable[PlatformProfile]) -> None:
        self.profiles = tuple(profiles)
        """In the operator's order, which breaks ties."""

        self.by_target: Mapping[str, PlatformProfile] = MappingProxyType(
            {profile.target: profile for profile in self.profiles}
        )
        self.platforms = tuple(dict.fromkeys(profile.name for profile in self.profiles))
        """Every platform's name once."""

    def of(self, platform: str) -> tuple[PlatformProfile, ...]:
        """The models of a platform, its own choice first; empty if there is no such platform."""
        return tuple(profile for profile in self.profiles if profile.name == platform)

    def at(self, now: float) -> "Catalog":
        """This one: by itself a catalogue never changes (`price_calendar` has one that does)."""
        return self

    def profile(self, target: str, now: float) -> PlatformProfile:
        """One of its targets; raises KeyError if there is none of that name."""
        return self.by_target[target]


class Catalogs(Protocol):
    """The catalogue of any moment; prices change with the calendar, targets when somebody changes them."""

    def at(self, now: float) -> Catalog:
        """The catalogue at `now`, in seconds since the epoch."""
        ...

    def profile(self, target: str, now: float) -> PlatformProfile:
        """A target at the price of `now`, as long as a plan that has it may be carried out."""
        ...
