"""An export has everything of one person and nothing of another, and says itself whether it is whole."""

import hashlib
from collections.abc import Sequence

import orjson
import pytest

from actors.database import Conversations, Database, NewTurn
from actors.database.people_map import HOLDINGS
from actors.database.person_records import PAGE, PersonRecords
from actors.sealing.errors import SealBroken
from deployments.user_data.exporting import Exporting
from routing.clock import ManualClock
from tests.people_world import ANN, EVERYBODY, Somebody, canaries


async def exported(database: Database, one: Somebody) -> list[bytes]:
    exporting = Exporting(PersonRecords(database), ManualClock())
    text = b"".join([lines async for lines in exporting.lines(one.person)])
    return text.splitlines(keepends=True)


def manifest_of(lines: Sequence[bytes]) -> dict[str, object]:
    told: dict[str, object] = orjson.loads(lines[-1])["manifest"]
    return told


async def test_an_export_has_every_word_of_a_person_and_none_of_anybody_else(
    database: Database,
) -> None:
    text = b"".join(await exported(database, ANN)).decode()
    assert not {said for said in canaries(ANN) if said not in text} - _hidden()
    assert not [one for one in EVERYBODY if one != ANN and (one.canary in text or one.id in text)]


def _hidden() -> set[str]:
    """What opens something, which is in no export."""
    return {
        f"{ANN.canary}{holding.table.name}.{name}"
        for holding in HOLDINGS
        for name in holding.hidden
    }


async def test_what_would_open_something_is_in_no_export(database: Database) -> None:
    lines = [orjson.loads(line) for line in await exported(database, ANN)]
    by_section = {line["section"]: line["record"] for line in lines if "section" in line}
    assert "hash" not in by_section["keys"]
    assert not {"id_hash", "sealed_id_token"} & set(by_section["sessions"])


async def test_the_last_line_tells_whether_it_is_whole(database: Database) -> None:
    lines = await exported(database, ANN)
    told = manifest_of(lines)
    assert told["sha256"] == hashlib.sha256(b"".join(lines[:-1])).hexdigest()
    counts = told["sections"]
    assert isinstance(counts, dict)
    assert sum(counts.values()) == len(lines) - 2
    assert set(counts) == {holding.section for holding in HOLDINGS} | {"named_in"}


async def test_a_long_life_is_read_page_by_page_and_each_row_once(database: Database) -> None:
    turns = [NewTurn("user", f"said {number}", 1.0) for number in range(2 * PAGE + 1)]
    await Conversations(database).append(ANN.tenant, f"conv_{ANN.id}", ANN.user, turns)
    said = [
        line["record"]["text"]
        for line in map(orjson.loads, await exported(database, ANN))
        if line.get("section") == "turns"
    ]
    assert sorted(said[1:]) == sorted(turn.text for turn in turns)


async def test_where_others_rows_name_a_person_only_the_place_is_told(database: Database) -> None:
    lines = map(orjson.loads, await exported(database, ANN))
    acts = [line["record"] for line in lines if line.get("section") == "named_in"]
    assert {"table": "tool_approval", "as": "decided_by", "id": f"decided_by-{ANN.id}"} in acts
    assert "somebody" not in str(acts)


async def test_an_export_that_cannot_be_read_on_has_no_last_line(database: Database) -> None:
    """A text that nobody can open: what came before it is there, the manifest is not."""
    await database.write(
        lambda connection: connection.exec_driver_sql(
            "UPDATE turn SET text = 'sealed:AAAA' WHERE tenant = 'acme'"
        ).close()
    )
    database.sealing = _Broken()
    lines = list[bytes]()
    exporting = Exporting(PersonRecords(database), ManualClock())

    async def read() -> None:
        async for block in exporting.lines(ANN.person):
            lines.append(block)

    with pytest.raises(SealBroken):
        await read()
    assert b"manifest" not in b"".join(lines)


class _Broken:
    """Keys that open nothing."""

    async def to_open(self, tenant: str) -> "_Broken":
        return self

    async def to_seal(self, tenant: str) -> "_Broken":
        return self

    async def to_seek(self, tenant: str) -> "_Broken":
        return self

    async def to_find(self, tenant: str) -> "_Broken":
        return self

    def _refuse(self, place: object, row: object, stored: object) -> str:
        raise SealBroken(f"{place} cannot be opened")

    seal = open = open_json = seal_json = _refuse

    def index_of(self, place: object, text: str) -> str:
        return text

    def indexes_of(self, place: object, text: str) -> Sequence[str]:
        return (text,)
