"""Who holds the connection to our own proxy: its word, believed for a secret that it shows.

Replicas have ports of their own, so the address of a connection does not tell the proxy from
somebody beside it; and whatever a caller writes into the header is overwritten by the proxy.
"""

import hmac
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.requests import Request

HEADER = "supportmax-peer"
"""What the proxy writes: the secret, a space, and the address it was called from.

Not below `x-supportmax-`: those are what callers may say, and one too many is refused.
"""


class Peer:
    """Reads the address; `secret` is the proxy's, None where no proxy of ours stands in front."""

    def __init__(self, secret: str | None = None) -> None:
        self._secret = None if secret is None else secret.encode()

    def of(self, request: "Request") -> str | None:
        """The other end of the proxy's connection, or of this one where the proxy did not bring it."""
        lines = request.headers.getlist(HEADER)
        if self._secret is not None and len(lines) == 1:
            shown, _, address = lines[0].partition(" ")
            if hmac.compare_digest(shown.encode(), self._secret):
                return address
        return None if request.client is None else request.client.host
