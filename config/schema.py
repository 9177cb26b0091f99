"""The JSON Schema of the configuration, so that editors complete and check it.

`python -m config.schema` writes config/schema.json; a test fails when it was forgotten.
Put `# yaml-language-server: $schema=config/schema.json` at the head of a file to use it.
"""

import json
from pathlib import Path
from typing import Any

from config.settings import Settings

SCHEMA = Path(__file__).with_name("schema.json")

# A value of any type may be a variable, or text around one.
_VARIABLE = {"type": "string", "pattern": r"\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\}"}


def schema_text() -> str:
    """The schema as it is stored."""
    schema = _with_variables(Settings.model_json_schema())
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"


def _with_variables(node: Any) -> Any:
    if isinstance(node, list):
        return [_with_variables(item) for item in node]
    if not isinstance(node, dict):
        return node
    # No set: a setting may itself be called `type`, and a block of settings cannot be hashed.
    if node.get("type") in ("integer", "number", "boolean") or "enum" in node:
        kept = {key: node[key] for key in ("default", "examples") if key in node}
        rest = {key: value for key, value in node.items() if key not in {*kept, "title"}}
        return {**kept, "anyOf": [rest, _VARIABLE]}
    # Titles are the keys again, in capitals.
    return {
        key: _with_variables(value)
        for key, value in node.items()
        if key != "title" or not isinstance(value, str)
    }


if __name__ == "__main__":
    SCHEMA.write_text(schema_text(), encoding="utf-8")
