"""Bring what a tenant knows up to date with a source: what it holds now is what is kept.

A file that was ingested whole and has not changed is not read again, a document that has not
changed is not written again, and what the source no longer holds goes. Killed anywhere, the
next run ends in the same rows as one that was never killed: every document is kept whole or
not at all, and a file is marked as read only after the last of its documents.

What is wrong with a file, or with one of its documents, is reported and stops nothing else;
the document is then not kept, not even as it was before, because nobody can say any more who
may read it. A file that cannot be read at all just now keeps what was known of it.
"""

import asyncio
import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from actors.database.knowledge import KnowledgeStore
from actors.database.knowledge_rows import NewDocument
from actors.knowledge import readers
from actors.knowledge.chunking import PASSAGES_MAX, chunk
from actors.knowledge.document import Audience
from actors.knowledge.draft import (
    DOCUMENT_CHARACTERS_MAX,
    ID_MAX,
    MIB,
    TITLE_MAX,
    Columns,
    Draft,
    Section,
    SourceFile,
    clean,
    clean_line,
)
from actors.knowledge.extraction import Extractor, Rules
from routing.clock import Clock
from routing.errors import ConfigError

# One transaction: some 10 ms of the writer's lock, which chats wait for.
DOCUMENTS_AT_ONCE = 32
# Hashed in one visit to a thread: 48 unchanged files took 50 ms one by one, on a busy machine.
FILES_AT_ONCE = 64
# Links that ended are kept for two years: long enough to ask what was said when a case began.
HISTORY_S = 2 * 366 * 86_400.0


@dataclass(frozen=True, slots=True)
class Reading:
    """How a source is read. `audience` is of documents that do not say theirs; None refuses them."""

    audience: Audience | None
    rules: Rules = field(default_factory=Rules)
    columns: Columns = ()

    @property
    def digest(self) -> str:
        """Changes with anything that makes another document of the same file."""
        return hashlib.sha256(repr((readers.VERSION, self)).encode()).hexdigest()


@dataclass(slots=True)
class Report:
    """What became of a source: ids of documents, and every error with its file and line.

    `dangling` are documents that name a related one which is nowhere, and that one's id.
    """

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    unchanged: int = 0
    refused: list[ConfigError] = field(default_factory=list)
    unread: list[ConfigError] = field(default_factory=list)
    dangling: list[tuple[str, str]] = field(default_factory=list)


async def ingest(
    store: KnowledgeStore,
    tenant: str,
    source: str,
    name: str,
    files: Sequence[SourceFile],
    reading: Reading,
    clock: Clock,
    done: Callable[[SourceFile], None] = lambda _file: None,
) -> Report:
    """Let the tenant's documents of `source` be those of `files`, and no others.

    `name` begins the ids of documents that have none of their own; `done` is called after
    each file.

    Raises:
        DatabaseUnavailable: what was committed before stays; the next run goes on from there.
    """
    run = _Run(store, tenant, source, name, reading, clock)
    return await run.of(sorted(files, key=lambda file: file.path), done)


