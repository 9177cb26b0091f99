"""Where a caller's credentials are in an HTTP request.

This runs in the replica itself: replicas have ports of their own, past every proxy.
"""

from starlette.requests import Request

from deployments.security.api_keys import ApiKeys
from deployments.security.principal import Principal


class Authentication:
    """Turns a request's headers into its Principal."""

    def __init__(self, keys: ApiKeys) -> None:
        self._keys = keys

    async def __call__(self, request: Request) -> Principal:
        """Who is calling; raises AccessError."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        secret = (
            token.strip() if scheme.lower() == "bearer" else request.headers.get("x-api-key", "")
        )
        return await self._keys.authenticate(secret)
