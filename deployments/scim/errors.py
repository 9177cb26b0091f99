"""What is said to a SCIM client whose request cannot be met."""

from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import ValidationError
from scim2_models import Error, SCIMException

from deployments.refused import refused
from routing.errors import SupportMaxError

_SHOWN = 5


class ScimError(SupportMaxError):
    """A refusal as RFC 7644, 3.12 has it. `kind` is its scimType, empty where it has none."""

    code = "scim_request"

    def __init__(self, status: int, kind: str, detail: str) -> None:
        super().__init__(status, kind, detail)
        self.status = status
        self.kind = kind
        self.detail = detail


@contextmanager
def explained() -> Iterator[None]:
    """Let what the library finds wrong with a request leave as a ScimError, without its values."""
    try:
        yield
    except SCIMException as error:
        raise ScimError(error.status, error.scim_type, _short(error.detail)) from error
    except ValidationError as error:
        found = refused(error)
        first = Error.from_validation_error(found[0])
        said = [Error.from_validation_error(each).detail or "" for each in found[:_SHOWN]]
        status = first.status or 400
        raise ScimError(status, first.scim_type or "", _short("; ".join(said))) from error


def invalid(detail: str) -> ScimError:
    """A value is missing, or cannot be meant."""
    return ScimError(400, "invalidValue", detail)


def _short(text: str) -> str:
    """The library repeats what was sent here and there: a line of it is enough to find the place."""
    return text[:300]
