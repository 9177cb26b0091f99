"""What the coordinator's client answers when nobody is there."""

from routing.errors import SupportMaxError


class CoordinatorUnavailable(SupportMaxError):
    """The coordinator is away or cannot write; nothing is known to have changed, ask again."""

    code = "coordinator_unavailable"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail
