"""OpenAI's own OpenAPI document, cut down to what we ask for; read where it lies, never kept here."""

import json
from pathlib import Path
from typing import Any

from tests.judges.judge import REPOSITORY, absent

DOCUMENT = REPOSITORY.parent / "shared/data/specs/openai-openapi-2026-08-21.json"
# Of the whole document Prism needs 18 s of CPU to start, of these two paths 5 s.
PATHS = ("/responses", "/models")


def write_part(target: Path) -> None:
    """Write to `target` the paths we call with everything they refer to.

    Two things are taken back, because they would judge the judge: Prism reads a whole
    stream as if it were one event, and the document forbids a null (`user` of a response)
    which all its own examples of responses have.
    """
    if not DOCUMENT.exists():
        absent(f"{DOCUMENT} is not there: OpenAI's description of its own API")
    document: dict[str, Any] = json.loads(DOCUMENT.read_bytes())
    document["paths"] = {path: document["paths"][path] for path in PATHS}
    document.pop("webhooks", None)
    document["components"] = _referred_to(document)
    answers = document["paths"]["/responses"]["post"]["responses"]["200"]["content"]
    answers["text/event-stream"]["schema"] = {}
    schemas = document["components"]["schemas"]
    schemas["ModelResponseProperties"]["properties"]["user"]["type"] = ["string", "null"]
    target.write_text(json.dumps(document))


def _referred_to(document: dict[str, Any]) -> dict[str, Any]:
    """The components which the document's paths reach, directly or not."""
    everything = document["components"]
    found: dict[str, Any] = {"securitySchemes": everything["securitySchemes"]}
    waiting: list[Any] = [document["paths"]]
    while waiting:
        match waiting.pop():
            case dict() as value:
                _, _, place = str(value.get("$ref", "")).partition("#/components/")
                kind, _, name = place.partition("/")
                if place and name not in found.setdefault(kind, {}):
                    found[kind][name] = everything[kind][name]
                    waiting.append(everything[kind][name])
                waiting.extend(value.values())
            case list() as values:
                waiting.extend(values)
            case _:
                pass
    return found
