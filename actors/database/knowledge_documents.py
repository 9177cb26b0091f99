"""Write documents and take them away, with everything that was made of them.

Functions of a connection, for `KnowledgeStore`: each is one piece of a write transaction.
"""

import base64
from collections.abc import Collection, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, delete, insert, select, update

from actors.database import knowledge_graph as graph
from actors.database.knowledge_rows import (
    Change,
    DocumentRow,
    NewDocument,
    PassageRow,
    passage_hash,
)
from actors.database.knowledge_tables import kb_document, kb_file, kb_passage, kb_version
from actors.database.upsert import Insert, insert_into

# A statement may name some thousands of ids; SQLite refuses 32,767, PostgreSQL 65,536.
_IDS_AT_ONCE = 1_000


def put_documents(
    connection: Connection, tenant: str, documents: Sequence[NewDocument], at: float
) -> Change:
    """`KnowledgeStore.put` inside the caller's write transaction."""
    c = kb_document.c
    named = [document.id for document in documents]
    statement = select(c.id, c.source, c.path, c.content_hash).where(
        c.tenant == tenant, c.id.in_(named)
    )
    there = {row.id: row for row in connection.execute(statement)}
    taken = {name: row.source for name, row in there.items()}
    ours = [d for d in documents if taken.get(d.id, d.source) == d.source]
    writing = [d for d in ours if d.id not in there or there[d.id].content_hash != d.content_hash]
    moving = [d for d in ours if d not in writing and there[d.id].path != d.path]
    if writing:
        _write(connection, tenant, writing, at)
        graph.link_documents(connection, tenant, writing, at)
        advance(connection, tenant, at)
    # What is half way from one state of a file to another is neither: it must be read again.
    paths = {(d.source, d.path) for d in (*writing, *moving)}
    paths |= {(d.source, there[d.id].path) for d in (*writing, *moving) if d.id in there}
    unread(connection, tenant, paths)
    if moving:
        rows = [{"of": tenant, "named": d.id, "at_path": d.path} for d in moving]
        connection.execute(_MOVING, rows)
    written = {d.id for d in writing}
    return Change(
        added=tuple(d.id for d in writing if d.id not in there),
        changed=tuple(d.id for d in writing if d.id in there),
        unchanged=tuple(d.id for d in ours if d.id not in written),
        taken=tuple(
            (d.id, taken[d.id]) for d in documents if taken.get(d.id, d.source) != d.source
        ),
    )


def delete_documents(
    connection: Connection, tenant: str, ids: Collection[str], at: float
) -> tuple[str, ...]:
    """`KnowledgeStore.delete` inside the caller's write transaction."""
    c = kb_document.c
    gone: list[str] = []
    named = sorted(ids)
    for first in range(0, len(named), _IDS_AT_ONCE):
        some = named[first : first + _IDS_AT_ONCE]
        mine = and_(c.tenant == tenant, c.id.in_(some))
        rows = connection.execute(select(c.id, c.source, c.path).where(mine).order_by(c.id)).all()
        if rows:
            connection.execute(delete(kb_document).where(mine))
            there = [row.id for row in rows]
            graph.unlink_documents(connection, tenant, there, at)
            unread(connection, tenant, {(row.source, row.path) for row in rows})
            gone += there
    if gone:
        advance(connection, tenant, at)
    return tuple(gone)


def unread(connection: Connection, tenant: str, files: Collection[tuple[str, str]]) -> None:
    """Have the files, by source and path, read again next time."""
    rows = [{"of": tenant, "at_source": source, "at_path": path} for source, path in files]
    if rows:
        connection.execute(_UNREAD, rows)


