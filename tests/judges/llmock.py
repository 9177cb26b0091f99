"""llmock as a judge: it plays three vendors, breaks what it is told to, and grades who was asking.

Its Gemini is the developer API's. Vertex AI's bodies are the same and its paths are not,
so a relay puts one in the place of the other.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import httpx2

from deployments.platforms.base import Connection
from tests.servers import OPTIONS

CONTROL_S = 10.0
# What llmock streams before the first word: OpenAI's four events of beginning, Anthropic's three.
EVENTS_BEFORE_TEXT: Mapping[str, int] = {"anthropic": 3, "google_vertex": 0, "openai": 4}
PLATFORMS = tuple(EVENTS_BEFORE_TEXT)
# What llmock calls them.
PROVIDERS: Mapping[str, str] = {
    "anthropic": "anthropic",
    "google_vertex": "gemini",
    "openai": "openai",
}
_BASES = {"anthropic": "/anthropic", "openai": "/v1"}
_VERTEX_PATH = re.compile(r"^/v1/projects/[^/]+/locations/[^/]+/publishers/google/models/")


def developer_path(path: str) -> str:
    """A path of Vertex AI as the developer API has it."""
    return _VERTEX_PATH.sub("/gemini/v1beta/models/", path)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What llmock says of everybody who asked since the last reset."""

    passed: bool
    attempts: int
    codes: tuple[str, ...]
    report: str

    def assert_flawless(self, attempts: int) -> None:
        """Not even a warning, and as many requests as expected."""
        assert not self.codes, self.report
        assert self.passed
        assert self.attempts == attempts, self.report


@dataclass(frozen=True, slots=True)
class Llmock:
    """A running llmock; `relay` is where its Gemini is found under the paths of Vertex AI."""

    address: str
    relay: str

    def connection(self, platform: str) -> Connection:
        """What to open an adapter with."""
        base = self.relay if platform == "google_vertex" else self.address + _BASES[platform]
        return Connection("sk-judged-0123456789", base, 64, OPTIONS.get(platform, {}))

    async def script(self, *behaviors: Mapping[str, object]) -> None:
        """Queue what happens to the next requests; `times: None` is from now on."""
        await self._ask("POST", "scenario", {"behaviors": behaviors})

    async def reset(self) -> None:
        """Forget the script and the requests."""
        await self._ask("POST", "reset")

    async def verdict(self) -> Verdict:
        """The grade so far; llmock waits a moment for answers under way."""
        said = (await self._ask("GET", "verdict")).json()
        findings = cast("list[dict[str, object]]", said["findings"])
        codes = tuple(str(finding["code"]) for finding in findings)
        report = (await self._ask("GET", "verdict?format=text")).text
        return Verdict(bool(said["passed"]), int(said["attempts"]), codes, report)

    async def _ask(self, method: str, what: str, order: object = None) -> httpx2.Response:
        async with httpx2.AsyncClient(verify=False, trust_env=False, timeout=CONTROL_S) as client:
            reply = await client.request(method, f"{self.address}/_llmock/{what}", json=order)
        return reply.raise_for_status()
