"""One request at the door: past the limits on its way in, and counted until its answer is out."""

from typing import TYPE_CHECKING

from deployments.security.errors import RateLimited, TurnedAway
from routing.errors import AccessError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

    from deployments.ingress.route_audit import Watched
    from deployments.security.gate import Gate, Passage
    from deployments.security.principal import Principal
    from deployments.security.rate_limits import RateClass


class Visit:
    """Without a gate everybody passes whom authentication lets in."""

    def __init__(self, gate: "Gate | None", rate_class: "RateClass", request: "Request") -> None:
        self._gate = gate
        self._class = rate_class
        self._request = request
        self._passage: Passage | None = None
        self._headers: Mapping[str, str] = {}
        self._is_stranger = False

    def enter_unnamed(self) -> None:
        """Let anybody in, as often as the address may ask; raises RateLimited."""
        self._is_stranger = True
        if self._gate is not None:
            self._headers = self._gate.stranger(self._request, self._class)

    async def enter(
        self, authenticate: "Callable[[Request], Awaitable[Principal]]", watched: "Watched"
    ) -> "Principal":
        """Let in whoever says who they are.

        Raises:
            AccessError: nobody known, or a limit is in the way.
            MisdirectedRequest: another region serves them.
        """
        principal = await self.who(authenticate, watched)
        if self._gate is not None:
            try:
                self._passage = await self._gate.admit(principal, self._class)
            except RateLimited:
                watched.turned_away(principal)
                raise
            self._headers = self._passage.headers
        return principal

    async def who(
        self, authenticate: "Callable[[Request], Awaitable[Principal]]", watched: "Watched"
    ) -> "Principal":
        """Who says who they are, at this moment; raises as `enter` does."""
        try:
            principal = await authenticate(self._request)
        except TurnedAway as error:
            watched.turned_away(error.who)
            raise
        watched.known(principal)
        return principal

    def over(self, response: "Response", error: Exception | None = None) -> "ASGIApp":
        """The answer, with the headers of the nearest limit; its last byte ends the visit."""
        if self._is_stranger and self._gate is not None and _is_nobody(error):
            self._gate.failed(self._request)
        for name, value in self._headers.items():
            response.headers.setdefault(name, value)
        passage = self._passage
        if passage is None:
            return response

        async def attended(scope: "Scope", receive: "Receive", send: "Send") -> None:
            try:
                await response(scope, receive, send)
            finally:
                passage.end()

        return attended

    def broken_off(self) -> None:
        """Nobody waits for the answer any more."""
        if self._passage is not None:
            self._passage.end()


def _is_nobody(error: Exception | None) -> bool:
    return isinstance(error, AccessError) and error.code == "unauthenticated"
