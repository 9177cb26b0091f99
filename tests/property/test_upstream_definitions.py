"""What a server of others says of a tool: every change of it is seen, and none of it costs its reader much."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from mcp_types import Tool as WireTool

from deployments.mcp_gateway.containment import clean
from deployments.mcp_gateway.upstreams.definition import definition_of, difference, listing_of
from deployments.mcp_gateway.upstreams.offer import Rule, Terms, offer
from deployments.mcp_gateway.upstreams.schemas import NODES_MAX, breach_of, fault_of

TEXT = st.text(max_size=30)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)
KEYWORDS = st.sampled_from(
    ["type", "properties", "items", "allOf", "anyOf", "not", "$ref", "$defs", "pattern", "enum",
     "required", "uniqueItems", "additionalProperties", "const", "minimum", "a", "b"]
)  # fmt: skip
VALUES = st.sampled_from(
    ["object", "string", "#/$defs/a", "#/$defs/b", "#/$defs/a/allOf", "(a+)+$"]
)
SCHEMAS = st.recursive(
    VALUES | st.booleans() | st.integers(0, 3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYWORDS, inner, max_size=5),
    max_leaves=30,
)
TOOLS = st.fixed_dictionaries(
    {"name": st.from_regex(r"[A-Za-z0-9_-]{1,50}", fullmatch=True)},
    optional={
        "title": TEXT,
        "description": TEXT,
        "inputSchema": st.fixed_dictionaries({"type": st.just("object")}, optional={"properties": st.dictionaries(TEXT, st.fixed_dictionaries({"description": TEXT}), max_size=3)}),
        "outputSchema": st.just({"type": "object"}),
        "annotations": st.fixed_dictionaries({}, optional={"readOnlyHint": st.booleans(), "title": TEXT}),
    },
)  # fmt: skip


def read(said: dict[str, Any]) -> WireTool:
    return WireTool.model_validate({"inputSchema": {"type": "object"}, **said})


@given(TOOLS, TOOLS)
def test_two_definitions_have_one_hash_only_if_they_say_the_same(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    first, second = read(one), read({**other, "name": one["name"]})
    hashes = [listing_of("s", [tool]).tools[one["name"]].hash for tool in (first, second)]
    said = [
        tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in (first, second)
    ]
    assert (hashes[0] == hashes[1]) == (said[0] == said[1])


@given(TOOLS, st.data())
def test_a_hash_outlives_the_store_and_a_hidden_character_changes_it(
    said: dict[str, Any], data: st.DataObject
) -> None:
    found = listing_of("s", [read(said)]).tools[said["name"]]
    kept = json.loads(json.dumps(found.body))
    assert definition_of(found.name, kept).hash == found.hash
    text = said.get("description", "")
    at = data.draw(st.integers(0, len(text)))
    hidden = listing_of("s", [read({**said, "description": f"{text[:at]}\u200b{text[at:]}"})])
    changed = hidden.tools[said["name"]]
    assert changed.hash != found.hash
    assert any("u200b" in line for line in difference(found.body, changed.body))


@given(TOOLS, st.sampled_from(["read", "write", "money", "egress"]), st.booleans())
def test_what_is_offered_hides_nothing_and_may_do_what_we_say(
    said: dict[str, Any], effect: Any, approval: bool
) -> None:
    found = listing_of("s", [read(said)]).tools[said["name"]]
    terms = Terms("s", "", "mcp:tools", 5.0, rules={said["name"]: Rule(effect, approval)})
    tool = offer(terms, found)
    for words in (tool.title, tool.description, json.dumps(tool.input_schema, ensure_ascii=False)):
        assert clean(words) == words
    assert (tool.side_effect, tool.needs_approval, tool.trust) == (effect, approval, "untrusted")
    assert tool.name == f"s__{said['name']}"


@given(SCHEMAS, JSON)
def test_a_schema_is_refused_or_can_be_followed(schema: Any, data: Any) -> None:
    """Whatever stands in it; and what is passed on is small with all its references written out."""
    if fault_of(schema) is not None:
        return
    assert _written_out(schema, schema) <= NODES_MAX
    breach_of(schema, data)


def _written_out(root: Any, part: Any) -> int:
    if isinstance(part, dict):
        total = 1
        for key, value in part.items():
            if key == "$ref" and isinstance(value, str):
                target = root
                for step in value[2:].split("/"):
                    target = target[step]
                total += _written_out(root, target)
            else:
                total += _written_out(root, value)
        return total
    if isinstance(part, list):
        return 1 + sum(_written_out(root, value) for value in part)
    return 1


@given(JSON)
def test_an_answer_keeps_a_promise_exactly_if_it_does(data: Any) -> None:
    schema: Any = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    number = data.get("a") if isinstance(data, dict) else None
    kept = isinstance(number, int) and not isinstance(number, bool)
    assert (breach_of(schema, data) is None) == kept
