"""The system of record of what tenants know: documents, passages, embeddings, the graph.

Search indexes are built from these rows and can be thrown away; the rows cannot. Every
committed change makes a tenant's version one higher, so that an index knows what it was
built from.
"""

import base64
from collections.abc import Callable, Collection, Sequence
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, and_, bindparam, select, tuple_, update

from actors.audience import Audience
from actors.database import knowledge_documents as kb
from actors.database import knowledge_graph as graph
from actors.database.engine import Database
from actors.database.knowledge_rows import (
    Change,
    DocumentRow,
    Edge,
    Neighbour,
    NewDocument,
    NewEmbedding,
    PassageRow,
    node_of,
)
from actors.database.knowledge_tables import kb_document, kb_file, kb_passage, kb_version
from actors.database.upsert import Insert, insert_into

T = TypeVar("T")


class KnowledgeStore:
    """Keeps what tenants know, each for the tenant it belongs to and nobody else."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def version(self, tenant: str) -> int:
        """How often the tenant's knowledge was changed; 0: it has none."""
        return await self._database.read(lambda connection: kb.version_of(connection, tenant))

    async def versions(self) -> dict[str, int]:
        """The version of every tenant that has knowledge: what the indexer watches."""
        c = kb_version.c
        rows = await self._rows(
            select(c.tenant, c.version), lambda row: (str(row.tenant), int(row.version))
        )
        return dict(rows)

    async def passages(
        self, tenant: str, after: tuple[str, int] | None, limit: int
    ) -> list[PassageRow]:
        """At most `limit` passages behind document and number `after`, in that order.

        Pages are read one by one: compare `version` before the first and after the last.
        """
        statement = kb.PASSAGES.where(kb_passage.c.tenant == tenant)
        if after is not None:
            key = (kb_passage.c.document_id, kb_passage.c.seq)
            statement = statement.where(tuple_(*key) > tuple_(*after))
        return await self._rows(statement.limit(limit), kb.passage_of)

    async def passages_of(self, tenant: str, document_id: str) -> list[PassageRow]:
        """Every passage of one document, in its order; none if there is no such document."""
        c = kb_passage.c
        statement = kb.PASSAGES.where(c.tenant == tenant, c.document_id == document_id)
        return await self._rows(statement, kb.passage_of)

    async def documents(self, tenant: str, after: str | None, limit: int) -> list[DocumentRow]:
        """At most `limit` documents behind the id `after`, in the order of their ids."""
        c = kb_document.c
        statement = select(kb_document).where(c.tenant == tenant)
        if after is not None:
            statement = statement.where(c.id > after)
        return await self._rows(statement.order_by(c.id).limit(limit), kb.document_of)

    async def document(self, tenant: str, document_id: str) -> DocumentRow | None:
        """The tenant's document of that id."""
        c = kb_document.c
        statement = select(kb_document).where(c.tenant == tenant, c.id == document_id)
        rows = await self._rows(statement, kb.document_of)
        return rows[0] if rows else None

    async def put(self, tenant: str, documents: Sequence[NewDocument], at: float) -> Change:
        """Keep the documents, all or none of them; what is kept already is not written again.

        An id that another source's document has is left as it is and named in `taken`.
        Vectors of passages whose words stay the same are kept.
        """
        return await self._database.write(
            lambda connection: kb.put_documents(connection, tenant, documents, at)
        )

    async def delete(self, tenant: str, ids: Collection[str], at: float) -> tuple[str, ...]:
        """Remove documents with their passages, and close their links; those there were."""
        return await self._database.write(
            lambda connection: kb.delete_documents(connection, tenant, ids, at)
        )

    async def put_embeddings(
        self, tenant: str, model: str, rows: Sequence[NewEmbedding], at: float
    ) -> int:
        """Keep the vectors of passages that still say what was embedded; how many those are."""
        values = [
            {
                "of": tenant,
                "document": row.document_id,
                "number": row.seq,
                "hashed": row.content_hash,
                "vector": base64.b85encode(row.embedding).decode(),
                "model": model,
            }
            for row in rows
        ]

        def work(connection: Connection) -> int:
            kept = sum(connection.execute(_EMBEDDING, value).rowcount for value in values)
            if kept:
                kb.advance(connection, tenant, at)
            return kept

        return await self._database.write(work)

    async def edges(
        self, tenant: str, after: tuple[str, str, str] | None, limit: int
    ) -> list[Edge]:
        """At most `limit` links that hold now, behind the one of `(src, kind, dst)`."""
        return await self._database.read(
            lambda connection: graph.edges_after(connection, tenant, after, limit)
        )

    async def links_of(self, tenant: str, document_id: str) -> list[Edge]:
        """Every link the document has or had, oldest first."""
        return await self._database.read(
            lambda connection: graph.history_of(connection, tenant, document_id)
        )

    async def neighbours(
        self,
        tenant: str,
        nodes: Collection[str],
        hops: int,
        audiences: Collection[Audience],
        limit: int,
        at: float | None = None,
    ) -> list[Neighbour]:
        """Entities at most `hops` (3 at most) links from `nodes` now, or at the moment `at`.

        Nearest first, at most `limit`. Only what `audiences` may read is walked through.
        """
        return await self._database.read(
            lambda connection: graph.neighbours(
                connection, tenant, nodes, hops, audiences, limit, at
            )
        )

    async def files(self, tenant: str, source: str) -> dict[str, str]:
        """The fingerprint of every file of the source that was ingested whole."""
        c = kb_file.c
        statement = select(c.path, c.fingerprint).where(c.tenant == tenant, c.source == source)
        rows = await self._rows(statement, lambda row: (str(row.path), str(row.fingerprint)))
        return dict(rows)

    async def owned(self, tenant: str, source: str) -> dict[str, str]:
        """The file each document of the source came from, by the document's id."""
        c = kb_document.c
        statement = select(c.id, c.path).where(c.tenant == tenant, c.source == source)
        return dict(await self._rows(statement, lambda row: (str(row.id), str(row.path))))

    async def sources(self, tenant: str) -> list[str]:
        """The sources that the tenant's documents come from, in order."""
        c = kb_document.c
        statement = select(c.source).where(c.tenant == tenant).distinct().order_by(c.source)
        return await self._rows(statement, lambda row: str(row.source))

    async def end_file(
        self,
        tenant: str,
        source: str,
        path: str,
        kept: Collection[str],
        fingerprint: str | None,
        at: float,
    ) -> tuple[str, ...]:
        """Say that the file holds the documents `kept` and no others; those that were removed.

        `fingerprint` None: it must be read again next time.
        """
        c = kb_document.c
        of_file = and_(c.tenant == tenant, c.source == source, c.path == path)

        def work(connection: Connection) -> tuple[str, ...]:
            there = connection.scalars(select(c.id).where(of_file)).all()
            gone = kb.delete_documents(connection, tenant, set(there).difference(kept), at)
            if fingerprint is None:
                kb.unread(connection, tenant, [(source, path)])
            else:
                row = {
                    "tenant": tenant,
                    "source": source,
                    "path": path,
                    "fingerprint": fingerprint,
                    "at": at,
                }
                connection.execute(_marking(connection.dialect.name), row)
            return gone

        return await self._database.write(work)

    async def dangling(self, tenant: str) -> list[tuple[str, str]]:
        """Documents that name a related one which is not there, and that one; at most 1,000 pairs."""
        pairs = await self._database.read(lambda connection: graph.dangling(connection, tenant))
        prefix = node_of("")
        return [(src.removeprefix(prefix), dst.removeprefix(prefix)) for src, dst in pairs]

    async def forget_history(self, tenant: str, before: float) -> None:
        """Drop links that ended before `before`, and entities nobody speaks of any more."""
        await self._database.write(
            lambda connection: graph.forget_closed(connection, tenant, before)
        )

    async def _rows(self, statement: Any, of: Callable[[Row[*tuple[Any, ...]]], T]) -> list[T]:
        return await self._database.read(
            lambda connection: [of(row) for row in connection.execute(statement)]
        )


_EMBEDDING = (
    update(kb_passage)
    .where(
        kb_passage.c.tenant == bindparam("of"),
        kb_passage.c.document_id == bindparam("document"),
        kb_passage.c.seq == bindparam("number"),
        kb_passage.c.content_hash == bindparam("hashed"),
    )
    .values(embedding=bindparam("vector"), embed_model=bindparam("model"))
)


@cache
def _marking(dialect: str) -> Insert:
    statement = insert_into(kb_file, dialect)
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["tenant", "source", "path"],
        set_={"fingerprint": new.fingerprint, "at": new.at},
    )
