"""What the store answers when it cannot do its work; everything else it raises is a mistake of ours."""

from routing.errors import SupportMaxError


class DatabaseBusy(SupportMaxError):
    """The store's queue is full; nothing was read or written, ask again a little later."""

    code = "database_busy"

    def __init__(self, detail: str, retry_after_s: float = 1.0) -> None:
        super().__init__(detail, retry_after_s)
        self.detail = detail
        self.retry_after_s = retry_after_s


class DatabaseUnavailable(SupportMaxError):
    """The store could not be reached, locked or written (disk full, locked too long, closed)."""

    code = "database_unavailable"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class KeysUnavailable(DatabaseUnavailable):
    """A tenant's keys cannot be had just now: nothing was read, and nothing was written in clear."""

    code = "keys_unavailable"

    # What a key service that was restarted or throttled us needs; who comes back sooner only
    # stands in line for the same answer.
    RETRY_AFTER_S = 10.0

    def __init__(self, detail: str, retry_after_s: float = RETRY_AFTER_S) -> None:
        super().__init__(detail)
        self.args = (detail, retry_after_s)
        self.retry_after_s = retry_after_s
