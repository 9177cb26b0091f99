"""A PostgreSQL server that goes away and comes back, is slow, refuses, or is not who it says."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, select

from actors.database import Database, DatabaseUnavailable, open_database
from actors.database.address import Server, parse_address
from actors.database.tables import checkpoint
from tests.postgresql import GUARDED, PASSWORD, Postgres
from tests.tls import CERTIFICATE, certificate

pytestmark = pytest.mark.timeout(120)

OPENS_TLS = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"


@pytest.fixture
async def database(postgres_server: Server) -> AsyncIterator[Database]:
    database = open_database(postgres_server)
    yield database
    await database.aclose()


def keep(name: str, connection: Connection) -> None:
    row = {"name": name, "version": 1, "at": 0.0, "body": "a\0b"}
    connection.execute(insert(checkpoint), row)


def kept(connection: Connection) -> set[str]:
    return set(connection.scalars(select(checkpoint.c.name)))


async def write(database: Database, name: str) -> None:
    await database.write(lambda connection: keep(name, connection))


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_what_was_acknowledged_before_a_server_went_is_there_when_it_is_back(
    database: Database, postgres: Postgres, end: str
) -> None:
    """Each write is acknowledged and there, or refused and not there; never the one without the other."""
    acknowledged, refused = set[str](), dict[str, str]()
    is_back, went = asyncio.Event(), asyncio.Event()

    async def traffic(writer: int) -> None:
        for number in range(10_000):
            if is_back.is_set():
                return
            name = f"{writer}.{number}"
            try:
                await write(database, name)
                acknowledged.add(name)
            except DatabaseUnavailable as error:
                refused[name] = str(error)
                went.set()
                await is_back.wait()

    writing = [asyncio.create_task(traffic(writer)) for writer in range(8)]
    while len(acknowledged) < 50:  # noqa: ASYNC110  events come from the traffic itself
        await asyncio.sleep(0)
    await asyncio.to_thread(postgres.stop if end == "stop" else postgres.kill)
    await went.wait()
    await asyncio.to_thread(postgres.start)
    is_back.set()
    await asyncio.gather(*writing)
    # The connections that were lost are opened again by whoever comes next.
    await write(database, "after")
    there = await database.read(kept)
    assert acknowledged | {"after"} <= there
    unclear = {name for name, why in refused.items() if "not known" in why}
    assert there - acknowledged - {"after"} <= unclear
    assert refused


async def test_a_connection_that_died_at_rest_costs_nobody_an_error(
    database: Database, postgres: Postgres
) -> None:
    await write(database, "before")
    await database.read(kept)
    await asyncio.to_thread(
        postgres.run,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'supportmax'",
    )
    await write(database, "after")
    assert await database.read(kept) == {"before", "after"}


async def test_a_commit_whose_answer_was_lost_is_looked_up_and_not_done_twice(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server committed, and the wire broke before it could say so."""
    store = database._writing._store
    lost = 0

    def commit(connection: Connection) -> None:
        nonlocal lost
        if lost == 0:
            lost = 1
            raw = connection.connection.driver_connection
            assert raw is not None
            raw.execute_simple("COMMIT")
            raw._usock.close()
            raw._sock.close()

    from sqlalchemy import event  # noqa: PLC0415

    event.listen(store.engine, "commit", commit)
    await write(database, "once")
    assert lost == 1
    assert await database.read(kept) == {"once"}


async def test_a_statement_that_takes_too_long_is_ended_and_the_next_one_runs(
    postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.database.postgresql.STATEMENT_TIMEOUT_S", 1)
    database = open_database(postgres_server)
    with pytest.raises(DatabaseUnavailable, match="statement timeout"):
        await database.read(lambda c: c.exec_driver_sql("SELECT pg_sleep(60)").scalar())
    assert await database.read(kept) == set()
    await database.aclose()


async def test_a_process_has_three_connections_however_much_it_is_asked(
    database: Database,
) -> None:
    def mine(connection: Connection) -> int:
        asked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        count: int = connection.exec_driver_sql(asked).scalar_one()
        return count

    works = [write(database, f"n{n}") for n in range(200)]
    counts = await asyncio.gather(*(database.read(mine) for _ in range(200)))
    await asyncio.gather(*works)
    assert max(counts) <= 3


async def test_a_text_with_a_nul_is_kept_without_it_and_not_refused(database: Database) -> None:
    """PostgreSQL cannot hold U+0000, and a customer's message that has one is still a message."""
    await write(database, "a\0")
    body = select(checkpoint.c.body)
    assert await database.read(lambda c: c.scalar(body)) == "a\ufffdb"


async def test_a_password_is_asked_for_at_each_connection_and_shown_to_nobody(
    postgres: Postgres, postgres_server: Server
) -> None:
    words = ["wrong", PASSWORD]
    server = Server(
        "127.0.0.1", postgres.port, postgres_server.name, GUARDED, lambda: words[0], tls="off"
    )
    database = open_database(server)
    with pytest.raises(DatabaseUnavailable, match="password authentication failed") as refused:
        await database.read(kept)
    assert "wrong" not in str(refused.value) + repr(server)
    words.pop(0)
    assert await database.read(kept) == set()
    await database.aclose()
    said = f"postgresql://{GUARDED}:{PASSWORD}@127.0.0.1:{postgres.port}/{server.name}"
    address = parse_address(said, tls="off")
    assert PASSWORD not in repr(address) + str(address)
    other = open_database(address)
    assert await other.read(kept) == set()
    await other.aclose()


async def test_a_server_nobody_vouches_for_is_not_told_anything(
    postgres: Postgres, postgres_server: Server, tmp_path: Path
) -> None:
    """TLS is on unless it is switched off; the certificate has to be the host's and signed by whom we trust."""
    async with tls_before(postgres.port, certificate(tmp_path)) as port:
        server = Server("127.0.0.1", port, postgres_server.name, "postgres")
        stranger = open_database(server)
        with pytest.raises(DatabaseUnavailable, match="certificate verify failed"):
            await stranger.read(kept)
        await stranger.aclose()
        vouched = open_database(replace(server, ca_file=tmp_path / CERTIFICATE))
        assert await vouched.read(kept) == set()
        await vouched.aclose()
    plain = open_database(Server("127.0.0.1", postgres.port, postgres_server.name, "postgres"))
    with pytest.raises(DatabaseUnavailable, match="refuses SSL"):
        await plain.read(kept)
    await plain.aclose()


@asynccontextmanager
async def tls_before(port: int, context: ssl.SSLContext) -> AsyncIterator[int]:
    """A port that speaks TLS as PostgreSQL does, and hands what comes on to `port`."""

    async def pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65_536):
            sink.write(data)
            await sink.drain()
        sink.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            assert await reader.readexactly(8) == OPENS_TLS
            writer.write(b"S")
            await writer.drain()
            await writer.start_tls(context)
            behind, before = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(pass_on(reader, before), pass_on(behind, writer))
        except (OSError, asyncio.IncompleteReadError):
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
