"""Google's application default credentials, looked for when a token is first needed.

What is found depends on the machine: a key file that GOOGLE_APPLICATION_CREDENTIALS names,
a workload identity, or the metadata server.
"""

import math
import time

import google.auth
from google.auth.credentials import Credentials, with_scopes_if_required
from google.auth.exceptions import GoogleAuthError, RefreshError
from google.auth.transport import Request
from typing_extensions import override

SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
# The calls that were under way with a refused token all come back with the same 401, and
# token endpoints throttle: one new token a minute mends what a new token can mend.
RENEW_S = 60.0


class ApplicationDefault(Credentials):
    """Credentials for an SDK of Google's, which asks them for a token when it has none.

    Google's libraries refresh in a thread, so what is slow here holds nobody up.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._found: Credentials | None = None
        self._renewed_at = -math.inf

    @property
    def last(self) -> str:
        """The latest token, to keep it out of messages."""
        return self.token or ""

    @override
    def refresh(self, request: Request) -> None:
        """Find the credentials, and fetch a token with them.

        Raises:
            google.auth.exceptions.GoogleAuthError: There are none, or they are given no token.
        """
        found = self._found = self._found or _find()
        try:
            found.refresh(request)  # type: ignore[no-untyped-call]
        except GoogleAuthError:
            raise
        # Of an endpoint that answers 200 with something else; google-auth lets these through.
        except (ArithmeticError, AttributeError, TypeError, ValueError) as error:
            said = f"no token in the answer: {type(error).__name__}: {error}"
            raise RefreshError(said) from error  # type: ignore[no-untyped-call]
        self.token, self.expiry = found.token, found.expiry
        # Whom to charge, where a user's own credentials name a project.
        self._quota_project_id = found.quota_project_id

    def forget(self) -> None:
        """Fetch a new token next time, but at most every `RENEW_S`: this one was refused."""
        now = time.monotonic()
        if now - self._renewed_at >= RENEW_S:
            self._renewed_at = now
            self.token = None


def _find() -> Credentials:
    # Scoped afterwards: with scopes in hand, google-auth would ask Google's Resource Manager for
    # the project of a workload identity, although the configuration names it.
    found, _ = google.auth.default()
    return with_scopes_if_required(found, SCOPES)  # type: ignore[no-any-return, no-untyped-call]