def _write(
    connection: Connection, tenant: str, documents: Sequence[NewDocument], at: float
) -> None:
    ids = [document.id for document in documents]
    mine = and_(kb_passage.c.tenant == tenant, kb_passage.c.document_id.in_(ids))
    c = kb_passage.c
    vectors = {
        (row.document_id, row.content_hash): (row.embedding, row.embed_model)
        for row in connection.execute(
            select(c.document_id, c.content_hash, c.embedding, c.embed_model).where(
                mine, c.embedding.is_not(None)
            )
        )
    }
    connection.execute(delete(kb_passage).where(mine))
    connection.execute(
        _keeping(connection.dialect.name),
        [
            {
                "tenant": tenant,
                "id": d.id,
                "source": d.source,
                "path": d.path,
                "title": d.title,
                "category": d.category,
                "audience": d.audience,
                "tags": list(d.tags),
                "url": d.url,
                "updated": d.updated,
                "content_hash": d.content_hash,
                "at": at,
            }
            for d in documents
        ],
    )
    rows = []
    for document in documents:
        for seq, passage in enumerate(document.passages):
            hashed = passage_hash(document.title, passage)
            embedding, model = vectors.get((document.id, hashed), (None, None))
            rows.append(
                {
                    "tenant": tenant,
                    "document_id": document.id,
                    "seq": seq,
                    "heading": passage.heading,
                    "text": passage.text,
                    "content_hash": hashed,
                    "embedding": embedding,
                    "embed_model": model,
                }
            )
    if rows:
        connection.execute(insert(kb_passage), rows)


def version_of(connection: Connection, tenant: str) -> int:
    """`KnowledgeStore.version` inside the caller's transaction."""
    statement = select(kb_version.c.version).where(kb_version.c.tenant == tenant)
    return connection.execute(statement).scalar() or 0


def advance(connection: Connection, tenant: str, at: float) -> None:
    """Make the tenant's version one higher."""
    row = {"tenant": tenant, "version": 1, "at": at}
    connection.execute(_advancing(connection.dialect.name), row)


PASSAGES = (
    select(
        kb_passage,
        kb_document.c.title,
        kb_document.c.audience,
        kb_document.c.tags,
        kb_document.c.url,
    )
    .join_from(
        kb_passage,
        kb_document,
        and_(
            kb_document.c.tenant == kb_passage.c.tenant,
            kb_document.c.id == kb_passage.c.document_id,
        ),
    )
    .order_by(kb_passage.c.document_id, kb_passage.c.seq)
)
"""Every tenant's passages with what their documents say of them, in their order."""
_UNREAD = delete(kb_file).where(
    kb_file.c.tenant == bindparam("of"),
    kb_file.c.source == bindparam("at_source"),
    kb_file.c.path == bindparam("at_path"),
)
_MOVING = (
    update(kb_document)
    .where(kb_document.c.tenant == bindparam("of"), kb_document.c.id == bindparam("named"))
    .values(path=bindparam("at_path"))
)


@cache
def _keeping(dialect: str) -> Insert:
    statement = insert_into(kb_document, dialect)
    new = statement.excluded
    kept = [column.name for column in kb_document.columns if not column.primary_key]
    return statement.on_conflict_do_update(
        index_elements=["tenant", "id"], set_={name: new[name] for name in kept}
    )


@cache
def _advancing(dialect: str) -> Insert:
    statement = insert_into(kb_version, dialect)
    return statement.on_conflict_do_update(
        index_elements=["tenant"],
        set_={"version": kb_version.c.version + 1, "at": statement.excluded.at},
    )


def document_of(row: Row[*tuple[Any, ...]]) -> DocumentRow:
    """The document in its row."""
    return DocumentRow(
        id=row.id,
        source=row.source,
        path=row.path,
        title=row.title,
        audience=row.audience,
        category=row.category,
        tags=tuple(row.tags),
        url=row.url,
        updated=row.updated,
        content_hash=row.content_hash,
        at=row.at,
    )


def passage_of(row: Row[*tuple[Any, ...]]) -> PassageRow:
    """The passage in a row of `PASSAGES`."""
    return PassageRow(
        document_id=row.document_id,
        seq=row.seq,
        title=row.title,
        heading=row.heading,
        text=row.text,
        audience=row.audience,
        tags=tuple(row.tags),
        url=row.url,
        content_hash=row.content_hash,
        embedding=None if row.embedding is None else base64.b85decode(row.embedding),
        embed_model=row.embed_model,
    )
