"""What answers cost beside what they would have cost elsewhere, kept by answer and added up.

The sums are the database's, by random groups of answers, so that a report takes the same
memory however long its period is.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from typing import Any, Literal, TypeAlias

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    bindparam,
    case,
    delete,
    func,
    select,
)

from actors.database.engine import Database
from actors.database.savings_tables import saving, saving_target
from actors.database.upsert import Insert, insert_into
from routing.period import Period
from routing.savings import Saving
from routing.savings_report import Cell, Report, Sums, TargetCell, day_name, make_report

By: TypeAlias = Literal["platform", "strategy", "day"]

_DAY_S = 86_400
# Sums are taken as two halves: 2**63 pico-dollars, 9.2 million USD, would overflow SQLite's.
_HALF = 10**6
# Of the draws behind the intervals: any number will do, as long as it stays the same.
_SEED = 1


class Savings:
    """Keeps a row per answer, and reports."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, rows: Sequence[Saving]) -> None:
        """Keep these; an answer that is kept already stays as it is.

        Raises:
            DatabaseBusy: Nothing was written; try again.
            DatabaseUnavailable: The same.
        """

        def work(connection: Connection) -> None:
            dialect = connection.dialect.name
            connection.execute(_keeping(dialect), [_row_of(row) for row in rows])
            targets = [target for row in rows for target in _targets_of(row)]
            if targets:
                connection.execute(_keeping_targets(dialect), targets)

        if rows:
            await self._database.write(work)

    async def report(self, tenant: str, period: Period, by: By | None = None) -> tuple[Report, ...]:
        """What routing saved the tenant, of real answers first, then of simulated ones.

        Kinds of which there are none are left out. `by` adds the same sums for each platform
        that answered, strategy that was asked for, or day (UTC).
        """
        bounds = {"of": tenant, "begin": period.since, "end": period.until}

        def work(connection: Connection) -> tuple[_Cells, _Cells]:
            buckets = _cells(connection, "bucket", bounds)
            return buckets, {} if by is None else _cells(connection, by, bounds)

        buckets, groups = await self._database.read(work)
        # The draws take a tenth of a second, which the event loop has not.
        return await asyncio.to_thread(_reports, buckets, groups, by)

    async def prune(self, older_than: float, keep: int) -> int:
        """Drop answers from before `older_than` and all but the newest `keep`; how many went.

        The bound is the store's, over all tenants: it is there so that a disk does not fill.
        """
        newest = select(saving.c.at).order_by(saving.c.at.desc()).offset(keep).limit(1)

        def work(connection: Connection) -> int:
            first_beyond: float | None = connection.execute(newest).scalar()
            crowded = -1.0 if first_beyond is None else first_beyond
            old = (saving.c.at < older_than) | (saving.c.at <= crowded)
            return connection.execute(delete(saving).where(old)).rowcount

        return await self._database.write(work)


_Cells: TypeAlias = dict[tuple[bool, Any], Cell]


def _reports(buckets: _Cells, groups: _Cells, by: By | None) -> tuple[Report, ...]:
    def name(key: Any) -> str:
        return day_name(key) if by == "day" else str(key)

    return tuple(
        make_report(
            [cell for (kind, _), cell in sorted(buckets.items()) if kind is simulated],
            {name(key): cell for (kind, key), cell in groups.items() if kind is simulated},
            simulated=simulated,
            seed=_SEED,
        )
        for simulated in sorted({kind for kind, _ in buckets})
    )


def _cells(connection: Connection, key: str, bounds: dict[str, Any]) -> _Cells:
    """The period's answers added up by a column of theirs."""
    targets: defaultdict[tuple[bool, Any], dict[str, TargetCell]] = defaultdict(dict)
    for row in connection.execute(_by_target(key), bounds):
        sums = _sums_of(row, "priced", "pico", "actual")
        targets[row.simulated, row.key][row.target] = TargetCell(row.quality, row.fit, sums)
    return {
        (row.simulated, row.key): Cell(
            answers=int(row.answers),
            failed=int(row.failed),
            fixed=int(row.fixed),
            unpriced=int(row.unpriced),
            actual=_whole(row, "actual"),
            compared=int(row.compared),
            lost=Sums(int(row.lost), 0, _whole(row, "lost_actual")),
            default=_sums_of(row, "default", "default_pico", "default_actual"),
            default_unfit=int(row.default_unfit),
            default_targets=frozenset({row.first_default, row.last_default} - {None}),
            cheapest=_sums_of(row, "cheapest", "cheapest_pico", "cheapest_actual"),
            random=_sums_of(row, "random", "random_pico", "random_actual"),
            targets=targets[row.simulated, row.key],
        )
        for row in connection.execute(_by_answer(key), bounds)
    }


