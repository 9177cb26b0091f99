"""Runbooks by version, and runs of them: one step after the other, each recorded once."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, Literal, TypeAlias

from sqlalchemy import Connection, Row, Select, exists, func, insert, select, update

from actors.database.engine import Database
from actors.database.memory_tables import runbook, runbook_run, runbook_step
from actors.database.sealed_places import STEP_NOTE
from actors.database.sealing import Keys
from actors.database.tool_tables import tool_call
from actors.database.upsert import Insert, insert_into
from routing.message import Json

RunState: TypeAlias = Literal["running", "done", "failed"]
StepOutcome: TypeAlias = Literal["done", "failed", "not_applicable"]


@dataclass(frozen=True, slots=True)
class RunbookRow:
    """One version of a runbook, as it will always be; `steps` are plain data."""

    name: str
    version: int
    title: str
    steps: list[dict[str, Json]]
    content_hash: str
    at: float


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run for one customer; `next_step` counts from 0 and is the only one that may be recorded."""

    id: str
    user_id: str
    conversation_id: str | None
    name: str
    version: int
    state: RunState
    next_step: int
    started_by: str
    started_at: float
    ended_at: float | None


@dataclass(frozen=True, slots=True)
class StepRow:
    """What was recorded of a step; `evidence` says where it can be seen, empty where nothing shows it."""

    step: int
    outcome: StepOutcome
    note: str
    evidence: str
    recorded_by: str
    at: float


