"""Search finds what was asked for, in the asker's words, and nothing the asker may not read."""

from collections.abc import Iterable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.audience import AUDIENCES, Audience
from actors.database.knowledge_rows import Edge, PassageRow, node_of
from actors.knowledge.document import Hit
from actors.knowledge.embed import normalised, packed
from actors.knowledge.index import KnowledgeIndex, build_index
from actors.knowledge.relations import DECAY, relate
from actors.knowledge.tokenise import tokenise


def row(
    name: str,
    title: str,
    text: str = "-",
    audience: Audience = "public",
    seq: int = 0,
    heading: str = "",
) -> PassageRow:
    return PassageRow(name, seq, title, heading, text, audience, (), None, f"{name}{seq}{text}")


def link(one: str, other: str, kind: str = "related") -> Edge:
    return Edge(node_of(one), kind, node_of(other), "public", 1.0, None)


def speaks_of(document: str, thing: str) -> Edge:
    return Edge(node_of(document), "mentions", thing, "public", 1.0, None)


def index(rows: Iterable[PassageRow], edges: Sequence[Edge] = ()) -> KnowledgeIndex:
    return build_index(1, rows, edges)


def found(hits: Sequence[Hit]) -> list[str]:
    return [hit.passage.id for hit in hits]


def test_a_question_about_something_else_finds_nothing() -> None:
    cats = index([row("a", "Cats", "cats eat fish")])
    for question in ("who wrote Hamlet", "", "the of and"):
        assert cats.search(question, None, 5, "public") == []


def test_an_index_of_nothing_finds_nothing() -> None:
    assert index([]).search("cats", None, 5, "internal") == []
    assert index([]).related("cats", None, 5, "internal") == []


def test_a_document_is_found_once_by_its_best_passage() -> None:
    cats = index(
        [row("a", "Cats", "fish", seq=0, heading="Food"), row("a", "Cats", "fish basket", seq=1)]
    )
    (hit,) = cats.search("fish basket", None, 5, "public")
    assert hit.passage.text == "fish basket"


def test_a_passage_is_shown_with_the_heading_it_stands_under() -> None:
    (hit,) = index([row("a", "Cats", "fish", heading="Pets > Food")]).search(
        "fish", None, 1, "public"
    )
    assert hit.passage.text == "Food\nfish"


def test_a_rare_word_weighs_more_than_a_common_one() -> None:
    common = [row(f"c{n}", "plan", "plan") for n in range(5)]
    hits = index([*common, row("rare", "refund", "refund")]).search(
        "plan refund", None, 1, "public"
    )
    assert found(hits) == ["rare"]


def test_words_side_by_side_are_nearer_than_words_apart() -> None:
    rows = [
        row("apart", "-", "annual bill and monthly plan"),
        row("near", "-", "bill of the annual plan"),
    ]
    assert found(index(rows).search("annual plan", None, 2, "public")) == ["near", "apart"]


def test_an_error_code_is_a_word() -> None:
    rows = [row("a", "Errors", "see NW-4092 there"), row("b", "Errors", "see NW-4091 there")]
    assert found(index(rows).search("NW-4092", None, 1, "public")) == ["a"]


def test_meaning_finds_what_no_word_does() -> None:
    vectors = packed(normalised(np.array([[1, 0.1], [0.1, 1]], dtype=np.float32)))
    rows = [
        PassageRow(name, 0, name, "", name, "public", (), None, name, vector, "m")
        for name, vector in zip(("fruit", "metal"), vectors, strict=True)
    ]
    both = build_index(1, rows, (), "m")
    assert found(both.search("apple", np.array([1, 0], dtype=np.float32), 1, "public")) == ["fruit"]
    assert both.search("apple", None, 1, "public") == []


@pytest.mark.parametrize("models", [("m", None), ("m", "other"), (None, None)])
def test_vectors_are_used_once_all_are_of_one_model(models: tuple[str | None, str | None]) -> None:
    """Half of an index would be found by meaning, and half not; two models do not compare."""
    vector = packed(normalised(np.array([[1, 0]], dtype=np.float32)))[0]
    rows = [
        PassageRow(
            str(n), 0, "t", "", "t", "public", (), None, "", vector if model else None, model
        )
        for n, model in enumerate(models)
    ]
    assert build_index(1, rows, (), "m").model is None


@given(st.text(), st.sampled_from(AUDIENCES))
def test_any_text_can_be_asked(text: str, reach: Audience) -> None:
    hits = SMALL.search(text, None, 2, reach)
    assert len(hits) <= 2
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


SMALL = index([row("a", "Cats", "cats eat fish"), row("b", "Dogs", "dogs eat cats", "agent")])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("charged", "charges"),
        ("charging", "charge"),
        ("planned", "plan"),
        ("companies", "company"),
        ("billing", "bills"),
        ("resets", "resetting"),
        ("Café", "cafe"),
        ("addresses", "address"),
    ],
)
def test_forms_of_a_word_meet(one: str, other: str) -> None:
    assert tokenise(one) == tokenise(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("plan", "plant"), ("status", "state"), ("NW-4092", "NW-4091"), ("2fa", "3fa")],
)
def test_different_words_stay_apart(one: str, other: str) -> None:
    assert tokenise(one) != tokenise(other)


