"""One line for every call of a tool: who, what, how it ended. No argument and no answer is in it."""

import hashlib
import json
import logging
from dataclasses import asdict, dataclass
from typing import Literal

from deployments.mcp_gateway.caller import Caller
from routing.message import JsonObject

_log = logging.getLogger(__name__)

Ending = Literal[
    "done", "tool_error", "timed_out", "failed", "waits_for_approval", "asks_client",
    "rate_limited", "refused", "unknown", "cancelled", "under_way", "repeated",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One call. `arguments` is a digest: two equal calls can be told, and nothing can be read."""

    tenant: str
    subject: str
    tool: str
    ending: Ending
    arguments: str
    took_ms: float
    conversation_id: str | None
    tainted: bool


def digest(arguments: JsonObject) -> str:
    """Twelve characters that stand for exactly these arguments."""
    canonical = json.dumps(arguments, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def write(caller: Caller, tool: str, arguments: JsonObject, ending: Ending, took_s: float) -> None:
    """Write the line, at level INFO."""
    if not _log.isEnabledFor(logging.INFO):
        return
    record = CallRecord(
        caller.principal.tenant,
        caller.principal.subject,
        # A name nobody offers is the caller's own words, of any length.
        tool[:64],
        ending,
        digest(arguments),
        round(took_s * 1000, 2),
        caller.conversation_id,
        caller.tainted,
    )
    _log.info("%s", json.dumps(asdict(record), ensure_ascii=True))
