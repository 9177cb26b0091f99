"""Which schemas a vendor would refuse: found here, at a pointer, before anybody is asked."""

import pytest
from typing_extensions import override

from routing import schema_findings, tool_schema
from routing.message import JsonObject, ToolSpec
from routing.schema_findings import MAX_COMPLAINTS, Complaint
from routing.tool_schema import MAX_DEPTH, Dialect, response_findings, tool_findings

LOOKED: list[str] = []


class Name(str):
    """A name that remembers with how many it was compared."""

    __slots__ = ()
    __hash__ = str.__hash__

    @override
    def __eq__(self, other: object) -> bool:
        LOOKED.append(self)
        return str.__eq__(self, other)


OPENAI, ANTHROPIC, GEMINI = Dialect.OPENAI, Dialect.ANTHROPIC, Dialect.GEMINI
EVERYBODY = (OPENAI, ANTHROPIC, GEMINI)
TEXT: JsonObject = {"type": "string"}


def closed(**properties: JsonObject) -> dict[str, object]:
    """An object that every strict mode takes."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def at(schema: object, dialect: Dialect, *, strict: bool = True) -> list[str]:
    tool = ToolSpec("find", "", schema, strict)  # type: ignore[arg-type]
    return [complaint.pointer for complaint in tool_findings(tool, dialect).complaints]


@pytest.mark.parametrize("dialect", EVERYBODY)
def test_a_closed_schema_of_plain_types_is_taken_by_everybody(dialect: Dialect) -> None:
    """The common subset, with notes, enums, lists, unions and references that end."""
    schema = closed(
        name={"type": "string", "description": "Whose."},
        kind={"type": "string", "enum": ["a", "b"], "title": "Kind"},
        ids={"type": "array", "items": TEXT, "minItems": 1},
        until={"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]},
        inner={"$ref": "#/$defs/inner"},
    )
    schema["$defs"] = {"inner": closed(x={"type": ["integer", "null"]})}
    assert at(schema, dialect) == []
    assert not response_findings(schema, dialect).complaints  # type: ignore[arg-type]


@pytest.mark.parametrize("dialect", EVERYBODY)
def test_outside_strict_mode_a_schema_is_advice(dialect: Dialect) -> None:
    """Whatever a model may make of it, the request is taken."""
    loose = {"type": "object", "properties": {"a": {"type": "integer", "minimum": 1, "not": {}}}}
    assert at(loose, dialect, strict=False) == []


@pytest.mark.parametrize("dialect", EVERYBODY)
@pytest.mark.parametrize("schema", [{}, {"type": "array"}, {"properties": {}}])
def test_the_parameters_of_a_function_are_an_object_everywhere(
    schema: object, dialect: Dialect
) -> None:
    """Strict or not: arguments have names."""
    assert "" in at(schema, dialect, strict=False)


def test_openai_and_anthropic_take_no_union_at_the_root() -> None:
    """Google documents no such rule."""
    schema = {"type": "object", "anyOf": [closed(), closed(a=TEXT)]}
    assert at(schema, OPENAI, strict=False) == at(schema, ANTHROPIC, strict=False) == [""]
    assert at(schema, GEMINI, strict=False) == []


def test_an_open_object_is_found_wherever_it_is() -> None:
    """In a list, in a union, in a definition: strict mode closes every object."""
    opened: JsonObject = {"type": "object", "properties": {}}
    schema = closed(
        rows={"type": "array", "items": opened}, either={"anyOf": [opened, {"type": "null"}]}
    )
    schema["$defs"] = {"a/b": opened}
    expected = ["/properties/rows/items", "/properties/either/anyOf/0", "/$defs/a~1b"]
    assert at(schema, OPENAI) == at(schema, ANTHROPIC) == expected
    assert at(schema, GEMINI) == []


def test_only_openai_wants_every_property_required() -> None:
    """The complaint names them, so that they can be made nullable instead."""
    schema = {**closed(a=TEXT, b=TEXT, c=TEXT), "required": ["a"]}
    tool = ToolSpec("find", "", schema, strict=True)  # type: ignore[arg-type]
    [found] = tool_findings(tool, OPENAI).complaints
    assert found == Complaint("", "strict mode needs every property in required: b, c")
    assert at(schema, ANTHROPIC) == at(schema, GEMINI) == []


@pytest.mark.parametrize(
    ("word", "value", "refusing"),
    [
        ("minimum", 1, {ANTHROPIC}),
        ("exclusiveMinimum", 0, {ANTHROPIC, GEMINI}),
        ("maxLength", 5, {ANTHROPIC, GEMINI}),
        ("multipleOf", 2, {ANTHROPIC, GEMINI}),
        ("uniqueItems", True, {ANTHROPIC, GEMINI}),
        ("const", "a", {GEMINI}),
        ("not", {"type": "null"}, {OPENAI, ANTHROPIC, GEMINI}),
        ("if", {}, {OPENAI, ANTHROPIC, GEMINI}),
        ("oneOf", [TEXT], {OPENAI, ANTHROPIC}),
        ("allOf", [TEXT], {OPENAI, GEMINI}),
        ("default", "a", set()),
        ("description", "a", set()),
    ],
)
def test_a_keyword_is_refused_by_those_who_document_it_as_unsupported(
    word: str, value: object, refusing: set[Dialect]
) -> None:
    """Each vendor compiles another subset."""
    schema = closed(a={"type": "string", word: value})  # type: ignore[dict-item]
    for dialect in EVERYBODY:
        expected = [f"/properties/a/{word}"] if dialect in refusing else []
        assert at(schema, dialect) == expected, dialect


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("format", "color"),
        ("pattern", r"^(?=a)b"),
        ("pattern", r"(a)\1"),
        ("minItems", 2),
        ("enum", [{"a": 1}]),
    ],
)
def test_anthropic_minds_the_values_of_some_keywords(word: str, value: object) -> None:
    """The keyword is known, what it asks for is not."""
    schema = closed(a={"type": "string", word: value})  # type: ignore[dict-item]
    assert at(schema, ANTHROPIC) == [f"/properties/a/{word}"]
    assert at(schema, OPENAI) == []


def tree(*, required: bool) -> dict[str, object]:
    """A node with children of its own kind."""
    node = closed(name=TEXT, children={"type": "array", "items": {"$ref": "#/$defs/node"}})
    if not required:
        node["required"] = ["name"]
    return {**closed(root={"$ref": "#/$defs/node"}), "$defs": {"node": node}}


def test_a_schema_that_refers_to_itself_is_openais_alone() -> None:
    """Google unrolls it where it may be left out; Anthropic takes none."""
    where = ["/$defs/node/properties/children/items/$ref"]
    assert at(tree(required=True), OPENAI) == []
    assert at(tree(required=True), ANTHROPIC) == where
    assert at(tree(required=True), GEMINI) == where
    assert at(tree(required=False), ANTHROPIC) == where
    assert at(tree(required=False), GEMINI) == []


def test_a_root_that_refers_to_itself_is_recursion_too() -> None:
    """`#` is the shortest way to write it."""
    schema = closed(next={"$ref": "#"})
    assert at(schema, ANTHROPIC) == at(schema, GEMINI) == ["/properties/next/$ref"]


@pytest.mark.parametrize(
    "reference",
    [
        "#/$defs/nothing", "https://example.com/schema.json",
        # Other ways to write a place would have it walked once for each of them.
        "#0/$defs/there", "#$defs/there", "#/$defs/the~re", "#/$defs/there~",
    ],
)  # fmt: skip
def test_a_reference_that_leads_out_of_the_schema_is_refused(reference: str) -> None:
    """Nobody fetches a schema."""
    places = {"there": TEXT, "the~re": TEXT, "there~": TEXT}
    schema = {**closed(a={"$ref": reference}), "$defs": places}
    assert at(schema, ANTHROPIC) == ["/properties/a/$ref"]


def test_a_reference_to_a_name_with_the_pointers_own_signs_is_followed() -> None:
    schema = {**closed(a={"$ref": "#/$defs/x~1y~0z"}), "$defs": {"x/y~z": TEXT}}
    assert at(schema, ANTHROPIC) == []


def test_google_takes_nothing_beside_a_reference() -> None:
    """Documented; pydantic writes descriptions there."""
    schema = closed(a={"$ref": "#/$defs/a", "description": "x"})
    schema["$defs"] = {"a": TEXT}
    assert at(schema, GEMINI) == ["/properties/a"]


def nested(levels: int) -> dict[str, object]:
    schema = closed()
    for _ in range(levels - 1):
        schema = closed(a=schema)  # type: ignore[arg-type]
    return schema


def test_openai_takes_ten_levels_of_objects_and_not_eleven() -> None:
    """Its documented depth; nobody else names one."""
    assert at(nested(10), OPENAI) == []
    assert at(nested(11), OPENAI) == ["/properties/a" * 10]
    assert at(nested(11), ANTHROPIC) == at(nested(11), GEMINI) == []


@pytest.mark.parametrize("dialect", EVERYBODY)
def test_a_schema_as_deep_as_a_well_is_refused_and_does_not_overflow(dialect: Dialect) -> None:
    """A body of a megabyte can nest deeper than Python's stack."""
    deep: dict[str, object] = dict(TEXT)
    for _ in range(50_000):
        deep = {"type": "array", "items": deep}
    pointers = at(closed(a=deep), dialect)  # type: ignore[arg-type]
    assert pointers == ["/properties/a" + "/items" * MAX_DEPTH]


