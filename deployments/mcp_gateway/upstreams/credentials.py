"""What a request to an upstream carries to be let in."""

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from deployments.mcp_gateway.caller import Caller
from deployments.mcp_gateway.tool_server import UpstreamFailed
from deployments.mcp_gateway.upstreams.tokens import Subject, Target, Tokens

_SENDABLE = re.compile(r"[!-~]{1,8192}")


class Credentials(Protocol):
    """How callers are known to one upstream."""

    async def headers(self, caller: Caller | None) -> Mapping[str, str]:
        """The headers for a caller, or with None for SupportMax itself, which only lists.

        Raises:
            UpstreamFailed: there is no credential for them.
        """
        ...

    def refused(self, caller: Caller | None) -> None:
        """The upstream answered 401: what is kept is good for nothing."""
        ...


class Nothing:
    """An upstream that lets everybody in."""

    async def headers(self, caller: Caller | None) -> Mapping[str, str]:
        """None."""
        return {}

    def refused(self, caller: Caller | None) -> None:
        """Nothing is kept."""


class SecretFile:
    """One credential for every caller, read anew each time: such files are replaced in place."""

    def __init__(self, path: Path, header: str, prefix: str) -> None:
        self._path = path
        self._header = header
        self._prefix = prefix

    async def headers(self, caller: Caller | None) -> Mapping[str, str]:
        """The header with what the file holds."""
        try:
            secret = (await asyncio.to_thread(self._path.read_text, "utf-8")).strip()
        except (OSError, ValueError) as error:
            message = "The file with its credential cannot be read."
            raise UpstreamFailed(message) from error
        if not _SENDABLE.fullmatch(secret):
            raise UpstreamFailed("The file with its credential holds none that can be sent.")
        return {self._header: f"{self._prefix}{secret}"}

    def refused(self, caller: Caller | None) -> None:
        """Nothing is kept."""


class Personal:
    """A token for each caller."""

    def __init__(self, tokens: Tokens, target: Target) -> None:
        self._tokens = tokens
        self._target = target

    async def headers(self, caller: Caller | None) -> Mapping[str, str]:
        """The caller's token for this upstream."""
        token = await self._tokens.of(_subject(caller), self._target)
        return {"Authorization": f"Bearer {token}"}

    def refused(self, caller: Caller | None) -> None:
        """Ask for another next time."""
        if caller is None or caller.subject_token is not None:
            self._tokens.forget(_subject(caller), self._target)


def _subject(caller: Caller | None) -> Subject | None:
    if caller is None:
        return None
    if caller.subject_token is None:
        raise UpstreamFailed(
            "It takes somebody who signed on: this server knows its callers one by one, and an API "
            "key stands for nobody there."
        )
    return Subject(caller.principal.tenant, caller.principal.subject, caller.subject_token)
