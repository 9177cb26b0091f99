"""Search finds what was asked for, in the asker's words."""

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.knowledge import Article, ArticleGraph, Audience, LexicalIndex, read_articles
from actors.knowledge.graph import DECAY
from actors.knowledge.tokenise import tokenise

PUBLIC: tuple[Audience, ...] = ("public",)
NORTHWIND = read_articles(Path(__file__).parents[3] / "config/northwind/articles")


def article(name: str, title: str, body: str = "-", related: tuple[str, ...] = ()) -> Article:
    return Article(name, title, "c", "public", date(2026, 1, 1), body, related)


@pytest.mark.parametrize(
    ("question", "title"),
    [
        ("I was charged twice", "I was charged twice"),
        ("you have CHARGED me two times, it is charged twice!", "I was charged twice"),
        ("how do I reset my password?", "Reset your password"),
        ("my database is slow", "Your database is slow"),
        ("I'd like to cancel my plan", "Cancel your plan"),
        ("how can I invite teammates", "Add or remove a teammate"),
    ],
)
def test_a_customers_question_finds_the_article_about_it_first(question: str, title: str) -> None:
    assert LexicalIndex(NORTHWIND).search(question, 1, PUBLIC)[0].passage.title == title


def test_a_question_about_something_else_finds_nothing() -> None:
    index = LexicalIndex(NORTHWIND)
    assert index.search("who wrote Hamlet", 5, PUBLIC) == []
    assert index.search("", 5, PUBLIC) == []
    assert index.search("the of and", 5, PUBLIC) == []


def test_an_article_is_found_once_by_its_best_section() -> None:
    food = "fish and much else " * 100
    index = LexicalIndex([article("a", "Cats", f"## Food\n{food}\n## Sleep\nfish in a basket")])
    (hit,) = index.search("fish basket", 5, PUBLIC)
    assert hit.passage.text.startswith("Sleep")


def test_a_rare_word_weighs_more_than_a_common_one() -> None:
    common = [article(f"c{n}", "plan", "plan") for n in range(5)]
    index = LexicalIndex([*common, article("rare", "refund", "refund")])
    assert index.search("plan refund", 1, PUBLIC)[0].passage.id == "rare"


def test_an_error_code_is_a_word() -> None:
    index = LexicalIndex(NORTHWIND)
    assert "NW-4092" in index.search("NW-4092", 1, PUBLIC)[0].passage.text


@given(st.text())
def test_any_text_can_be_asked(text: str) -> None:
    hits = LexicalIndex(NORTHWIND[:3]).search(text, 2, PUBLIC)
    assert len(hits) <= 2
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


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


def test_neighbours_of_a_hit_are_found_over_edges_in_either_direction() -> None:
    articles = [
        article("a", "Cats", "cats", related=("b",)),
        article("b", "Fish"),
        article("c", "Milk", related=("a",)),
        article("d", "Far", related=("b",)),
    ]
    hits = LexicalIndex(articles).search("cats", 5, PUBLIC)
    near = ArticleGraph(articles).related(hits, 5, PUBLIC)
    assert [hit.passage.id for hit in near] == ["b", "c"]
    assert {hit.passage.source for hit in near} == {"knowledge_graph"}
    assert [hit.score for hit in near] == [hits[0].score * DECAY / 2] * 2


def test_an_article_next_to_two_hits_comes_before_one_next_to_one() -> None:
    articles = [
        article("a", "Cats", "cats", related=("z", "b")),
        article("c", "Cats", "cats", related=("z", "d")),
        *(article(name, "Other") for name in "bdz"),
    ]
    hits = LexicalIndex(articles).search("cats", 5, PUBLIC)
    near = ArticleGraph(articles).related(hits, 1, PUBLIC)
    assert [hit.passage.id for hit in near] == ["z"]


def test_what_was_found_is_not_found_again_as_a_neighbour() -> None:
    articles = [article("a", "Cats", related=("b",)), article("b", "Cats")]
    hits = LexicalIndex(articles).search("cats", 5, PUBLIC)
    assert len(hits) == 2
    assert ArticleGraph(articles).related(hits, 5, PUBLIC) == []
