"""What goes wrong between a script and SupportMax, as one exception."""

from collections.abc import Mapping, Sequence

from typing_extensions import override

from routing.errors import SupportMaxError, Violation


class Problem(SupportMaxError):
    """SupportMax did not answer; `code` is stable and says why.

    `status` is the HTTP status, or None where nobody was asked or nobody replied: then `code`
    is `no_key`, `invalid_request`, `unreachable`, `timed_out`, `stream_cut`,
    `unexpected_reply`, `too_many_rounds` or `configured_otherwise`. `violations` name what to
    change. `retry_after_s` is how long to wait before the next try, where SupportMax says so.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        status: int | None = None,
        violations: tuple[Violation, ...] = (),
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(code, detail, status, violations, retry_after_s)
        self.code = code
        self.detail = detail
        self.status = status
        self.violations = violations
        self.retry_after_s = retry_after_s

    @override
    def __str__(self) -> str:
        head = self.code if self.status is None else f"{self.status} {self.code}"
        lines = [f"{head}: {self.detail}"]
        for violation in self.violations:
            # What the detail says already is not said again, only where it is.
            is_said = violation.message in self.detail
            lines.append(violation.where if is_said else f"{violation.where}: {violation.message}")
        return "\n  ".join(lines)


def read_problem(
    document: Mapping[str, object], status: int | None = None, retry_after_s: float | None = None
) -> Problem:
    """The problem in a problem document, or in the error a vendor's client would be given.

    `status` is the response's; a document in a stream carries its own.
    """
    if isinstance(error := document.get("error"), Mapping):  # the shape of the routes under /v1
        where = error.get("param")
        message = str(error.get("message"))
        violations = (Violation(str(where), message),) if where else ()
        code = str(error.get("code") or error.get("type"))
        return Problem(code, message, status, violations, retry_after_s)
    said = document.get("status")
    return Problem(
        str(document.get("code", "unexpected_reply")),
        str(document.get("detail", "It does not say what is wrong.")),
        said if isinstance(said, int) else status,
        _violations(document.get("errors")),
        retry_after_s,
    )


def _violations(errors: object) -> tuple[Violation, ...]:
    if not isinstance(errors, Sequence):
        return ()
    return tuple(
        Violation(str(one.get("pointer", "")), str(one.get("message", "")))
        for one in errors
        if isinstance(one, Mapping)
    )