def test_openais_limits_in_all_are_counted_over_the_whole_schema() -> None:
    """5,000 properties and 1,000 values of enums, wherever they stand."""
    wide = closed(**{f"p{i}": TEXT for i in range(4_999)}, list={"type": "array", "items": TEXT})
    assert at(wide, OPENAI) == []
    assert at(closed(a=wide, b=TEXT), OPENAI) == [""]  # type: ignore[arg-type]
    choice: JsonObject = {"enum": list(range(101))}
    many = closed(**{f"p{i}": choice for i in range(10)})
    assert at(many, OPENAI) == [""]


def test_the_root_of_an_answer_is_an_object_at_openai() -> None:
    """Anthropic and Google answer with lists and values as well."""
    schema: JsonObject = {"type": "array", "items": TEXT}
    assert [c.pointer for c in response_findings(schema, OPENAI).complaints] == [""]
    for dialect in (ANTHROPIC, GEMINI):
        assert not response_findings(schema, dialect).complaints


def test_complaints_are_a_handful() -> None:
    """A schema of another dialect would fill a page."""
    unsupported: JsonObject = {"type": "string", "not": {}}
    schema = closed(**{f"p{i}": unsupported for i in range(50)})
    assert len(at(schema, OPENAI)) == MAX_COMPLAINTS


