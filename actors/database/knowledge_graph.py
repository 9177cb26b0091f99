"""The graph of a tenant's knowledge: what documents speak of, from when until when.

Functions of a connection, for `KnowledgeStore`. A link that a document no longer has is
closed and kept: what was known on a day can be asked of that day.
"""

from collections.abc import Collection, Iterable, Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    CTE,
    BindParameter,
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    bindparam,
    case,
    delete,
    func,
    literal,
    or_,
    select,
    tuple_,
    update,
)

from actors.audience import Audience
from actors.database.knowledge_rows import (
    DOCUMENT,
    RELATED,
    Edge,
    Entity,
    Neighbour,
    NewDocument,
    node_of,
)
from actors.database.knowledge_tables import kb_edge, kb_entity
from actors.database.upsert import Insert, insert_into

# Three links join nearly everything with everything: a fourth would find the whole graph.
HOPS_MAX = 3
# Whoever has more of them has renamed everything, and sees so from the first thousand.
DANGLING_MAX = 1_000

_Link = tuple[str, str, str]


def link_documents(
    connection: Connection, tenant: str, documents: Sequence[NewDocument], at: float
) -> None:
    """Let the graph say of the documents exactly what they say now."""
    entities: dict[str, dict[str, object]] = {}
    for document in documents:
        for entity in document.entities:
            entities[entity.id] = _entity_row(tenant, entity, None)
        own = Entity(node_of(document.id), DOCUMENT, document.title)
        entities[own.id] = _entity_row(tenant, own, document.audience)
    dialect = connection.dialect.name
    connection.execute(_keeping_entities(dialect), list(entities.values()))
    held = _open_links(connection, tenant, [node_of(document.id) for document in documents])
    said: dict[_Link, Audience] = {
        (node_of(document.id), link.kind, link.dst): document.audience
        for document in documents
        for link in document.links
    }
    # A link whose document found other readers is another link: nobody is told the old one.
    gone = [link for link, audience in held.items() if said.get(link) != audience]
    new = [link for link, audience in said.items() if held.get(link) != audience]
    _close(connection, tenant, gone, at)
    if new:
        connection.execute(
            _opening(dialect),
            [
                {
                    "tenant": tenant,
                    **dict(zip(("src", "kind", "dst"), link, strict=True)),
                    "valid_from": at,
                    "valid_to": None,
                    "audience": said[link],
                }
                for link in new
            ],
        )


def unlink_documents(connection: Connection, tenant: str, ids: Sequence[str], at: float) -> None:
    """Close every link of documents that are gone, and take them out of the graph."""
    nodes = [node_of(name) for name in ids]
    _close(connection, tenant, _open_links(connection, tenant, nodes), at)
    connection.execute(
        delete(kb_entity).where(kb_entity.c.tenant == tenant, kb_entity.c.id.in_(nodes))
    )


def edges_after(
    connection: Connection, tenant: str, after: tuple[str, str, str] | None, limit: int
) -> list[Edge]:
    """At most `limit` links that hold now, in the order of their ends."""
    c = kb_edge.c
    statement = select(kb_edge).where(c.tenant == tenant, c.valid_to.is_(None))
    if after is not None:
        statement = statement.where(tuple_(c.src, c.kind, c.dst) > tuple_(*after))
    statement = statement.order_by(c.src, c.kind, c.dst).limit(limit)
    return [_edge_of(row) for row in connection.execute(statement)]


def dangling(connection: Connection, tenant: str) -> list[tuple[str, str]]:
    """Links between documents of which the other end is not there: at most `DANGLING_MAX`."""
    edge, there = kb_edge.c, kb_entity.c
    statement = (
        select(edge.src, edge.dst)
        .outerjoin_from(kb_edge, kb_entity, and_(there.tenant == tenant, there.id == edge.dst))
        .where(
            edge.tenant == tenant,
            edge.kind == RELATED,
            edge.valid_to.is_(None),
            there.id.is_(None),
        )
        .order_by(edge.src, edge.dst)
        .limit(DANGLING_MAX)
    )
    return [(row.src, row.dst) for row in connection.execute(statement)]


def history_of(connection: Connection, tenant: str, document_id: str) -> list[Edge]:
    """Every link the document ever had, oldest first."""
    c = kb_edge.c
    statement = (
        select(kb_edge)
        .where(c.tenant == tenant, c.src == node_of(document_id))
        .order_by(c.valid_from, c.kind, c.dst)
    )
    return [_edge_of(row) for row in connection.execute(statement)]


def neighbours(
    connection: Connection,
    tenant: str,
    nodes: Collection[str],
    hops: int,
    audiences: Collection[Audience],
    limit: int,
    at: float | None,
) -> list[Neighbour]:
    """Entities at most `hops` links from `nodes`, nearest first, themselves left out.

    Links are walked in both directions, and only those that `audiences` may be told: nothing
    is reached by way of a document that the asker may not read.
    """
    if not nodes or not audiences:
        return []
    asked: dict[str, object] = {
        "of": tenant,
        "nodes": list(nodes),
        "hops": min(hops, HOPS_MAX),
        "audiences": list(audiences),
        "at_most": limit,
    }
    if at is not None:
        asked["at"] = at
    rows = connection.execute(_walking(is_of_a_day=at is not None), asked)
    return [Neighbour(row.id, row.kind, row.name, row.audience, row.hops) for row in rows]


