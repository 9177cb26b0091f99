"""One request to SupportMax, from its first try to its reply: what both worlds have in common.

Who sends it waits in his own way, in a thread or in an event loop; when to try again, and
for how long, is decided here.
"""

import time
import uuid
from collections.abc import Mapping

import httpx2

from deployments.clients.problem import Problem, read_problem

# A listener on the same continent accepts in milliseconds; what needs longer is not there.
CONNECT_S = 5.0
# Before the one retry: a load balancer has noticed by then that a replica is gone.
RETRY_PAUSE_S = 0.25
# How often to look whether the first try has been answered, where SupportMax does not say.
_IN_PROGRESS_S = 1.0
_SHOWN = 200


class Call:
    """A request that is made once, whatever the network does.

    A connection that fails is tried once more. That is safe where nothing was sent, where
    `method` is GET, and where `is_once`: then the request carries an Idempotency-Key, and if
    the first try is still being answered its answer is waited for.
    """

    def __init__(
        self, address: str, method: str, path: str, timeout_s: float, *, is_once: bool = False
    ) -> None:
        self.method = method
        self.url = address + path
        self.headers = {"Idempotency-Key": uuid.uuid4().hex} if is_once else {}
        self._address = address
        self._timeout_s = timeout_s
        self._until = time.monotonic() + timeout_s
        self._is_repeatable = is_once or method == "GET"
        self._has_failed = False

    def timeout(self) -> httpx2.Timeout:
        """What is left of its time.

        Raises:
            Problem: `timed_out`.
        """
        left_s = self._until - time.monotonic()
        if left_s <= 0:
            raise self.late()
        return httpx2.Timeout(left_s, connect=min(CONNECT_S, left_s))

    def failed(self, error: httpx2.TransportError) -> float:
        """The network failed: how many seconds to wait before the one other try.

        Raises:
            Problem: `unreachable` or `timed_out`; there is none.
        """
        is_sent = not isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout)
        if isinstance(error, httpx2.TimeoutException) and is_sent:
            raise self.late() from error
        if self._has_failed or (is_sent and not self._is_repeatable):
            said = str(error) or type(error).__name__
            raise Problem(
                "unreachable",
                f"{self._address} does not answer ({said}). Start SupportMax with `make run`, or "
                "set SUPPORTMAX_URL to where it is.",
            ) from error
        self._has_failed = True
        return RETRY_PAUSE_S

    def replied(self, response: httpx2.Response) -> float | None:
        """None where the response is the reply; else how many seconds to wait and ask again.

        Raises:
            Problem: it says what is wrong.
        """
        if response.is_success:
            return None
        problem = problem_of(response)
        if self._has_failed and problem.code == "request_in_progress":
            # The first try did arrive; its answer is what this one will be given.
            wait_s = problem.retry_after_s
            return _IN_PROGRESS_S if wait_s is None else max(wait_s, RETRY_PAUSE_S)
        raise problem

    def late(self) -> Problem:
        """Its time is up."""
        return Problem("timed_out", f"There was no whole answer within {self._timeout_s:g} s.")


def read_object(response: httpx2.Response) -> Mapping[str, object]:
    """The JSON object in a response.

    Raises:
        Problem: `unexpected_reply`; something else answers there.
    """
    try:
        value: object = response.json()
    except ValueError:
        value = None
    if isinstance(value, dict):
        return value
    said = " ".join(response.text.split())[:_SHOWN]
    detail = f"This is no answer of SupportMax: {response.url} says {said!r}"
    raise Problem("unexpected_reply", detail, response.status_code)


def problem_of(response: httpx2.Response) -> Problem:
    """What a response that is no success says; it must have been read."""
    wait = response.headers.get("retry-after", "")
    retry_after_s = float(wait) if wait.isdigit() else None
    try:
        document = read_object(response)
    except Problem as unreadable:
        return unreadable
    return read_problem(document, response.status_code, retry_after_s)
