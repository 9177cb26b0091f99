"""Why nobody can ever take a request: each limit in the way, and the least that would help."""

from collections.abc import Sequence

from routing.eligibility import Candidate
from routing.errors import RequestError, Violation
from routing.reason import Reason


def explain_impossible(candidates: Sequence[Candidate]) -> RequestError:
    """The error for candidates, one at least, that are neither eligible nor merely resting.

    One violation for each place the caller can change, told for the platform which is
    nearest to passing; the detail names the one platform that needs the least altogether. Who
    cannot do what the task itself needs is spoken of only where that holds for everybody.
    """
    asked = [c for c in candidates if all(r.code != "not_requested" for r in c.reasons)]
    asked = [c for c in asked if all(_is_limit(r) for r in _unmet(c))] or asked
    by_distance = sorted(asked, key=_distance)
    places = dict.fromkeys(r.where for c in asked for r in _unmet(c) if r.where is not None)
    violations = tuple(Violation(where, _relaxation(where, by_distance)) for where in places)
    nearest = by_distance[0]
    needs = "; ".join(_advice(reason) for reason in _unmet(nearest))
    return RequestError(
        "requirements_impossible",
        f"no platform can meet these requirements; nearest is {nearest.platform}: {needs}",
        violations,
    )


def _unmet(candidate: Candidate) -> list[Reason]:
    return [reason for reason in candidate.reasons if not reason.is_temporary]


def _is_limit(reason: Reason) -> bool:
    """Whether it is a limit the caller stated, not a part of the task."""
    return reason.where is not None and reason.where.startswith("/requirements/")


def _distance(candidate: Candidate) -> tuple[int, float]:
    unmet = _unmet(candidate)
    return len(unmet), sum(reason.excess for reason in unmet)


def _relaxation(where: str, by_distance: Sequence[Candidate]) -> str:
    """What would help at one place, for the nearest platform which that place keeps out."""
    nearest = next(c for c in by_distance if any(r.where == where for r in _unmet(c)))
    advice = "; ".join(_advice(reason) for reason in _unmet(nearest) if reason.where == where)
    others = [reason.code for reason in _unmet(nearest) if reason.where != where]
    together = f"; together with {', '.join(others)}" if others else ""
    return f"{nearest.platform}: {advice}{together}"


def _advice(reason: Reason) -> str:
    match reason.would_pass:
        case None:
            return f"{reason.detail} [{reason.code}]"
        case tuple(names):
            return f"{reason.detail} [{reason.code}: would pass with {', '.join(names)}]"
        case float(value):
            # repr, not g: a figure rounded down would be refused again.
            figure = repr(value).removesuffix(".0")
            return f"{reason.detail} [{reason.code}: would pass with {figure}]"
        case value:
            return f"{reason.detail} [{reason.code}: would pass with {value:f}]"
