"""What a call is, as one hash: what was approved, and what stands under a key, is exactly this."""

import hashlib
import json

from deployments.mcp_gateway.caller import Caller
from routing.errors import RequestError
from routing.message import JsonObject

ARGUMENTS_MAX_BYTES = 64 * 1024
"""A call says what to do, it does not bring a document; what a result may hold is the same."""


def canonical(arguments: JsonObject) -> bytes:
    """The arguments as JSON, the same for the same arguments.

    Raises:
        RequestError: they are no JSON object, or too large.
    """
    try:
        # Not orjson: it writes what is not a number as null, and null may mean "all of it".
        said = json.dumps(
            dict(arguments),
            allow_nan=False,
            sort_keys=True,
            separators=(",", ":"),
            ensure_ascii=False,
        )
        text = said.encode()
    except (TypeError, ValueError, RecursionError) as error:  # also a lone surrogate, and a cycle
        raise RequestError("invalid_arguments", f"The arguments are no JSON: {error}") from error
    if len(text) > ARGUMENTS_MAX_BYTES:
        message = f"The arguments are larger than {ARGUMENTS_MAX_BYTES // 1024} KiB."
        raise RequestError("invalid_arguments", message)
    return text


def args_hash(tool: str, customer: str | None, arguments: JsonObject) -> str:
    """The hash of one tool, whom it is bound to, and the arguments."""
    return _hash(tool, customer, canonical(arguments))


def live_key(caller: Caller, hashed: str) -> str:
    """The hash of a call: who makes it, in which conversation, and what."""
    return _hash(caller.principal.subject, caller.conversation_id, hashed.encode())


def _hash(name: str, other: str | None, rest: bytes) -> str:
    head = json.dumps([name, other]).encode()
    return hashlib.sha256(head + b"\n" + rest).hexdigest()
