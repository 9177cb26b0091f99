"""Every task of two benchmark domains: its gold actions through our runner leave the database as the benchmark's own code does.

The tools are ours, on our registry, over rows of our database; each call is validated, made in a
transaction, and journaled under a key. The expected states are hashes that the benchmark's own
package made of the same files (reference.py). Each call is made twice under its key, so a repeat
that did anything would show.
"""

import hashlib
import json
import os
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from actors.database import Database, open_database
from deployments.mcp_gateway.business.declaration import ToolRegistry
from deployments.mcp_gateway.business.runner import ToolRunner
from deployments.mcp_gateway.caller import Caller
from deployments.security.money_limits import MoneyLimits
from deployments.security.principal import Principal
from routing.clock import SystemClock
from tests.tau2.airline import AIRLINE
from tests.tau2.records import fill, texts
from tests.tau2.retail import RETAIL

HERE = Path(__file__).parent
DATA = HERE.parents[2] / "shared/data/tau2"
REGISTRIES: Mapping[str, ToolRegistry] = {"retail": RETAIL, "airline": AIRLINE}
# A tool that the tasks know and the package of the reference does not yet; it only reads.
NEWER = "get_item_details"
AGENT = Caller(Principal("benchmark", "agent", permissions=frozenset({"mcp:tools"})))


Domain = dict[str, dict[str, Any]]
Texts = Mapping[tuple[str, str], str]


@dataclass
class Replayed:
    """What the actions of a domain came to."""

    tasks: int = 0
    calls: int = 0
    raised: int = 0
    changed: int = 0


def needed(domain: str) -> Path:
    """The domain's folder; a test without it is skipped, and fails where CI=true."""
    folder = DATA / domain
    if not folder.exists():
        said = f"the benchmark's data is not there: {folder}"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(said)
    return folder


def plain(value: Any) -> Any:
    """As reference.py has it: without what is not set, and every number to the cent."""
    match value:
        case dict():
            return {key: plain(child) for key, child in value.items() if child is not None}
        case list():
            return [plain(child) for child in value]
        case bool() | str():
            return value
        case int() | float():
            return round(float(value), 2)
        case _:
            raise TypeError(type(value).__name__)


def digest(data: Any) -> str:
    """Of what is plain already."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def changed(before: Domain, since: Texts, now: Texts) -> Domain:
    """The whole database, of which only what is written differently is read again."""
    after = {kind: dict(records) for kind, records in before.items()}
    for place, text in now.items():
        if since.get(place) != text:
            kind, name = place
            after[kind][name] = plain(json.loads(text))
    assert since.keys() <= now.keys()
    return after


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Database]:
    database = open_database(path)
    await database.migrate()
    yield database
    await database.aclose()


async def replay(database: Database, registry: ToolRegistry, actions: Sequence[Any]) -> list[int]:
    """Make the calls in their order, each twice under its key; those that were refused."""
    runner = ToolRunner(registry, database, MoneyLimits(), SystemClock())
    refused = []
    for number, action in enumerate(actions):
        name, arguments = action["name"], action["arguments"]
        outcome = await runner.run(AGENT, name, arguments, f"action-{number}")
        if registry.by_name[name].side_effect != "read":
            assert await runner.run(AGENT, name, arguments, f"action-{number}") == outcome
        if outcome.is_error:
            assert outcome.body["code"] in {"not_allowed", "not_found", "no_sum"}, outcome
            refused.append(number)
    return refused


@pytest.mark.timeout(600)  # 164 databases of up to 7 MB; a minute on an idle machine
@pytest.mark.parametrize("domain", REGISTRIES)
async def test_the_database_is_the_benchmarks_own_after_every_task(
    domain: str, tmp_path: Path
) -> None:
    folder, registry, done = needed(domain), REGISTRIES[domain], Replayed()
    expected = json.loads((HERE / "reference.json").read_text("utf-8"))[domain]
    data = json.loads((folder / "db.json").read_text("utf-8"))
    before = plain(data)
    assert digest(before) == expected["before"], "the data is not what the reference was made of"
    async with opened(tmp_path / "before.db") as database:
        await database.write(lambda connection: fill(connection, data))
        since = await database.read(texts)
    tasks = json.loads((folder / "tasks.json").read_text("utf-8"))
    assert [task["id"] for task in tasks] == list(expected["tasks"])
    wrong = []
    for task in tasks:
        actions = task["evaluation_criteria"]["actions"] or []
        path = tmp_path / task["id"] / "task.db"  # SQLite keeps files beside it
        path.parent.mkdir()
        shutil.copy(tmp_path / "before.db", path)
        async with opened(path) as database:
            refused = await replay(database, registry, actions)
            after = digest(changed(before, since, await database.read(texts)))
        shutil.rmtree(path.parent)
        then = expected["tasks"][task["id"]]
        raised = [n for n in then["raised"] if actions[n]["name"] != NEWER]
        if (after, refused) != (then["hash"], raised):
            wrong.append((task["id"], refused, raised, after == then["hash"]))
        done.tasks += 1
        done.calls += len(actions)
        done.raised += len(refused)
        done.changed += after != expected["before"]
    assert wrong == []
    assert (
        done
        == {
            "retail": Replayed(114, 550, 18, 103),
            "airline": Replayed(50, 142, 0, 26),
        }[domain]
    )
