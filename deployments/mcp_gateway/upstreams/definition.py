"""A tool as its server describes it, what of that is passed on, and its fingerprint: pure.

A description is read by models, so whoever can change it unseen can give them orders. What was
looked at is known again by the hash of all of it.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import unified_diff

from mcp_types import Tool as WireTool

from deployments.mcp_gateway.containment import clean
from deployments.mcp_gateway.tool import NAME_MAX, offered_name
from deployments.mcp_gateway.upstreams.schemas import fault_of
from routing.message import Json, JsonObject

# The name, and all that is hashed: 32 KiB are three times the largest tool we know of.
DEFINITION_MAX = 32 * 1024
DESCRIPTION_MAX = 4_096
TOOLS_MAX = 200
"""Tools of one server: more fill a model's window before it has read the question."""

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Definition:
    """One tool as its server describes it. `body` is all that a model or a client may see of it."""

    name: str
    body: JsonObject
    hash: str


@dataclass(frozen=True, slots=True)
class Listing:
    """The tools of a server, and those that are not taken, each with the reason."""

    tools: Mapping[str, Definition]
    refused: Mapping[str, str]


def listing_of(server: str, listed: Sequence[WireTool]) -> Listing:
    """What of a server's list is taken. `server` is the name in front of each tool.

    Two tools of one name are both refused: which is meant depends on who looks.
    """
    tools: dict[str, Definition] = {}
    refused: dict[str, str] = {}
    for tool in listed:
        name = clean(tool.name)[:NAME_MAX]
        if name in tools or name in refused:
            tools.pop(name, None)
            refused[name] = "two tools have this name"
            continue
        try:
            found = _read(server, tool)
        except ValueError as error:
            refused[name] = str(error)
            continue
        except RecursionError:
            refused[name] = "its definition is nested too deep"
            continue
        tools[found.name] = found
    return Listing(tools, refused)


def definition_of(name: str, body: JsonObject) -> Definition:
    """A definition from what was kept of it."""
    return Definition(name, body, hashlib.sha256(_canonical(body)).hexdigest())


def difference(before: JsonObject | None, after: JsonObject) -> list[str]:
    """What changed, line by line, with characters that hide text written out."""
    old = [] if before is None else _lines(before)
    return list(unified_diff(old, _lines(after), "approved", "offered", lineterm="", n=2))


def shown(text: str, limit: int = DESCRIPTION_MAX) -> str:
    """Words of others as they may stand in a list: nothing hidden in them, and not too many."""
    cleaned = clean(text)
    return cleaned if len(cleaned) <= limit else cleaned[:limit] + " …"


def cleaned(data: Json) -> Json:
    """The same for every text in data, keys included."""
    match data:
        case str():
            return clean(data)
        case Mapping():
            return {clean(key): cleaned(value) for key, value in data.items()}
        case Sequence():
            return [cleaned(value) for value in data]
        case _:
            return data


def _read(server: str, tool: WireTool) -> Definition:
    if not _NAME.fullmatch(tool.name):
        raise ValueError("a name has 1 to 64 letters, digits, _ and -")
    if len(offered_name(server, tool.name)) > NAME_MAX:
        raise ValueError(f"with the server's name it is longer than {NAME_MAX} characters")
    said = tool.model_dump(mode="json", by_alias=True, exclude_none=True)
    keys = ("name", "title", "description", "inputSchema", "outputSchema", "annotations")
    body: JsonObject = {key: said[key] for key in keys if key in said}
    if len(_canonical(body)) > DEFINITION_MAX:
        raise ValueError(f"its definition is larger than {DEFINITION_MAX} bytes")
    for schema in (tool.input_schema, tool.output_schema):
        if schema is not None and (fault := fault_of(schema)) is not None:
            raise ValueError(fault)
    return definition_of(tool.name, body)


def _canonical(body: JsonObject) -> bytes:
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def _lines(body: JsonObject) -> list[str]:
    return json.dumps(body, sort_keys=True, indent=1, ensure_ascii=True).splitlines()
