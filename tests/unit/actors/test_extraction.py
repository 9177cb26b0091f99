"""What documents speak of is found by rules, in time that no rule and no text can stretch."""

import time
from pathlib import Path

import pytest

from actors.knowledge.draft import Section
from actors.knowledge.extraction import Extractor, Rule, Rules, problem_of
from config.problems import ConfigErrors
from deployments.demo import RULES
from deployments.knowledge.rules import SHIPPED, read_rules

CODES = Rule("code", patterns=(r"NW-\d{4}", r"[A-Z]{2,5}_ERR"))
PLANS = Rule("plan", names=("Team", "Team Plus", "Business"))


def names(text: str, *rules: Rule) -> list[str]:
    return [entity.id for entity in Extractor(Rules(rules)).entities(text)]


def test_names_and_patterns_are_found_as_whole_words_and_as_they_are_spelt() -> None:
    text = "NW-4092, XNW-4092, NW-40921, DB_ERR; your team has Team Plus, not Teams or Pre-Business"
    assert names(text, CODES, PLANS) == ["code:NW-4092", "code:DB_ERR", "plan:Team Plus"]


def test_a_document_is_about_what_its_headings_name_and_mentions_the_rest() -> None:
    extractor = Extractor(Rules((CODES, PLANS), topics=True, ignored=("overview",)))
    entities, links = extractor.links(
        "NW-4092 appears",
        [Section("Overview", "Team or Business."), Section("A > Move  UP", "NW-4092 again.")],
        ["Business"],
        ["kb-2"],
    )
    assert {(link.kind, link.dst) for link in links} == {
        ("related", "document:kb-2"),
        ("about", "code:NW-4092"),
        ("about", "plan:Business"),
        ("about", "topic:move up"),
        ("mentions", "plan:Team"),
    }
    assert len(entities) == 4


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+b",
        "a*",
        "a+",
        "(a|a)",
        "a{1,99}",
        "a{9,1}",
        "[a-z]{0,60}[a-z]{0,60}",
        r"(?=x)",
        r"\1",
        "a.b",
        "^a",
        "[a",
        "a{2}{3}",
        "x" * 201,
        "a||",
        "[z-a]",
        "",
    ],
)
def test_a_pattern_that_could_take_long_is_refused(pattern: str) -> None:
    assert problem_of(pattern) is not None


@pytest.mark.parametrize("pattern", [r"NW-\d{4}", "[A-Z]{2,5}-[0-9]{3,6}", "a|b?c", r"v\d\.\d\b"])
def test_a_simple_pattern_is_taken(pattern: str) -> None:
    assert problem_of(pattern) is None


def test_the_worst_allowed_pattern_takes_a_bounded_time_on_the_worst_text() -> None:
    """256 ways at each of 200,000 letters; an unbounded pattern would not end in a lifetime."""
    worst = "[a-z]{0,15}[a-z]{0,15}1"
    assert problem_of(worst) is None
    begun = time.process_time()
    assert names("a" * 200_000, Rule("x", patterns=(worst,))) == []
    assert time.process_time() - begun < 20


def test_many_names_are_found_without_trying_each() -> None:
    rule = Rule("product", names=tuple(f"Product {n}" for n in range(5_000)))
    begun = time.process_time()
    assert names("word " * 100_000 + "Product 4711.", rule) == ["product:Product 4711"]
    assert time.process_time() - begun < 5


@pytest.mark.parametrize("path", [SHIPPED, RULES])
def test_the_shipped_rules_can_be_meant(path: Path) -> None:
    assert read_rules(path).rules


def test_what_rules_cannot_mean_is_said_all_at_once_with_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(
        "entities:\n  code:\n    patterns: ['(a+)+']\n  document:\n    names: [x]\n"
        "  empty: {}\n  plan:\n    names: Team\n    name: x\n    \n"
        "topics:\n  ignore: ['A  b', A b]\n  skip: []\nrules: 1\n"
    )
    with pytest.raises(ConfigErrors) as refused:
        read_rules(path)
    said = str(refused.value).replace(str(path), "r")
    for words in (
        "r:3: entities.code.patterns[0]: is no simple pattern",
        "r:4: entities.document: is no name of a kind",
        "r:6: entities.empty: needs names or patterns",
        "r:8: entities.plan.names: must be a list",
        "r:9: entities.plan.name: is not a key here",
        "r:13: topics.skip: is not a key here",
        "r:14: rules: is not a key here",
    ):
        assert words in said