class _Run:
    """One pass over a source."""

    def __init__(
        self,
        store: KnowledgeStore,
        tenant: str,
        source: str,
        name: str,
        reading: Reading,
        clock: Clock,
    ) -> None:
        self._store = store
        self._tenant = tenant
        self._source = source
        self._name = name
        self._reading = reading
        self._digest = reading.digest
        self._extractor = Extractor(reading.rules)
        self._clock = clock
        self._report = Report()
        # Which file each id is of: in the store, and once a file's turn has come, in this run.
        self._owned: dict[str, str] = {}
        self._claimed: dict[str, str] = {}
        # Files whose document an earlier one claims: they are read again to be told so.
        self._robbed: set[str] = set()
        self._removed: set[str] = set()

    async def of(self, files: Sequence[SourceFile], done: Callable[[SourceFile], None]) -> Report:
        known = await self._store.files(self._tenant, self._source)
        self._owned = await self._store.owned(self._tenant, self._source)
        by_path: dict[str, list[str]] = {}
        for owned, path in self._owned.items():
            by_path.setdefault(path, []).append(owned)
        for first in range(0, len(files), FILES_AT_ONCE):
            some = files[first : first + FILES_AT_ONCE]
            prints = await asyncio.to_thread(_fingerprints, some, self._digest)
            for file, fingerprint in zip(some, prints, strict=True):
                known_as = known.get(file.path)
                await self._file(file, fingerprint, known_as, by_path.get(file.path, []))
                done(file)
        there = {file.path for file in files}
        for path in sorted({*known, *by_path} - there):
            await self._end(path, (), None)
        now = self._clock.now()
        report = self._report
        # A document that moved to another file was removed from one and added to the other.
        report.removed = sorted(self._removed - self._claimed.keys())
        report.changed += sorted(set(report.added) & self._removed)
        report.added = [name for name in report.added if name not in self._removed]
        if report.added or report.changed or report.removed:
            await self._store.forget_history(self._tenant, now - HISTORY_S)
        dangling = await self._store.dangling(self._tenant)
        report.dangling = [pair for pair in dangling if pair[0] in self._claimed]
        return report

    async def _file(
        self,
        file: SourceFile,
        fingerprint: str | OSError,
        known: str | None,
        held: Collection[str],
    ) -> None:
        if fingerprint == known and file.path not in self._robbed:
            self._claimed.update(dict.fromkeys(held, file.path))
            self._report.unchanged += len(held)
            return
        try:
            if isinstance(fingerprint, OSError):
                raise fingerprint
            kept, is_whole = await self._documents(file)
            # It may have been written to meanwhile: then this is no description of it.
            now = await asyncio.to_thread(_fingerprint, file, self._digest)
            is_whole = is_whole and now == fingerprint
        except OSError as error:
            words = error.strerror or type(error).__name__
            self._report.unread.append(
                ConfigError(file.where, None, "", f"cannot be read: {words}; kept as it was")
            )
            self._claimed.update(dict.fromkeys(held, file.path))
            return
        await self._end(file.path, kept, fingerprint if is_whole else None)

    async def _documents(self, file: SourceFile) -> tuple[set[str], bool]:
        """Keep the file's documents; their ids, and whether nothing of it was refused."""
        kept: set[str] = set()
        is_whole = True
        made = self._made(file)
        while batch := await asyncio.to_thread(lambda: list(islice(made, DOCUMENTS_AT_ONCE))):
            documents = []
            for one in batch:
                refused = one if isinstance(one, ConfigError) else self._claim(file, *one)
                if refused is not None:
                    self._report.refused.append(refused)
                    is_whole = False
                elif not isinstance(one, ConfigError):
                    documents.append(one[1])
            change = await self._store.put(self._tenant, documents, self._clock.now())
            self._report.added += change.added
            self._report.changed += change.changed
            self._report.unchanged += len(change.unchanged)
            kept |= {document.id for document in documents}
            for taken, other in change.taken:
                message = f"{taken} is of another source already, {other}"
                self._report.refused.append(ConfigError(file.where, None, "id", message))
                kept.discard(taken)
                is_whole = False
        return kept, is_whole

    def _claim(
        self, file: SourceFile, line: int | None, document: NewDocument
    ) -> ConfigError | None:
        """Give the id to the first file that says it, in the order of their paths."""
        first = self._claimed.get(document.id)
        if first is not None:
            return ConfigError(file.where, line, "id", f"{document.id} is used by {first} too")
        before = self._owned.get(document.id)
        if before is not None and before != file.path:
            self._robbed.add(before)
        self._claimed[document.id] = file.path
        return None

    async def _end(self, path: str, kept: Collection[str], fingerprint: str | None) -> None:
        self._removed.update(
            await self._store.end_file(
                self._tenant, self._source, path, kept, fingerprint, self._clock.now()
            )
        )

    def _made(self, file: SourceFile) -> Iterator[ConfigError | tuple[int | None, NewDocument]]:
        """The file's documents, ready to be kept. Runs in a thread, and never on the event loop."""
        for read in readers.read(file, self._reading.columns):
            if isinstance(read, ConfigError):
                yield read
                continue
            try:
                yield read.line, self._document(file, read)
            except ConfigError as error:
                yield error

    def _document(self, file: SourceFile, draft: Draft) -> NewDocument:
        audience = draft.audience or self._reading.audience
        if audience is None:
            message = "who may read it is not said; write it there, or say it with --audience"
            raise ConfigError(file.where, draft.line, "audience", message)
        sections = tuple(
            Section(clean_line(section.heading)[:TITLE_MAX], clean(section.text))
            for section in draft.sections
        )
        if sum(len(section.text) for section in sections) > DOCUMENT_CHARACTERS_MAX:
            message = f"has more than {DOCUMENT_CHARACTERS_MAX} characters; split it"
            raise ConfigError(file.where, draft.line, "", message)
        passages = chunk(sections)
        if not passages:
            raise ConfigError(file.where, draft.line, "", "has no text")
        if len(passages) > PASSAGES_MAX:
            message = f"is {len(passages)} passages, over {PASSAGES_MAX}; split it"
            raise ConfigError(file.where, draft.line, "", message)
        title = clean_line(draft.title)[:TITLE_MAX]
        entities, links = self._extractor.links(title, sections, draft.tags, draft.related)
        return NewDocument(
            id=self._id(file, draft),
            source=self._source,
            path=file.path,
            title=title,
            audience=audience,
            passages=passages,
            category=clean_line(draft.category)[:TITLE_MAX],
            tags=tuple(clean_line(tag)[:TITLE_MAX] for tag in draft.tags),
            url=draft.url,
            updated=draft.updated,
            entities=entities,
            links=links,
        )

    def _id(self, file: SourceFile, draft: Draft) -> str:
        own = draft.id or "/".join(filter(None, (self._name, file.path)))
        named = clean_line(f"{own}#{draft.key}" if draft.key and not draft.id else own)
        if not named or len(named) > ID_MAX:
            message = f"an id has 1 to {ID_MAX} characters"
            raise ConfigError(file.where, draft.line, "id", message)
        return named


def _fingerprints(files: Sequence[SourceFile], digest: str) -> list[str | OSError]:
    """What each file is known by, or why it cannot be read."""
    prints: list[str | OSError] = []
    for file in files:
        try:
            prints.append(_fingerprint(file, digest))
        except OSError as error:
            prints.append(error)
    return prints


def _fingerprint(file: SourceFile, digest: str) -> str:
    told = (digest, file.suffix, file.charset, file.url)
    hashed = hashlib.sha256(repr(told).encode())
    with file.open() as stream:
        while piece := stream.read(MIB):
            hashed.update(piece)
    return hashed.hexdigest()
