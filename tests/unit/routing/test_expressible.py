"""What a platform's wire cannot carry is a reason against it, not against the request."""

from collections.abc import Iterator, Mapping, ValuesView
from dataclasses import replace
from decimal import Decimal

import pytest
from typing_extensions import override

from routing.capability import Capability
from routing.decision import Decision
from routing.eligibility import assess
from routing.errors import RequestError
from routing.estimate import TaskFacts
from routing.exchange import ResponseSchema
from routing.message import Image, Json, JsonObject, ToolSpec
from routing.platform_profile import PlatformProfile
from routing.reason import Reason
from routing.request_limits import RequestLimits
from routing.requirement import Requirements
from routing.schema_findings import MAX_VALUES
from routing.scorecard import Scorecard
from routing.tool_schema import Dialect
from tests.unit.routing.worlds import CHEAP, DEAR, FACTS, NO_LIMITS, NOW, asked, platform, seen

CLOSED: JsonObject = {"type": "object", "properties": {}, "additionalProperties": False}
OPEN: JsonObject = {"type": "object", "properties": {}}
GPT = RequestLimits(tools=128, tool_name="[a-z_]{1,64}", dialect=Dialect.OPENAI, image_tokens=3_000)
CLAUDE = RequestLimits(dialect=Dialect.ANTHROPIC, strict_tools=2, strict_optionals=3)
GEMINI = RequestLimits(
    dialect=Dialect.GEMINI,
    image_types=frozenset({"image/png"}),
    names_image_types=True,
    image_tokens=1_120,
)
PNG = Image("image/png", data="iVBORw0KGgo=")


def limited(name: str, limits: RequestLimits) -> PlatformProfile:
    return replace(platform(name), limits=limits)


def tools(count: int, *, strict: bool = False, schema: JsonObject = CLOSED) -> TaskFacts:
    specs = tuple(ToolSpec("find_" + "x" * i, "", schema, strict) for i in range(1, count + 1))
    return replace(FACTS, tools=specs, needs=frozenset({Capability.FUNCTION_CALLING}))


def seeing(*images: Image) -> TaskFacts:
    return replace(FACTS, images=images, needs=frozenset({Capability.VISION}))


def reasons(profile: PlatformProfile, facts: TaskFacts) -> list[Reason]:
    card = Scorecard(profile.name)
    return list(assess(profile, card, Requirements(), facts, NOW).reasons)


def decided(facts: TaskFacts, *profiles: PlatformProfile, name: str | None = None) -> Decision:
    return asked(profiles, seen(), NO_LIMITS, facts, platform=name)


def filled(values: int) -> JsonObject:
    """An object that every strict mode takes, of so many values."""
    return {**CLOSED, "description": ["x"] * (values - len(CLOSED) - 1)}


class Unread(Mapping[str, Json]):
    """A schema that is counted, and in which nothing is looked for."""

    def __init__(self, inside: JsonObject) -> None:
        self._inside = inside

    @override
    def __getitem__(self, key: str) -> Json:
        raise AssertionError(f"{key} was looked for")

    @override
    def __len__(self) -> int:
        return len(self._inside)

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(self._inside)

    @override
    def values(self) -> ValuesView[Json]:
        return self._inside.values()


