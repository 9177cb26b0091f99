"""What cannot be done, as the outcome of a call: a stable code, and words a model can act on."""

from pydantic import ValidationError

from actors.database.tool_calls import (
    Forgotten,
    Known,
    Outcome,
    Postponed,
    Reused,
    UnderWay,
    Unfinished,
)
from deployments.refused import pointer_to, refused
from routing.errors import ConflictError, RequestError, SupportMaxError, Violation

# A model corrects a few at a time, and what it invented may be any number.
_SHOWN = 10

_REUSED = "The idempotency key was used for another call."
_UNDER_WAY = "This call is under way; ask again with the same key."
_FORGOTTEN = "It was begun before, and what came of it was erased. Do not make it again."
_REPEATABLE = "It was begun and its end is not known; with the same key it is made again."
_UNFINISHED = "It was begun and its end is not known; a human has to look. Do not make it again."


def refusal(error: SupportMaxError) -> Outcome:
    """A refusal as an outcome: its code, its words, and where in the arguments it lies."""
    body: dict[str, object] = {"code": error.code, "detail": getattr(error, "detail", str(error))}
    if isinstance(error, RequestError) and error.violations:
        body["errors"] = [{"pointer": v.where, "message": v.message} for v in error.violations]
    return Outcome(body, is_error=True)  # type: ignore[arg-type]  # it is JSON by construction


def told(done: Known | Postponed, *, may_repeat: bool) -> Outcome:
    """What the journal knows of a call, as its outcome; `may_repeat` is the tool's own word."""
    code, message = "outcome_unknown", _REPEATABLE if may_repeat else _UNFINISHED
    match done:
        case Outcome():
            return done
        case Postponed(reason):
            message = f"Nothing was done: {reason}. A human has to approve it; call it again."
            return refusal(RequestError("approval_needed", message))
        case Reused():
            code, message = "idempotency_key_reused", _REUSED
        case UnderWay():
            code, message = "under_way", _UNDER_WAY
        case Forgotten():
            message = _FORGOTTEN
        case Unfinished():
            pass
    return refusal(ConflictError(code, message))


def invalid(error: ValidationError) -> RequestError:
    """What the schema refused, without the values: they may be anything a model made up."""
    found = refused(error)
    violations = tuple(Violation(pointer_to(each["loc"]), each["msg"]) for each in found[:_SHOWN])
    said = "; ".join(f"{v.where or '/'}: {v.message}" for v in violations)
    return RequestError("invalid_arguments", f"The arguments do not fit: {said}", violations)
