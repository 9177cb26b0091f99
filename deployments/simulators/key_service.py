"""What the simulators of key services share: versions of a key, and faults to switch on.

They are simulators and say so in a header; the keys they wrap with are real, and end with the process.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, assert_never

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from starlette.requests import Request
from starlette.responses import Response

from deployments.simulators.exchange import SIMULATOR_HEADER

KeyFault: TypeAlias = Literal["none", "refuse", "throttle", "fail", "hang"]
# What a throttled caller is told to wait, in seconds.
THROTTLED_S = 1
_MARKED = {SIMULATOR_HEADER: "supportmax"}


@dataclass(slots=True)
class KeyService:
    """One key in its versions. `fault` is what every request meets; `asked` counts the requests.

    A request that hangs does so until `let_go`.
    """

    fault: KeyFault = "none"
    asked: int = 0
    versions: dict[int, AESGCM] = field(default_factory=dict, repr=False)
    let_go: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    def __post_init__(self) -> None:
        """A service begins with one version."""
        self.rotate()

    @property
    def newest(self) -> int:
        """The version that wraps."""
        return max(self.versions)

    def rotate(self) -> None:
        """A new version from now on; the older ones go on unwrapping."""
        self.versions[max(self.versions, default=0) + 1] = AESGCM(AESGCM.generate_key(256))

    def lose(self, version: int) -> None:
        """A version is destroyed or disabled: nothing it wrapped is unwrapped any more."""
        del self.versions[version]


Refusal: TypeAlias = Callable[[int, str], Response]
"""A status and words, as the service says no."""


async def answered(
    service: KeyService, refusal: Refusal, answer: Callable[[], Awaitable[Response]]
) -> Response:
    """The answer, or the fault that is switched on."""
    service.asked += 1
    match service.fault:
        case "none":
            response = await answer()
        case "refuse":
            response = refusal(403, "The simulator was told to refuse.")
        case "throttle":
            response = refusal(429, "The simulator was told to throttle.")
            response.headers["Retry-After"] = str(THROTTLED_S)
        case "fail":
            response = refusal(503, "The simulator was told to fail.")
        case "hang":
            await service.let_go.wait()
            response = refusal(503, "The simulator was told to hang.")
        case unknown:
            assert_never(unknown)
    response.headers.update(_MARKED)
    return response


async def read_json(request: Request) -> dict[str, object]:
    """The body of a request whose caller is a program."""
    found: object = await request.json()
    if not isinstance(found, dict):
        raise TypeError("a JSON object is expected")
    return found
