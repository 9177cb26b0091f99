"""What can go wrong while something is put on record."""

from routing.errors import SupportMaxError


class AuditUnavailable(SupportMaxError):
    """The record could not be written; what it was about must not be done.

    `why` may name files of this machine and is for its log; `detail` is for callers.
    """

    code = "audit_unavailable"
    detail = "The audit log cannot be written now, and what is not on record is not done."

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why