def test_schemas_that_are_too_large_together_are_a_reason_and_are_not_walked() -> None:
    """They are walked where nobody else is served meanwhile, once for each dialect."""
    half = Unread(filled(MAX_VALUES // 2 + 1))
    one = replace(tools(1), response_schema=ResponseSchema("a", filled(MAX_VALUES)))
    assert not reasons(limited("google_vertex", GEMINI), one)
    both = replace(tools(1, strict=True, schema=half), response_schema=ResponseSchema("a", half))
    both = replace(both, tools=(*both.tools, *tools(1).tools))
    for profile in (limited("openai", GPT), limited("anthropic", CLAUDE)):
        [first, second] = reasons(profile, both)
        assert f"over {MAX_VALUES} values in all schemas together" in first.detail
        assert (first.code, second.code) == ("tool_schema", "response_schema")


def test_more_tools_than_a_platform_takes_is_a_reason_that_names_its_limit() -> None:
    """The caller learns whose limit it is, what it is, and what would pass."""
    facts = replace(tools(1), tools=tools(1).tools * 200)
    [reason] = reasons(limited("openai", GPT), facts)
    assert (reason.code, reason.where, reason.would_pass) == ("too_many_tools", "/tools", 128.0)
    assert reason.detail == "openai (openai-model) takes at most 128 tools, not 200"
    fewer = replace(facts, tools=facts.tools[:128])
    assert reasons(limited("openai", GPT), fewer) == []


def test_a_platform_that_can_express_the_request_takes_it_from_one_that_cannot() -> None:
    """Without a platform named, the cheaper one is out and nobody hears of it but the record."""
    cheap = limited("openai", GPT)
    dear = replace(limited("anthropic", CLAUDE), price=DEAR)
    facts = replace(tools(1), tools=tools(1).tools * 200)
    decision = decided(facts, cheap, dear)
    assert decision.chosen == "anthropic"
    assert [reason.code for reason in decision.candidates[0].reasons] == ["too_many_tools"]


def test_when_nobody_can_express_it_the_refusal_names_each_thing_to_change() -> None:
    """One violation a place, with the platform nearest to passing and its limit."""
    facts = replace(
        tools(1),
        tools=tools(1).tools * 200,
        response_schema=ResponseSchema("verdict", OPEN),
        needs=frozenset({Capability.FUNCTION_CALLING, Capability.JSON_SCHEMA}),
    )
    with pytest.raises(RequestError) as caught:
        decided(facts, limited("openai", GPT), limited("azure_openai", GPT))
    assert caught.value.code == "requirements_impossible"
    said = {v.where: v.message for v in caught.value.violations}
    assert "openai (openai-model) takes at most 128 tools, not 200" in said["/tools"]
    assert "additionalProperties" in said["/response_schema"]


def test_a_name_that_a_platform_does_not_take_is_named() -> None:
    """OpenAI's names end at 64 characters, Anthropic's at 128."""
    facts = replace(tools(1), tools=(ToolSpec("x" * 65, "", CLOSED),))
    [reason] = reasons(limited("openai", GPT), facts)
    assert reason.code == "tool_name"
    assert "[a-z_]{1,64}" in reason.detail
    assert reasons(limited("anthropic", CLAUDE), facts) == []


def test_a_strict_tool_whose_schema_cannot_be_held_to_is_named_with_the_place() -> None:
    """The tool, the pointer into its schema, and what is missing there."""
    facts = tools(1, strict=True, schema=OPEN)
    [reason] = reasons(limited("openai", GPT), facts)
    assert reason.code == "tool_schema"
    assert reason.detail == (
        "openai cannot express the tool find_x: /: strict mode needs additionalProperties: false"
    )
    assert reasons(limited("google_vertex", GEMINI), facts) == []


def test_strict_tools_are_rationed_over_the_whole_request() -> None:
    """Anthropic compiles them into one grammar; the same tools unstrict are not counted."""
    assert [r.code for r in reasons(limited("anthropic", CLAUDE), tools(3, strict=True))] == [
        "too_many_strict_tools"
    ]
    assert reasons(limited("anthropic", CLAUDE), tools(3)) == []
    optional = {**CLOSED, "properties": {"a": {"type": "string"}, "b": {"type": "string"}}}
    found = reasons(limited("anthropic", CLAUDE), tools(2, strict=True, schema=optional))
    assert [(r.code, r.would_pass) for r in found] == [("strict_schemas", 3.0)]


def test_an_image_needs_a_platform_that_sees_and_takes_its_kind() -> None:
    """Google takes no gif, and wants to be told what an address leads to."""
    vertex = limited("google_vertex", GEMINI)
    assert reasons(vertex, seeing(PNG)) == []
    assert [r.code for r in reasons(vertex, seeing(Image("image/gif", data="R0lG")))] == [
        "image_type"
    ]
    untold = Image(None, url="https://example.com/photo")
    assert [r.code for r in reasons(vertex, seeing(untold))] == ["image_url"]
    assert reasons(limited("openai", GPT), seeing(untold)) == []
    blind = platform("copilot_studio", capabilities=frozenset({Capability.STREAMING}))
    assert [r.code for r in reasons(blind, seeing(untold))] == ["capability:vision"]


def test_where_nobody_sees_an_image_is_refused_by_name() -> None:
    """Not sent without it, as if it had not been there."""
    blind = platform("copilot_studio", capabilities=frozenset({Capability.STREAMING}))
    with pytest.raises(RequestError, match="cannot do vision"):
        decided(seeing(PNG), blind)


def test_an_image_counts_at_what_each_platform_may_bill_for_it() -> None:
    """Max cost stays a promise: the bound of a call has every image at its dearest."""
    plain = assess(limited("openai", GPT), Scorecard("openai"), Requirements(), FACTS, NOW)
    for limits in (GPT, GEMINI):
        profile = limited("openai", limits)
        facts = seeing(PNG, PNG)
        candidate = assess(profile, Scorecard("openai"), Requirements(), facts, NOW)
        assert candidate.cost_bound_usd is not None
        assert plain.cost_bound_usd is not None
        more = CHEAP.bound(2 * limits.image_tokens, 0)
        assert candidate.cost_bound_usd - plain.cost_bound_usd == more


def test_a_limit_too_small_for_the_image_is_refused_with_what_would_pass() -> None:
    """The same words as for a text that is too long for the money."""
    profile = limited("openai", GPT)
    enough_for_text = CHEAP.bound(FACTS.input_tokens_bound, FACTS.max_tokens)
    limits = Requirements(max_cost_usd=enough_for_text)
    assert assess(profile, Scorecard("openai"), limits, FACTS, NOW).is_eligible
    candidate = assess(profile, Scorecard("openai"), limits, seeing(*[PNG] * 5), NOW)
    [reason] = candidate.reasons
    assert reason.code == "max_cost"
    assert isinstance(reason.would_pass, Decimal)
    enough = Requirements(max_cost_usd=reason.would_pass)
    assert assess(profile, Scorecard("openai"), enough, seeing(*[PNG] * 5), NOW).is_eligible


def test_an_unknown_platform_bills_an_image_at_the_dearest_there_is() -> None:
    """A promise is not made on a hope."""
    assert RequestLimits().image_tokens >= 48_169


def test_images_that_are_not_kept_are_counted_all_the_same() -> None:
    """A decision that is weighed again without its content costs what it did."""
    facts = seeing(PNG, PNG)
    kept = replace(facts, images=())
    assert kept.bound_with(1_120) == facts.bound_with(1_120) == FACTS.input_tokens_bound + 2_240
    assert kept.input_tokens_expected == facts.input_tokens_expected > FACTS.input_tokens_expected
