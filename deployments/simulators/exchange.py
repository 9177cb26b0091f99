"""An exchange: one request as a simulator received it, and the way its answer goes back."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

import orjson
from starlette.requests import Request
from starlette.responses import Response

from deployments.simulators.allowance import Allowances
from deployments.simulators.delivery import IMMEDIATE, Pace, PacedResponse, schedule
from deployments.simulators.faults import Behaviour, Script
from deployments.simulators.frames import Event, Frame, encode_event, json_frames
from deployments.simulators.journal import Entry, Journal
from deployments.simulators.prompt_cache import PromptCache

SIMULATOR_HEADER = "x-supportmax-simulator"
MAX_REQUEST = 16 * 1024 * 1024  # bytes: more than our HTTP takes, with the envelope of a vendor


@dataclass(frozen=True, slots=True)
class Stage:
    """What the simulators of one process share. Without a key any key opens the door."""

    key: str | None = None
    pace: Pace = IMMEDIATE
    script: Script = field(default_factory=Script)
    journal: Journal = field(default_factory=Journal)
    cache: PromptCache = field(default_factory=PromptCache)
    allowances: Allowances = field(default_factory=Allowances)
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def accepts(self, key: str | None) -> bool:
        """Whether a credential opens the door."""
        return bool(key) if self.key is None else key == self.key

    async def receive(self, platform: str, request: Request) -> "Exchange":
        """Read a request, bounded, and note it in the journal."""
        raw = await _read(request)
        body: object = None
        fault: Literal["too_large", "not_json"] | None = None
        if raw is None:
            fault = "too_large"
        elif raw:
            try:
                body = orjson.loads(raw)
            except orjson.JSONDecodeError:
                fault = "not_json"
        size = MAX_REQUEST + 1 if raw is None else len(raw)
        entry = Entry(platform, request.method, request.url.path, dict(request.headers), body)
        return Exchange(self, platform, request, self.journal.add(entry, size), body, fault)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request, parsed; `body_fault` says why there is no body to believe."""

    stage: Stage
    platform: str
    request: Request
    entry: Entry
    body: object
    body_fault: Literal["too_large", "not_json"] | None = None

    def take_behaviour(self) -> Behaviour | None:
        """Return what the script wants of this answer; only answers to good requests spend one."""
        return self._noted(self.stage.script.take(self.platform))

    def take_list_behaviour(self) -> Behaviour | None:
        """Return what the script wants of a list of models, which nobody asked for in a test."""
        return self._noted(self.stage.script.take_exactly(list_of_models(self.platform)))

    def _noted(self, behaviour: Behaviour | None) -> Behaviour | None:
        self.entry.behaviour = behaviour.kind if behaviour else None
        return behaviour

    def reply_json(
        self,
        payload: object,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        behaviour: Behaviour | None = None,
        pace: Pace = IMMEDIATE,
    ) -> Response:
        """Answer with a JSON body."""
        named = {**(headers or {}), "content-type": "application/json"}
        return self._reply(json_frames(payload), status, named, behaviour, pace)

    def reply_events(
        self,
        events: Sequence[Event],
        *,
        headers: Mapping[str, str],
        behaviour: Behaviour | None,
        pace: Pace,
    ) -> Response:
        """Answer with a stream of server-sent events."""
        named = {
            **headers,
            "content-type": "text/event-stream; charset=utf-8",
            "cache-control": "no-cache",
        }
        return self._reply([encode_event(event) for event in events], 200, named, behaviour, pace)

    def reply_lines(
        self, values: Sequence[object], *, behaviour: Behaviour | None, pace: Pace
    ) -> Response:
        """Answer with a stream of JSON values, one a line."""
        frames = [Frame(orjson.dumps(value) + b"\n", is_chunk=True) for value in values]
        return self._reply(frames, 200, {"content-type": "application/json"}, behaviour, pace)

    def _reply(
        self,
        frames: Sequence[Frame],
        status: int,
        headers: Mapping[str, str],
        behaviour: Behaviour | None,
        pace: Pace,
    ) -> Response:
        self.entry.status = status
        signed = {**headers, SIMULATOR_HEADER: self.platform}
        return PacedResponse(schedule(frames, pace, behaviour), self.entry, status, signed)


def list_of_models(platform: str) -> str:
    """Return the script's name for the models endpoint of a platform."""
    return f"{platform}/models"


def hosted_calls_of(platform: str) -> str:
    """Return the script's name for the tools that a platform calls by itself."""
    return f"{platform}/hosted"


def mint(prefix: str) -> str:
    """Return a fresh identifier in the vendors' manner: `resp_6f…`."""
    return f"{prefix}{secrets.token_hex(16)}"


def retry_headers(retry_after_s: float | None) -> dict[str, str]:
    """Return the hint when to come back: whole seconds for HTTP, milliseconds for the SDKs."""
    if retry_after_s is None:
        return {}
    return {
        "retry-after": str(int(-(-retry_after_s // 1))),
        "retry-after-ms": str(round(retry_after_s * 1_000)),
    }


async def _read(request: Request) -> bytes | None:
    """Return the body, or None when it is larger than `MAX_REQUEST`."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_REQUEST:
            return None
    return bytes(body)
