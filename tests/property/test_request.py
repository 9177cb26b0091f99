"""What is asked of a platform, whatever it is: nothing it refuses, nothing it was not promised for."""

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from deployments.platforms.anthropic import codec as anthropic
from routing.exchange import ChatRequest, ResponseSchema
from routing.message import Json, ToolSpec
from routing.schema_findings import MAX_COMPLAINTS
from routing.tool_schema import Dialect, response_findings, tool_findings
from tests.property.test_codec import conversations, names, texts, values

SAMPLING = {"temperature", "top_p", "top_k"}
# Words of JSON Schema, so that what is drawn looks like one often enough.
WORDS = st.sampled_from(
    (
        "type",
        "properties",
        "$defs",
        "items",
        "anyOf",
        "$ref",
        "required",
        "enum",
        "minItems",
        "additionalProperties",
        "format",
        "pattern",
        "not",
        "minimum",
        "a",
        "b/c",
        "~",
    )
)
NODES = st.recursive(
    values | st.sampled_from(["object", "array", "string", "#", "#/$defs/a", "#/properties/a"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=5),
    max_leaves=12,
)
SCHEMAS = st.dictionaries(WORDS, NODES, max_size=6)


@st.composite
def requests(draw: st.DrawFn) -> ChatRequest:
    specs = st.builds(ToolSpec, names, texts, SCHEMAS, st.booleans())
    system = draw(texts) * draw(st.sampled_from([1, 200]))
    return ChatRequest(
        model="claude-haiku-5-5",
        messages=draw(conversations()),
        system=system,
        max_tokens=draw(st.integers(1, 1_000)),
        temperature=draw(st.none() | st.floats(0, 2)),
        tools=tuple(draw(st.lists(specs, max_size=3))),
        tool_choice=draw(st.sampled_from(["auto", "none", "required"])),
        parallel_tools=draw(st.booleans()),
        response_schema=draw(st.none() | st.builds(ResponseSchema, names, SCHEMAS)),
        safety_id=draw(st.none() | names),
        stable_system_chars=draw(st.integers(0, len(system) + 1)),
    )


@given(request=requests(), stream=st.booleans())
def test_anthropic_is_never_sent_what_its_api_version_refuses(
    request: ChatRequest,
    stream: bool,
) -> None:
    """Version 2026-10-21 answers 400 to sampling parameters, whatever the model."""
    body = anthropic.encode_request(request, stream=stream)
    assert SAMPLING.isdisjoint(body)


@given(request=requests())
def test_marking_what_is_cached_changes_nothing_of_what_is_said(request: ChatRequest) -> None:
    """The blocks are the system prompt, cut where its stable beginning ends; four marks at most."""
    body = anthropic.encode_request(request, stream=False)
    system = body.get("system", "")
    blocks = [{"text": system}] if isinstance(system, str) else system
    assert isinstance(blocks, list)
    said = "".join(str(block["text"]) for block in blocks if isinstance(block, Mapping))
    assert said == request.system or said + request.system[len(said) :].strip() == said
    tools = body.get("tools", [])
    assert isinstance(tools, list)
    marked = [
        part for part in [*tools, *blocks] if isinstance(part, Mapping) and "cache_control" in part
    ]
    assert len(marked) <= 2
    assert all(part["cache_control"] == {"type": "ephemeral"} for part in marked)


@given(schema=SCHEMAS, dialect=st.sampled_from(Dialect), strict=st.booleans())
def test_every_complaint_points_into_the_schema(
    schema: Mapping[str, Json],
    dialect: Dialect,
    strict: bool,
) -> None:
    """Whatever is sent as a schema, what is said of it is a handful of places that are there."""
    found = tool_findings(ToolSpec("find", "", schema, strict), dialect).complaints
    found += response_findings(schema, dialect).complaints
    assert len(found) <= 2 * MAX_COMPLAINTS
    for complaint in found:
        node: Json = schema
        for step in complaint.pointer.split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            if isinstance(node, Mapping):
                assert key in node, complaint
                node = node[key]
            else:
                assert isinstance(node, list), complaint
                node = node[int(key)]
