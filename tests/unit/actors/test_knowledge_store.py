"""What a tenant knows: kept once, read in pages, found from its neighbours, and nobody else's."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event
from sqlalchemy.dialects import registry

from actors.audience import AUDIENCES, Audience
from actors.database import Database, KnowledgeStore, open_database
from actors.database import knowledge as store_module
from actors.database import knowledge_documents as kb
from actors.database import knowledge_graph as graph
from actors.database.knowledge_rows import (
    Change,
    Entity,
    Link,
    NewDocument,
    NewEmbedding,
    NewPassage,
    node_of,
)

PUBLIC: tuple[Audience, ...] = ("public",)
CODE = Entity("code:NW-4092", "code", "NW-4092")
VECTOR = b"\x00\x3c\x00\x00"


def document(
    name: str,
    *texts: str,
    source: str = "handbook",
    audience: Audience = "public",
    related: tuple[str, ...] = (),
    entities: tuple[Entity, ...] = (),
    title: str = "",
) -> NewDocument:
    links = [Link("related", node_of(other)) for other in related]
    links += [Link("mentions", entity.id) for entity in entities]
    return NewDocument(
        id=name,
        source=source,
        path=f"{name}.md",
        title=title or f"About {name}",
        audience=audience,
        passages=tuple(NewPassage("", text) for text in texts or ("text",)),
        entities=entities,
        links=tuple(links),
    )


@pytest.fixture
def store(database: Database) -> KnowledgeStore:
    return KnowledgeStore(database)


async def test_what_is_kept_already_is_not_written_again(store: KnowledgeStore) -> None:
    assert await store.version("t") == 0
    first = await store.put("t", [document("a"), document("b")], 1.0)
    assert first == Change(added=("a", "b"))
    assert await store.version("t") == 1
    second = await store.put("t", [document("a"), document("b", "new"), document("c")], 2.0)
    assert second == Change(added=("c",), changed=("b",), unchanged=("a",))
    assert await store.version("t") == 2
    assert await store.put("t", [document("a")], 3.0) == Change(unchanged=("a",))
    assert await store.version("t") == 2
    assert [row.at for row in await store.documents("t", None, 9)] == [1.0, 2.0, 2.0]


async def test_passages_are_read_in_pages_with_nothing_missing_and_nothing_twice(
    store: KnowledgeStore,
) -> None:
    documents = [document(name, *(f"{name}{n}" for n in range(3))) for name in "abc"]
    await store.put("t", documents, 1.0)
    read: list[str] = []
    after = None
    while page := await store.passages("t", after, 2):
        assert len(page) <= 2
        read += [row.text for row in page]
        after = (page[-1].document_id, page[-1].seq)
    assert read == [f"{name}{n}" for name in "abc" for n in range(3)]
    assert [row.text for row in await store.passages_of("t", "b")] == ["b0", "b1", "b2"]


async def test_a_vector_stays_with_its_words_and_goes_with_them(store: KnowledgeStore) -> None:
    await store.put("t", [document("a", "stays", "goes")], 1.0)
    rows = await store.passages("t", None, 9)
    vectors = [NewEmbedding(row.document_id, row.seq, row.content_hash, VECTOR) for row in rows]
    assert await store.put_embeddings("t", "minilm", vectors, 2.0) == 2
    assert await store.version("t") == 2
    await store.put("t", [document("a", "new", "stays")], 3.0)
    new, stayed = await store.passages("t", None, 9)
    assert (new.embedding, new.embed_model) == (None, None)
    assert (stayed.embedding, stayed.embed_model) == (VECTOR, "minilm")
    # The vector of words that were replaced while it was being made is not taken.
    assert await store.put_embeddings("t", "minilm", vectors[1:], 4.0) == 0
    assert await store.version("t") == 3


async def test_an_id_that_another_source_has_is_left_alone_and_named(
    store: KnowledgeStore,
) -> None:
    await store.put("t", [document("a")], 1.0)
    change = await store.put("t", [document("a", "other", source="wiki"), document("b")], 2.0)
    assert change == Change(added=("b",), taken=(("a", "handbook"),))
    assert [row.text for row in await store.passages_of("t", "a")] == ["text"]


async def test_a_link_that_is_gone_is_closed_and_not_lost(store: KnowledgeStore) -> None:
    await store.put("t", [document("a", related=("b",)), document("b", entities=(CODE,))], 1.0)
    near = await store.neighbours("t", [node_of("a")], 2, PUBLIC, 9)
    assert [(n.id, n.hops) for n in near] == [(node_of("b"), 1), (CODE.id, 2)]
    await store.put("t", [document("a")], 5.0)
    assert await store.neighbours("t", [node_of("a")], 2, PUBLIC, 9) == []
    then = await store.neighbours("t", [node_of("a")], 2, PUBLIC, 9, at=4.0)
    assert [n.id for n in then] == [node_of("b"), CODE.id]
    (edge,) = await store.links_of("t", "a")
    assert (edge.valid_from, edge.valid_to) == (1.0, 5.0)
    await store.put("t", [document("a", related=("b",))], 7.0)
    assert [(e.valid_from, e.valid_to) for e in await store.links_of("t", "a")] == [
        (1.0, 5.0),
        (7.0, None),
    ]
    await store.forget_history("t", 6.0)
    assert [e.valid_from for e in await store.links_of("t", "a")] == [7.0]


async def test_a_deleted_document_takes_its_passages_and_closes_its_links(
    store: KnowledgeStore,
) -> None:
    await store.put("t", [document("a", related=("b",)), document("b", entities=(CODE,))], 1.0)
    assert await store.delete("t", ["b", "never"], 2.0) == ("b",)
    assert await store.passages_of("t", "b") == []
    assert await store.neighbours("t", [node_of("a")], 3, PUBLIC, 9) == []
    assert [edge.dst for edge in await store.edges("t", None, 9)] == [node_of("b")]
    version = await store.version("t")
    assert await store.delete("t", ["b"], 3.0) == ()
    assert await store.version("t") == version


async def test_nobody_is_led_through_a_document_he_may_not_read(store: KnowledgeStore) -> None:
    secret = Entity("tool:close_account", "tool", "close_account")
    await store.put(
        "t",
        [
            document("a", related=("limits",), entities=(CODE,)),
            document("limits", audience="internal", entities=(CODE, secret), related=("b",)),
            document("b"),
        ],
        1.0,
    )
    seen = await store.neighbours("t", [node_of("a")], 3, PUBLIC, 9)
    assert [n.id for n in seen] == [CODE.id]
    all_of_it = await store.neighbours("t", [node_of("a")], 3, AUDIENCES, 9)
    assert {n.id for n in all_of_it} == {CODE.id, secret.id, node_of("limits"), node_of("b")}
    # Its readers change with the document, and nobody is told what it said before either.
    await store.put("t", [document("a", audience="agent", entities=(CODE,))], 2.0)
    assert await store.neighbours("t", [CODE.id], 1, PUBLIC, 9) == []


async def test_a_file_holds_what_it_held_last(store: KnowledgeStore) -> None:
    rows = [
        NewDocument(n, "shop", "faq.csv", n, "public", (NewPassage("", n),)) for n in ("a", "b")
    ]
    await store.put("t", rows, 1.0)
    assert await store.end_file("t", "shop", "faq.csv", ["a", "b"], "f1", 1.0) == ()
    assert await store.files("t", "shop") == {"faq.csv": "f1"}
    assert await store.end_file("t", "shop", "faq.csv", ["b"], "f2", 2.0) == ("a",)
    assert await store.owned("t", "shop") == {"b": "faq.csv"}
    assert await store.end_file("t", "shop", "faq.csv", [], None, 3.0) == ("b",)
    assert await store.files("t", "shop") == {}
    assert await store.sources("t") == []


TENANTS = ("acme", "acme/eu", "ACME", "acme%", "")
NAMES = ("a", "b", "c")


@settings(max_examples=12, deadline=None)
@given(data=st.data())
async def test_no_change_of_one_tenant_is_seen_by_another(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Any interleaving of writes leaves each tenant what it would have alone."""
    steps = data.draw(
        st.lists(
            st.tuples(
                st.sampled_from(TENANTS),
                st.sampled_from(NAMES),
                st.sampled_from(["put", "delete"]),
                st.sampled_from(NAMES),
            ),
            max_size=12,
        )
    )
    together = open_database(tmp_path_factory.mktemp("together") / "x.db")
    alone = open_database(tmp_path_factory.mktemp("alone") / "x.db")
    try:
        for base in (together, alone):
            await base.migrate()
        for number, (tenant, name, verb, other) in enumerate(steps):
            mark = f"{tenant}:{other}"
            made = document(
                name, mark, related=(other,), entities=(Entity(f"code:{mark}", "code", mark),)
            )
            for base, key in ((together, tenant), (alone, f"only {tenant}")):
                if verb == "put":
                    await KnowledgeStore(base).put(key, [made], float(number))
                else:
                    await KnowledgeStore(base).delete(key, [name], float(number))
        for tenant in TENANTS:
            theirs = await everything(KnowledgeStore(together), tenant)
            assert theirs == await everything(KnowledgeStore(alone), f"only {tenant}")
    finally:
        await together.aclose()
        await alone.aclose()