def test_what_anthropic_rations_is_counted() -> None:
    """Parameters that may be left out, and those of several types."""
    schema = closed(
        a=TEXT, b={"type": ["string", "null"]}, c={"anyOf": [TEXT, {"type": "null"}]}, d=TEXT
    )
    schema["required"] = ["a", "b"]
    found = response_findings(schema, ANTHROPIC)  # type: ignore[arg-type]
    assert (found.complaints, found.optionals, found.unions) == ((), 2, 2)


@pytest.mark.parametrize("dialect", EVERYBODY)
def test_names_are_not_each_compared_with_all_that_are_required(dialect: Dialect) -> None:
    """32,000 properties took a processor 15 s, on the event loop."""
    LOOKED.clear()
    names = [f"p{index}" for index in range(2_000)]
    schema = {**closed(**dict.fromkeys(names, TEXT)), "required": [Name(n) for n in names[::-1]]}
    response_findings(schema, dialect)  # type: ignore[arg-type]
    assert len(LOOKED) <= 3 * len(names)


def test_a_place_is_written_out_only_where_something_is_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Below a name of half a megabyte each place is as long as that, and there may be thousands."""
    said: list[schema_findings.Path] = []

    def written(path: schema_findings.Path) -> str:
        said.append(path)
        return schema_findings.written(path)

    monkeypatch.setattr(tool_schema, "written", written)
    inner = {f"p{index}": TEXT for index in range(100)}
    wrong = {"oneOf": [TEXT]}
    schema = closed(a=closed(**inner, last=wrong))  # type: ignore[arg-type]
    assert at(schema, OPENAI) == ["/properties/a/properties/last/oneOf"]
    assert len(said) == 1


def test_what_is_said_of_a_schema_is_short_however_long_its_names_are() -> None:
    """A reason against each platform repeats it, and so does the answer."""
    schema = {**closed(**{"x" * 9_000: TEXT}), "required": []}
    for dialect in (OPENAI, GEMINI):
        for complaint in response_findings(schema, dialect).complaints:  # type: ignore[arg-type]
            assert len(str(complaint)) < 500
    [found] = response_findings(schema, OPENAI).complaints  # type: ignore[arg-type]
    assert "needs every property" in str(found)