def forget_closed(connection: Connection, tenant: str, before: float) -> None:
    """Drop links that ended before `before`, and entities that nothing speaks of any more."""
    c = kb_edge.c
    connection.execute(delete(kb_edge).where(c.tenant == tenant, c.valid_to < before))
    spoken_of = select(c.dst).where(c.tenant == tenant)
    connection.execute(
        delete(kb_entity).where(
            kb_entity.c.tenant == tenant,
            kb_entity.c.kind != DOCUMENT,
            kb_entity.c.id.not_in(spoken_of),
        )
    )


def _open_links(connection: Connection, tenant: str, nodes: Sequence[str]) -> dict[_Link, Audience]:
    c = kb_edge.c
    statement = select(c.src, c.kind, c.dst, c.audience).where(
        c.tenant == tenant, c.src.in_(nodes), c.valid_to.is_(None)
    )
    return {(row.src, row.kind, row.dst): row.audience for row in connection.execute(statement)}


def _close(connection: Connection, tenant: str, links: Iterable[_Link], at: float) -> None:
    rows = [
        {"of": tenant, "from_node": src, "as_kind": kind, "to_node": dst, "at": at}
        for src, kind, dst in links
    ]
    if rows:
        connection.execute(_CLOSING, rows)


def _entity_row(tenant: str, entity: Entity, audience: Audience | None) -> dict[str, object]:
    return {
        "tenant": tenant,
        "id": entity.id,
        "kind": entity.kind,
        "name": entity.name,
        "audience": audience,
    }


def _edge_of(row: Row[*tuple[Any, ...]]) -> Edge:
    return Edge(row.src, row.kind, row.dst, row.audience, row.valid_from, row.valid_to)


_CLOSING = (
    update(kb_edge)
    .where(
        kb_edge.c.tenant == bindparam("of"),
        kb_edge.c.src == bindparam("from_node"),
        kb_edge.c.kind == bindparam("as_kind"),
        kb_edge.c.dst == bindparam("to_node"),
        kb_edge.c.valid_to.is_(None),
    )
    .values(valid_to=bindparam("at"))
)


@cache
def _keeping_entities(dialect: str) -> Insert:
    statement = insert_into(kb_entity, dialect)
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["tenant", "id"],
        set_={"kind": new.kind, "name": new.name, "audience": new.audience},
    )


@cache
def _opening(dialect: str) -> Insert:
    statement = insert_into(kb_edge, dialect)
    # Closed and said again within one tick of the clock: it never ended.
    return statement.on_conflict_do_update(
        index_elements=["tenant", "src", "kind", "dst", "valid_from"],
        set_={"valid_to": None, "audience": statement.excluded.audience},
    )


@cache
def _walking(*, is_of_a_day: bool) -> Select[Any]:
    entity = kb_entity.c
    start = select(
        entity.id, entity.kind, entity.name, entity.audience, literal(0).label("hops")
    ).where(
        entity.tenant == bindparam("of"),
        entity.id.in_(bindparam("nodes", expanding=True)),
        _readable(),
    )
    walk = start.cte("walk", recursive=True)
    walk = walk.union(_step(walk, is_of_a_day=is_of_a_day))
    hops = func.min(walk.c.hops).label("hops")
    what = (walk.c.id, walk.c.kind, walk.c.name, walk.c.audience)
    return (
        select(*what, hops)
        .group_by(*what)
        .having(func.min(walk.c.hops) > 0)
        .order_by(hops, walk.c.id)
        .limit(bindparam("at_most"))
    )


def _step(walk: CTE, *, is_of_a_day: bool) -> Select[Any]:
    """One link further.

    The tenant is said with either end: said once, SQLite takes an index by the tenant alone
    and reads all the links there are, 90 ms for 22,000 (3.40).
    """
    edge, entity = kb_edge.c, kb_entity.c
    tenant: BindParameter[str] = bindparam("of")
    other = case((edge.src == walk.c.id, edge.dst), else_=edge.src)
    touches = or_(
        and_(edge.tenant == tenant, edge.src == walk.c.id),
        and_(edge.tenant == tenant, edge.dst == walk.c.id),
    )
    holds: ColumnElement[bool] = edge.valid_to.is_(None)
    if is_of_a_day:
        day: BindParameter[float] = bindparam("at")
        holds = and_(edge.valid_from <= day, or_(holds, edge.valid_to > day))
    return (
        select(entity.id, entity.kind, entity.name, entity.audience, walk.c.hops + 1)
        .join_from(walk, kb_edge, touches)
        .join(kb_entity, and_(entity.tenant == tenant, entity.id == other))
        .where(
            walk.c.hops < bindparam("hops"),
            holds,
            edge.audience.in_(bindparam("audiences", expanding=True)),
            _readable(),
        )
    )


def _readable() -> ColumnElement[bool]:
    audience = kb_entity.c.audience
    return or_(audience.is_(None), audience.in_(bindparam("audiences", expanding=True)))
