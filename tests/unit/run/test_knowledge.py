"""`supportmax knowledge ingest`, as people use it: in a process of its own, which may be killed."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from actors.database import KnowledgeStore, open_database
from deployments import first_start
from deployments.boot import Boot
from deployments.demo import ARTICLES, TENANT
from routing.clock import ManualClock

SUPPORTMAX = Path(sys.executable).with_name("supportmax")


@pytest.fixture(autouse=True)
def _started(tmp_path: Path, begun: Callable[[Path], Path]) -> None:
    """In all data directories of this page."""
    for home in (tmp_path, tmp_path / "home", tmp_path / "killed", tmp_path / "clean"):
        begun(home)


def start(home: Path, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [str(SUPPORTMAX), "knowledge", "--tenant", "acme", "ingest", *arguments],
        env={**os.environ, "SUPPORTMAX_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def said(home: Path, *arguments: str) -> tuple[int, str, str]:
    with start(home, *arguments) as process:
        out, err = process.communicate(timeout=100)
        return process.returncode, out, err


def rows(home: Path, tenant: str = "acme") -> list[object]:
    async def read() -> list[object]:
        database = open_database(home / "supportmax.sqlite")
        store = KnowledgeStore(database)
        try:
            await database.migrate()
            documents = await store.documents(tenant, None, 9_999)
            edges = await store.edges(tenant, None, 9_999)
            source = await store.sources(tenant)
            return [
                [replace(row, at=0.0) for row in documents],
                await store.passages(tenant, None, 9_999),
                [replace(edge, valid_from=0.0) for edge in edges],
                [await store.files(tenant, name) for name in source],
            ]
        finally:
            await database.aclose()

    return asyncio.run(read())


def test_a_folder_is_ingested_changed_and_removed(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "a.md").write_text("# A\n\none")
    (docs / "b.md").write_text("---\naudience: nobody\n---\ntwo")
    (docs / "faq.csv").write_text("Q,A\nhow,so\nwhy,\n")
    (docs / "logo.png").touch()
    columns = ("--column", "title=Q", "--column", "text=A")
    status, out, _ = said(tmp_path / "home", str(docs), "--audience", "public", *columns)
    assert status == 1
    assert f"refused  {docs}/b.md:2: audience: must be one of public, agent, internal" in out
    assert f"refused  {docs}/faq.csv:3: A: is empty" in out
    assert "2 added, 0 changed, 0 removed, 0 unchanged, 2 refused, 1 files of other kinds" in out
    (docs / "b.md").unlink()
    (docs / "logo.png").unlink()
    (docs / "faq.csv").write_text("Q,A\nhow,so\n")
    (docs / "a.md").write_text("# A\n\nnew")
    status, out, _ = said(tmp_path / "home", str(docs), "--audience", "public", *columns)
    assert (status, out.splitlines()) == (
        0,
        ["changed  docs/a.md", "0 added, 1 changed, 0 removed, 1 unchanged, 0 refused"],
    )
    (docs / "a.md").unlink()
    for path in docs.iterdir():
        path.unlink()
    docs.rmdir()
    status, out, _ = said(tmp_path / "home", str(docs), "--audience", "public", *columns)
    assert (status, out.splitlines()[-1]) == (
        0,
        "0 added, 0 changed, 2 removed, 0 unchanged, 0 refused",
    )
    status, _, err = said(tmp_path / "home", str(docs))
    assert status == 1
    assert "is not there" in err


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("nowhere",), 1, "nowhere: is not there"),
        ((".", "--audience", "everyone"), 2, "invalid choice: 'everyone'"),
        ((".", "--column", "body=x"), 1, "--column is PART=NAME"),
        (("http://127.0.0.1:9/x",), 1, "not on the public internet"),
        ((".", "--rules", "missing.yaml"), 1, "missing.yaml: cannot be read"),
    ],
)
def test_what_cannot_be_meant_is_said_in_a_line(
    tmp_path: Path, arguments: tuple[str, ...], status: int, words: str
) -> None:
    got, _, err = said(tmp_path, *arguments)
    assert got == status
    assert words in " ".join(err.split())


@pytest.mark.parametrize("kept_before_the_kill", [1, 350])
@pytest.mark.timeout(240)
def test_an_ingest_that_was_killed_goes_on_and_ends_as_if_it_had_not_been(
    tmp_path: Path, kept_before_the_kill: int
) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    for number in range(200):
        text = (
            f"---\nid: kb-{number}\nrelated: [kb-{number + 1}]\n---\n# N {number}\n\n" + "w " * 900
        )
        (docs / f"{number:03}.md").write_text(text)
    table = "".join(f"q{number},answer {number}\n" for number in range(3_000))
    (docs / "zzz.csv").write_text("Q,A\n" + table)
    arguments = (str(docs), "--audience", "agent", "--column", "title=Q", "--column", "text=A")
    killed = tmp_path / "killed"

    async def wait_for_rows() -> None:
        database = open_database(killed / "supportmax.sqlite")
        await database.migrate()
        store = KnowledgeStore(database)
        while len(await store.documents("acme", None, 9_999)) < kept_before_the_kill:
            pass  # reading is the wait
        await database.aclose()

    with start(killed, *arguments) as process:
        asyncio.run(wait_for_rows())
        process.kill()
        process.communicate()
    half = rows(killed)[0]
    assert isinstance(half, list)
    assert kept_before_the_kill <= len(half) < 3_200
    status, out, _ = said(killed, *arguments)
    assert status == 0
    assert f"{len(half)} unchanged" in out
    assert said(tmp_path / "clean", *arguments)[0] == 0
    assert rows(killed) == rows(tmp_path / "clean")


def test_the_demo_company_is_ingested_at_the_first_start_and_the_second_changes_nothing(
    tmp_path: Path,
) -> None:
    boot = Boot(tmp_path, "development")
    asyncio.run(first_start.prepare(boot, ManualClock(1.0)))
    first = rows(tmp_path, TENANT)
    documents = first[0]
    assert isinstance(documents, list)
    assert len(documents) == len(list(ARTICLES.rglob("*.md")))
    assert {row.audience for row in documents} == {"public", "agent"}
    version = asyncio.run(_version(tmp_path))
    asyncio.run(first_start.prepare(boot, ManualClock(2.0)))
    assert rows(tmp_path, TENANT) == first
    assert asyncio.run(_version(tmp_path)) == version


async def _version(home: Path) -> int:
    database = open_database(home / "supportmax.sqlite")
    try:
        return await KnowledgeStore(database).version(TENANT)
    finally:
        await database.aclose()
