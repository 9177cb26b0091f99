"""Whom a caller asks for by name: who may answer, who is asked first, and who after that."""

from collections.abc import Callable, Sequence

from routing.eligibility import Candidate
from routing.errors import RequestError, Violation
from routing.platform_profile import PlatformProfile
from routing.question import Question


def check_names(profiles: Sequence[PlatformProfile], question: Question) -> None:
    """That there is whom the caller names.

    Raises:
        RequestError: `platform_unknown`: there is not.
    """
    platform, fallbacks = question.platform, question.fallback_platforms
    if platform is None and not fallbacks:
        return
    known = {profile.name for profile in profiles}
    asked = [("/platform", platform)] if platform is not None else []
    asked += [(f"/fallback_platforms/{i}", name) for i, name in enumerate(fallbacks)]
    there = ", ".join(sorted(known))
    violations = tuple(
        Violation(where, f"{name} is not configured here; there are: {there}")
        for where, name in asked
        if name not in known
    )
    if violations:
        raise RequestError("platform_unknown", "a platform asked for is not configured", violations)


def wish_of(question: Question) -> Callable[[PlatformProfile], bool] | None:
    """Whether a target is among those asked for; None where any is."""
    platform, model = question.platform, question.model
    if platform is None and model is None:
        return None
    fallbacks = frozenset(question.fallback_platforms)
    return lambda profile: (
        profile.name in fallbacks
        or ((platform is None or profile.name == platform) and model in {None, profile.model})
    )


def comes_first(eligible: Sequence[Candidate], question: Question) -> str | None:
    """The platform that is asked first whatever the strategy says; None where the strategy says."""
    if question.platform is None:
        return None
    there = {candidate.platform for candidate in eligible}
    names = (question.platform, *question.fallback_platforms)
    return next((name for name in names if name in there), None)


def as_wished(order: Sequence[Candidate], question: Question) -> list[Candidate]:
    """The ranking, first by the caller's own order of platforms, then so that platforms differ.

    What befalls one model of a platform mostly befalls the others: they come last.
    """
    first = question.platform
    fallbacks = question.fallback_platforms
    if first is None and not fallbacks:
        return _spread(order)
    if first is None:
        best = order[0]
        rest = [c for c in order if c is not best and c.platform in fallbacks]
    else:
        own = [c for c in order if c.platform == first]
        if not own:
            return _in_order_of(fallbacks, order)
        best = own[0]
        rest = [c for c in order if c is not best]
    return [best, *_in_order_of(fallbacks, rest), *(c for c in rest if c.platform not in fallbacks)]


def _in_order_of(names: Sequence[str], order: Sequence[Candidate]) -> list[Candidate]:
    """The best of each named platform in the order of the names, then their other models."""
    # dict.fromkeys drops a name given twice.
    by_name = [c for name in dict.fromkeys(names) for c in order if c.platform == name]
    return _spread(by_name)


def _spread(order: Sequence[Candidate]) -> list[Candidate]:
    """The best of every platform first, their other models behind."""
    seen: set[str] = set()
    front: list[Candidate] = []
    behind: list[Candidate] = []
    for candidate in order:
        platform = candidate.profile.name
        (behind if platform in seen else front).append(candidate)
        seen.add(platform)
    return front + behind