class RunbookStore:
    """Keeps runbooks and runs, for the tenant they belong to and nobody else."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def publish(
        self,
        tenant: str,
        name: str,
        title: str,
        steps: list[dict[str, Json]],
        hashed: str,
        at: float,
    ) -> int:
        """Keep a version and return its number; the same content as the newest is that version."""
        c = runbook.c

        def work(connection: Connection) -> int:
            newest = connection.execute(
                select(c.version, c.content_hash)
                .where(c.tenant == tenant, c.name == name)
                .order_by(c.version.desc())
                .limit(1)
            ).one_or_none()
            if newest is not None and newest.content_hash == hashed:
                return int(newest.version)
            version = 1 if newest is None else int(newest.version) + 1
            row = RunbookRow(name, version, title, steps, hashed, at)
            connection.execute(insert(runbook), {"tenant": tenant, **asdict(row)})
            return version

        return await self._database.write(work)

    async def newest(self, tenant: str, limit: int) -> list[RunbookRow]:
        """The newest version of every runbook, by name."""
        later = runbook.alias()
        c = runbook.c
        statement = (
            select(runbook)
            .where(
                c.tenant == tenant,
                ~exists().where(
                    later.c.tenant == c.tenant,
                    later.c.name == c.name,
                    later.c.version > c.version,
                ),
            )
            .order_by(c.name)
            .limit(limit)
        )
        return await self._database.read(
            lambda connection: [_runbook(row) for row in connection.execute(statement)]
        )

    async def get(self, tenant: str, name: str, version: int | None = None) -> RunbookRow | None:
        """One version of a runbook, by default the newest."""
        c = runbook.c
        statement = select(runbook).where(c.tenant == tenant, c.name == name)
        if version is not None:
            statement = statement.where(c.version == version)
        last = statement.order_by(c.version.desc()).limit(1)

        def work(connection: Connection) -> RunbookRow | None:
            row = connection.execute(last).one_or_none()
            return None if row is None else _runbook(row)

        return await self._database.read(work)

    async def start(self, tenant: str, run: RunRow, running_max: int) -> bool:
        """Keep a run that begins; False if the customer has `running_max` under way."""
        c = runbook_run.c
        under_way = select(func.count()).where(
            c.tenant == tenant, c.user_id == run.user_id, c.state == "running"
        )

        def work(connection: Connection) -> bool:
            if connection.execute(under_way).scalar_one() >= running_max:
                return False
            connection.execute(insert(runbook_run), {"tenant": tenant, **asdict(run)})
            return True

        return await self._database.write(work)

    async def run(
        self, tenant: str, user_id: str, run_id: str
    ) -> tuple[RunRow, list[StepRow]] | None:
        """The customer's run and what was recorded of it; None if it is not theirs."""
        c, s = runbook_run.c, runbook_step.c
        one = select(runbook_run).where(c.tenant == tenant, c.user_id == user_id, c.id == run_id)
        steps = select(runbook_step).where(s.tenant == tenant, s.run_id == run_id).order_by(s.step)
        keys = await self._database.sealing.to_open(tenant)

        def work(connection: Connection) -> tuple[RunRow, list[StepRow]] | None:
            row = connection.execute(one).one_or_none()
            if row is None:
                return None
            return _run(row), [_step(keys, run_id, step) for step in connection.execute(steps)]

        return await self._database.read(work)

    async def runs_of(self, tenant: str, user_id: str, limit: int) -> list[RunRow]:
        """The customer's runs, the last begun first."""
        c = runbook_run.c
        statement: Select[*tuple[Any, ...]] = (
            select(runbook_run)
            .where(c.tenant == tenant, c.user_id == user_id)
            .order_by(c.started_at.desc(), c.id)
            .limit(limit)
        )
        return await self._database.read(
            lambda connection: [_run(row) for row in connection.execute(statement)]
        )

    async def record(self, tenant: str, run: RunRow, step: StepRow, state: RunState) -> bool:
        """Record the run's next step, after which it is in `state`; False if somebody else did.

        Step and state are one transaction. A run that is not `running` takes no step.
        """
        c = runbook_run.c
        moving = (
            update(runbook_run)
            .where(
                c.tenant == tenant,
                c.id == run.id,
                c.user_id == run.user_id,
                c.state == "running",
                c.next_step == step.step,
            )
            .values(
                next_step=step.step + 1,
                state=state,
                ended_at=None if state == "running" else step.at,
            )
        )

        keys = await self._database.sealing.to_seal(tenant)
        note = keys.seal(STEP_NOTE, (run.id, step.step), step.note)

        def work(connection: Connection) -> bool:
            if not connection.execute(moving).rowcount:
                return False
            row = {"tenant": tenant, "run_id": run.id, **asdict(step), "note": note}
            return connection.execute(_recording(connection.dialect.name), row).rowcount > 0

        return await self._database.write(work)

    async def call_made(
        self, tenant: str, user_id: str, tool: str, since: float, used: Sequence[str]
    ) -> str | None:
        """The id of a call of `tool` for the customer, begun at `since` or later, that did what it does.

        The journal says so. A call in `used` is left out: what shows one step shows no second one.
        """
        c = tool_call.c
        statement = (
            select(c.id)
            .where(
                c.tenant == tenant,
                c.customer == user_id,
                c.tool == tool,
                c.at >= since,
                c.state == "done",
                c.is_error.is_(False),
                c.id.not_in(used),
            )
            .order_by(c.at)
            .limit(1)
        )
        return await self._database.read(
            lambda connection: connection.execute(statement).scalar_one_or_none()
        )


def _runbook(row: Row[*tuple[Any, ...]]) -> RunbookRow:
    return RunbookRow(row.name, row.version, row.title, row.steps, row.content_hash, row.at)


def _run(row: Row[*tuple[Any, ...]]) -> RunRow:
    return RunRow(**{name: getattr(row, name) for name in RunRow.__dataclass_fields__})


def _step(keys: Keys, run_id: str, row: Row[*tuple[Any, ...]]) -> StepRow:
    values = {name: getattr(row, name) for name in StepRow.__dataclass_fields__}
    values["note"] = keys.open(STEP_NOTE, (run_id, row.step), row.note)
    return StepRow(**values)


@cache
def _recording(dialect: str) -> Insert:
    return insert_into(runbook_step, dialect).on_conflict_do_nothing()