async def everything(store: KnowledgeStore, tenant: str) -> list[object]:
    nodes = [node_of(name) for name in NAMES]
    return [
        await store.version(tenant),
        await store.documents(tenant, None, 99),
        await store.passages(tenant, None, 99),
        await store.edges(tenant, None, 99),
        await store.neighbours(tenant, nodes[:1], 3, AUDIENCES, 99),
        [await store.links_of(tenant, name) for name in NAMES],
        await store.sources(tenant),
    ]


@pytest.mark.parametrize("name", ["sqlite", "postgresql"])
def test_every_statement_can_be_said_in_both_dialects(name: str) -> None:
    dialect = registry.load(name)()
    for statement in (
        kb._keeping(name),
        kb._advancing(name),
        kb.PASSAGES,
        store_module._marking(name),
        graph._keeping_entities(name),
        graph._opening(name),
        graph._walking(is_of_a_day=True),
    ):
        assert str(statement.compile(dialect=dialect))


@pytest.mark.parametrize("address", ["sqlite"], indirect=True)
async def test_a_walk_looks_links_up_by_either_end_and_never_reads_them_all(
    store: KnowledgeStore, database: Database
) -> None:
    """At 33,000 links a look-up is a fraction of a millisecond, and reading them all a second."""
    await store.put("t", [document("a", related=("b",)), document("b")], 1.0)
    said: list[tuple[str, Any]] = []

    def listen(_c: object, _k: object, statement: str, values: object, *_: object) -> None:
        said.append((statement, values))

    event.listen(database._reading._store.engine, "before_cursor_execute", listen)
    assert await store.neighbours("t", [node_of("a")], 2, PUBLIC, 9)
    (walk,) = [pair for pair in said if "RECURSIVE" in pair[0]]
    plan = await database.read(
        lambda connection: [
            str(row.detail)
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {walk[0]}", walk[1])
        ]
    )
    assert any("kb_edge" in step and "(tenant=? AND src=?)" in step for step in plan), plan
    assert any("kb_edge" in step and "(tenant=? AND dst=?)" in step for step in plan), plan
    assert not [step for step in plan if step.endswith("(tenant=?)")], plan