def test_contractions_are_stop_words_however_the_apostrophe_is_typed() -> None:
    assert tokenise("I can't, don't and it\u2019s") == []


def test_neighbours_of_a_hit_are_found_over_links_in_either_direction() -> None:
    rows = [row("a", "Cats", "cats"), *(row(name, "-") for name in "bcd")]
    cats = index(rows, [link("a", "b"), link("c", "a"), link("d", "b")])
    near = cats.related("cats", None, 5, "public")
    assert found(near) == ["b", "c"]
    assert {hit.passage.source for hit in near} == {"knowledge_graph"}
    (hit,) = cats.search("cats", None, 1, "public")
    assert [one.score for one in near] == pytest.approx([hit.score * DECAY / 2] * 2)


def test_documents_that_speak_of_the_same_thing_are_neighbours() -> None:
    rows = [row("a", "Cats", "cats"), *(row(name, "-") for name in "bc")]
    edges = [
        speaks_of("a", "product:bowl"),
        speaks_of("b", "product:bowl"),
        speaks_of("c", "product:x"),
    ]
    assert found(index(rows, edges).related("cats", None, 5, "public")) == ["b"]


def test_a_document_next_to_two_hits_comes_before_one_next_to_one() -> None:
    rows = [row("a", "Cats", "cats"), row("c", "Cats", "cats"), *(row(name, "-") for name in "bdz")]
    edges = [link("a", "z"), link("a", "b"), link("c", "z"), link("c", "d")]
    assert found(index(rows, edges).related("cats", None, 1, "public")) == ["z"]


words = st.sampled_from(["cats", "dogs", "fish", "annual plan", "NW-1"])
texts = st.lists(words, max_size=4).map(" ".join)


@st.composite
def libraries(draw: st.DrawFn) -> tuple[list[PassageRow], list[Edge]]:
    names = draw(st.lists(st.sampled_from("abcdef"), unique=True, min_size=1))
    audiences = {name: draw(st.sampled_from(AUDIENCES)) for name in names}
    rows = [
        row(name, draw(texts), draw(texts), audiences[name], seq)
        for name in names
        for seq in range(draw(st.integers(1, 2)))
    ]
    pairs = st.tuples(st.sampled_from(names), st.sampled_from(names))
    edges = [link(one, other) for one, other in draw(st.lists(pairs, max_size=6))]
    edges += [speaks_of(name, draw(st.sampled_from(["x:1", "x:2"]))) for name in names]
    return rows, edges


@settings(max_examples=80, deadline=None)
@given(library=libraries(), query=texts, reach=st.sampled_from(AUDIENCES))
def test_what_lies_beyond_the_askers_reach_is_not_found_and_changes_no_score(
    library: tuple[list[PassageRow], list[Edge]], query: str, reach: Audience
) -> None:
    """An index without those rows answers word for word and number for number the same."""
    rows, edges = library
    level = AUDIENCES.index(reach)
    readable = [row for row in rows if AUDIENCES.index(row.audience) <= level]
    everything, alone = index(rows, edges), index(readable, edges)
    for method in (KnowledgeIndex.search, KnowledgeIndex.related):
        hits = method(everything, query, None, 10, reach)
        assert hits == method(alone, query, None, 10, "internal")
        assert all(AUDIENCES.index(hit.passage.audience) <= level for hit in hits)


@pytest.mark.parametrize(
    "poison", ["\0 \0", "x" * 1_000_000, "\ud800 half a pair", "\u202e\ufeff", "", " \n\t"]
)
def test_a_poisoned_row_costs_no_other_row_anything(poison: str) -> None:
    """What one document's author wrote, by mistake or not, is at most not found itself."""
    rows = [row("a", "Cats", "cats eat fish"), row("p", poison, poison, heading=poison)]
    made = index(rows, [link("p", "a")])
    assert found(made.search("cats fish", None, 5, "public")) == ["a"]
    hits = made.search(f"cats {poison[:300]}", None, 5, "public")
    assert "a" in found(hits)
    for hit in hits:
        assert hit.passage.text.encode()


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=40),
    st.dictionaries(st.integers(0, 9), st.floats(0.1, 5), min_size=1, max_size=3),
    st.integers(1, 8),
)
def test_neighbours_are_what_adding_up_one_by_one_comes_to(
    pairs: list[tuple[int, int]], seeds: dict[int, float], limit: int
) -> None:
    """Each seed shares half its score among its neighbours; seeds are not their own."""
    names = [f"d{n}" for n in range(10)]
    edges = [link(names[one], names[other]) for one, other in pairs]
    relations = relate([node_of(name) for name in names], range(10), edges)
    beside: dict[int, set[int]] = {n: set() for n in range(10)}
    for one, other in pairs:
        if one != other:
            beside[one].add(other)
            beside[other].add(one)
    expected: dict[int, float] = {}
    for seed, score in seeds.items():
        for other in beside[seed]:
            expected[other] = expected.get(other, 0.0) + DECAY * score / len(beside[seed])
    wanted = sorted(score for other, score in expected.items() if other not in seeds)[::-1][:limit]
    near = relations.near(seeds, limit)
    assert [score for _, score in near] == pytest.approx(wanted, rel=1e-5)
    assert not {other for other, _ in near} & seeds.keys()
    assert all(score == pytest.approx(expected[other], rel=1e-5) for other, score in near)