def _whole(row: Row[*tuple[Any, ...]], name: str) -> int:
    halves = row._mapping  # noqa: SLF001  SQLAlchemy's public name for it
    return int(halves[f"{name}_high"] or 0) * _HALF + int(halves[f"{name}_low"] or 0)


def _sums_of(row: Row[*tuple[Any, ...]], answers: str, baseline: str, actual: str) -> Sums:
    count = int(row._mapping[answers])  # noqa: SLF001
    return Sums(count, _whole(row, baseline), _whole(row, actual))


def _count(name: str, condition: ColumnElement[bool]) -> ColumnElement[Any]:
    return func.sum(case((condition, 1), else_=0)).label(name)


def _sum(
    name: str, column: ColumnElement[Any], condition: ColumnElement[bool]
) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    high, low = column // _HALF, column % _HALF
    return (
        func.sum(case((condition, high), else_=0)).label(f"{name}_high"),
        func.sum(case((condition, low), else_=0)).label(f"{name}_low"),
    )


_of = saving.c
_within = and_(
    _of.tenant == bindparam("of"), _of.at >= bindparam("begin"), _of.at < bindparam("end")
)
_priced = _of.actual_pico_usd.is_not(None)
_compared = and_(_of.routed, _priced)


@cache
def _by_answer(key: str) -> Select[*tuple[Any, ...]]:
    lost = and_(_compared, ~_of.answered)
    columns: list[ColumnElement[Any]] = [
        _of.simulated,
        _of[key].label("key"),
        _count("answers", _of.answered.is_(True)),
        _count("failed", ~_of.answered),
        _count("fixed", ~_of.routed),
        _count("unpriced", ~_priced),
        *_sum("actual", _of.actual_pico_usd, _priced),
        _count("compared", _compared),
        _count("lost", lost),
        *_sum("lost_actual", _of.actual_pico_usd, lost),
        _count("default_unfit", and_(_compared, _of.default_target.is_(None))),
        func.min(case((_compared, _of.default_target))).label("first_default"),
        func.max(case((_compared, _of.default_target))).label("last_default"),
    ]
    for name in ("default", "cheapest", "random"):
        figure = _of[f"{name}_pico_usd"]
        known = and_(_compared, figure.is_not(None))
        columns += [
            _count(name, known),
            *_sum(f"{name}_pico", figure, known),
            *_sum(f"{name}_actual", _of.actual_pico_usd, known),
        ]
    return select(*columns).where(_within).group_by(_of.simulated, _of[key])


@cache
def _by_target(key: str) -> Select[*tuple[Any, ...]]:
    other = saving_target.c
    known = other.pico_usd.is_not(None)
    same = and_(_of.tenant == other.tenant, _of.answer_id == other.answer_id)
    return (
        select(
            _of.simulated,
            _of[key].label("key"),
            other.target,
            func.max(other.quality).label("quality"),
            func.count().label("fit"),
            _count("priced", known),
            *_sum("pico", other.pico_usd, known),
            *_sum("actual", _of.actual_pico_usd, known),
        )
        .select_from(saving.join(saving_target, same))
        .where(_within, _compared)
        .group_by(_of.simulated, _of[key], other.target)
    )


@cache
def _keeping(dialect: str) -> Insert:
    return insert_into(saving, dialect).on_conflict_do_nothing()


@cache
def _keeping_targets(dialect: str) -> Insert:
    return insert_into(saving_target, dialect).on_conflict_do_nothing()


def _row_of(row: Saving) -> dict[str, object]:
    return {
        "tenant": row.tenant,
        "answer_id": row.answer_id,
        "at": row.at,
        "day": int(row.at // _DAY_S),
        "bucket": row.bucket,
        "platform": row.platform,
        "model": row.model,
        "strategy": row.strategy,
        "answered": row.answered,
        "routed": row.routed,
        "simulated": row.simulated,
        "actual_pico_usd": row.actual_pico_usd,
        "default_target": row.default_target,
        "default_pico_usd": row.default_pico_usd,
        "cheapest_pico_usd": row.cheapest_pico_usd,
        "random_pico_usd": row.random_pico_usd,
    }


def _targets_of(row: Saving) -> list[dict[str, object]]:
    return [
        {
            "tenant": row.tenant,
            "answer_id": row.answer_id,
            "target": other.target,
            "quality": other.quality,
            "pico_usd": other.pico_usd,
        }
        for other in row.alternatives
    ]
