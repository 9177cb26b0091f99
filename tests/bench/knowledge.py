"""What a context costs at 50,000 passages: ours beside a search that reads every passage.

The passages are made of the words of the shipped articles by a fixed seed, and are as long as
those are; questions are an article's title with words of another.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median, quantiles
from typing import TYPE_CHECKING

from rich.table import Table

from actors.database.knowledge_rows import Edge, PassageRow, node_of
from actors.knowledge.index import KnowledgeIndex, build_index
from actors.knowledge.tokenise import tokenise
from deployments.demo import ARTICLES
from deployments.mcp_gateway.context import ContextGateway, Source
from deployments.mcp_gateway.sources import Articles, Related, Search

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

PASSAGES = 50_000
PER_DOCUMENT = 4
ROUNDS = 300
# A search that tokenises 50,000 passages for each question takes seconds.
READ_ROUNDS = 3
P50_MS, P95_MS = 15.0, 40.0


@dataclass(frozen=True, slots=True)
class Searched:
    """Milliseconds of wall time, one question at a time; `reading_all_ms` is the other's median."""

    passages: int
    built_s: float
    p50_ms: float
    p95_ms: float
    cpu_ms: float
    reading_all_ms: float


class _One:
    """One tenant's index."""

    def __init__(self, index: KnowledgeIndex) -> None:
        self._index = index

    def index(self, tenant: str) -> KnowledgeIndex | None:
        return self._index


def measure(progress: "Progress") -> Searched:
    """Build the index, then ask it."""
    bar = progress.add_task("knowledge", total=ROUNDS + READ_ROUNDS + 50)
    rows, edges, questions = _library(random.Random(7))  # noqa: S311
    began = time.monotonic()
    index = build_index(1, rows, edges)
    built_s = time.monotonic() - began
    progress.advance(bar, 50)
    search = Search(_One(index))
    sources: dict[str, Source] = {
        "vector_store": Articles(search),
        "knowledge_graph": Related(search),
    }
    gateway = ContextGateway(sources)

    async def ask() -> tuple[list[float], float]:
        took = list[float]()
        cpu = time.process_time()
        for question in questions[:ROUNDS]:
            at = time.perf_counter()
            found = await gateway.get_context("bench", question, None)
            took.append((time.perf_counter() - at) * 1000)
            if found.degraded or not found.hits:
                raise RuntimeError("the bench's questions must be answered")
            progress.advance(bar)
        return took, (time.process_time() - cpu) * 1000 / ROUNDS

    took, cpu_ms = asyncio.run(ask())
    reading = list[float]()
    for question in questions[:READ_ROUNDS]:
        at = time.perf_counter()
        _read_all(rows, question)
        reading.append((time.perf_counter() - at) * 1000)
        progress.advance(bar)
    p95 = quantiles(took, n=20)[-1]
    return Searched(len(rows), built_s, median(took), p95, cpu_ms, median(reading))


def _read_all(rows: Sequence[PassageRow], question: str) -> list[int]:
    """The simplest search there is: count the question's words in every passage."""
    asked = set(tokenise(question))
    counted = (sum(n for w, n in Counter(tokenise(row.text)).items() if w in asked) for row in rows)
    return sorted(range(len(rows)), key=list(counted).__getitem__, reverse=True)[:6]


def _library(chance: random.Random) -> tuple[list[PassageRow], list[Edge], list[str]]:
    texts = [path.read_text("utf-8") for path in sorted(ARTICLES.rglob("*.md"))]
    words = [word for text in texts for word in text.split()]
    # Names that only some documents speak of, as products and error codes are.
    names = [f"NW-{number}" for number in range(5_000)]

    def prose(length: int) -> str:
        return " ".join([*chance.choices(words, k=length), *chance.choices(names, k=3)])

    rows = [
        PassageRow(
            document_id=f"doc-{number // PER_DOCUMENT}",
            seq=number % PER_DOCUMENT,
            title=" ".join(chance.choices(words, k=5)),
            heading="",
            text=prose(chance.randrange(60, 160)),
            audience="public" if number % 10 else "agent",
            tags=(),
            url=None,
            content_hash="",
        )
        for number in range(PASSAGES)
    ]
    edges = [
        Edge(node_of(row.document_id), "mentions", f"code:{word}", "public", 1.0, None)
        for row in rows
        for word in row.text.split()[-3:]
    ]
    titles = [row.title for row in rows]
    questions = [f"{chance.choice(titles)} {prose(8)}" for _ in range(ROUNDS)]
    return rows, edges, questions


def show(found: Searched, console: "Console") -> None:
    """For people."""
    table = Table(title=f"A context out of {found.passages:,} passages", title_justify="left")
    for column in ("what", "measured", "target"):
        table.add_column(column, justify="left" if column == "what" else "right")
    table.add_row("p50", f"{found.p50_ms:.1f} ms", f"<= {P50_MS:.0f} ms")
    table.add_row("p95", f"{found.p95_ms:.1f} ms", f"<= {P95_MS:.0f} ms")
    table.add_row("CPU a question", f"{found.cpu_ms:.1f} ms", "")
    table.add_row("reading every passage, p50", f"{found.reading_all_ms:,.0f} ms", "")
    table.add_row("times quicker", f"{found.reading_all_ms / found.p50_ms:,.0f}", "")
    table.add_row("index built in", f"{found.built_s:.0f} s", "")
    console.print(table)


def plain(found: Searched) -> dict[str, object]:
    """For bench.json."""
    return {"knowledge": {name: round(value, 3) for name, value in asdict(found).items()}}
