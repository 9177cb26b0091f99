"""Runbooks: how something is done here, step by step, and runs that cannot skip one.

A step may name what has to show that it was done. Code looks there; a model's word is not enough:
`tool`: the journal has a call of that business tool for this customer, made since the run began;
`customer`: the customer said so, in a turn of theirs that is named and quoted;
`attested`: nothing shows it, and the record says whose word it is.
"""

import hashlib
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias, get_args

import orjson

from actors.database.conversations import Conversations
from actors.database.runbooks import (
    RunbookRow,
    RunbookStore,
    RunRow,
    RunState,
    StepOutcome,
    StepRow,
)
from actors.memory.facts import Said, plain_words
from routing.clock import Clock
from routing.errors import AccessError, ConflictError, RequestError

Shown: TypeAlias = Literal["tool", "customer", "attested"]

# What fits on a page; a longer one is two.
STEPS_MAX = 30
# What a human has begun with one customer and not ended; more are forgotten ones.
RUNNING_MAX = 20
RUNBOOKS_MAX = 200

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what to do, what shows that it was done, and whether it may not apply."""

    id: str
    do: str
    shown_by: Shown = "attested"
    tool: str | None = None
    may_not_apply: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """A run, its runbook's steps, and what was recorded of them."""

    row: RunRow
    steps: tuple[Step, ...]
    recorded: tuple[StepRow, ...]

    @property
    def next(self) -> Step | None:
        """The one step that may be recorded now."""
        running = self.row.state == "running" and self.row.next_step < len(self.steps)
        return self.steps[self.row.next_step] if running else None


@dataclass(frozen=True, slots=True)
class Report:
    """What somebody says of a step; `quote` are words of the customer's turn `said`."""

    step: str
    outcome: StepOutcome
    note: str
    by: str
    said: Said | None = None
    quote: str = ""


class Runbooks:
    """Publishes runbooks and runs them, for one tenant's customer at a time."""

    def __init__(self, store: RunbookStore, conversations: Conversations, clock: Clock) -> None:
        self._store = store
        self._conversations = conversations
        self._clock = clock

    async def publish(self, tenant: str, name: str, title: str, steps: Sequence[Step]) -> int:
        """Keep a version; its number. What is published already is not published again."""
        plain = [asdict(step) for step in steps]
        hashed = hashlib.sha256(orjson.dumps([title, plain])).hexdigest()
        return await self._store.publish(tenant, name, title, plain, hashed, self._clock.now())

    async def all(self, tenant: str) -> list[RunbookRow]:
        """The newest version of each."""
        return await self._store.newest(tenant, RUNBOOKS_MAX)

    async def start(
        self, tenant: str, user_id: str, conversation_id: str | None, name: str, by: str
    ) -> Run:
        """Begin the newest version for the customer.

        Raises:
            RequestError: `unknown_runbook`, or `too_many_runs` are under way.
        """
        book = await self._store.get(tenant, name)
        if book is None:
            raise RequestError("unknown_runbook", f"There is no runbook {name}.")
        run = RunRow(
            id=f"run_{secrets.token_hex(8)}",
            user_id=user_id,
            conversation_id=conversation_id,
            name=name,
            version=book.version,
            state="running",
            next_step=0,
            started_by=by,
            started_at=self._clock.now(),
            ended_at=None,
        )
        if not await self._store.start(tenant, run, RUNNING_MAX):
            message = f"{RUNNING_MAX} runbooks are under way with this customer; end one first."
            raise RequestError("too_many_runs", message)
        return Run(run, _steps(book), ())

    async def run(self, tenant: str, user_id: str, run_id: str) -> Run:
        """A run of the customer.

        Raises:
            AccessError: `not_found`: it is not theirs, or there is none.
        """
        found = await self._store.run(tenant, user_id, run_id)
        book = None
        if found is not None:
            book = await self._store.get(tenant, found[0].name, found[0].version)
        if found is None or book is None:
            raise AccessError("not_found", f"There is no run {run_id}.")
        return Run(found[0], _steps(book), tuple(found[1]))

    async def record(self, tenant: str, user_id: str, run_id: str, report: Report) -> Run:
        """Record what became of the next step, if what must show it does.

        A step that failed ends the run.

        Raises:
            AccessError: `not_found`: there is no such run of the customer's.
            ConflictError: `not_the_next_step`: another one is, or the run has ended.
            RequestError: `not_shown`: nothing shows that it was done; `must_apply`.
        """
        run = await self.run(tenant, user_id, run_id)
        step = run.next
        if step is None:
            raise ConflictError("not_the_next_step", f"The run {run_id} is {run.row.state}.")
        if step.id != report.step:
            message = f"The next step is {step.id}; no step is skipped or taken twice."
            raise ConflictError("not_the_next_step", message)
        if report.outcome == "not_applicable" and not step.may_not_apply:
            raise RequestError("must_apply", f"The step {step.id} always applies.")
        evidence = ""
        if report.outcome == "done":
            evidence = await self._evidence(tenant, run, step, report)
        last = run.row.next_step + 1 == len(run.steps)
        state: RunState = "running"
        if report.outcome == "failed":
            state = "failed"
        elif last:
            state = "done"
        row = StepRow(
            run.row.next_step, report.outcome, report.note, evidence, report.by, self._clock.now()
        )
        if not await self._store.record(tenant, run.row, row, state):
            raise ConflictError("not_the_next_step", "Somebody else recorded this step just now.")
        return await self.run(tenant, user_id, run_id)

    async def runs_of(self, tenant: str, user_id: str, limit: int) -> list[RunRow]:
        """The customer's runs, the last begun first."""
        return await self._store.runs_of(tenant, user_id, limit)

    async def _evidence(self, tenant: str, run: Run, step: Step, report: Report) -> str:
        """Where it can be seen that the step was done."""
        match step.shown_by:
            case "tool":
                used = [row.evidence.removeprefix("call:") for row in run.recorded]
                call = await self._store.call_made(
                    tenant, run.row.user_id, step.tool or "", run.row.started_at, used
                )
                if call is None:
                    message = (
                        f"No call of {step.tool} for this customer succeeded since the run began."
                    )
                    raise RequestError("not_shown", message)
                return f"call:{call}"
            case "customer":
                return await self._said(tenant, run, step, report)
            case "attested":
                return ""

    async def _said(self, tenant: str, run: Run, step: Step, report: Report) -> str:
        said, quote = report.said, plain_words(report.quote)
        if said is not None and quote:
            head = await self._conversations.head(tenant, said.conversation_id)
            turns = await self._conversations.between(
                tenant, said.conversation_id, said.turn - 1, said.turn
            )
            theirs = head is not None and head.user_id == run.row.user_id
            if theirs and any(
                turn.role == "user"
                and turn.at >= run.row.started_at
                and quote in plain_words(turn.text)
                for turn in turns
            ):
                return f"turn:{said.conversation_id}#{said.turn}"
        message = (
            f"{step.id} needs the customer's own words: name a turn of theirs since the run began, "
            "and quote it."
        )
        raise RequestError("not_shown", message)


def read_runbook(data: object) -> tuple[str, str, tuple[Step, ...]]:
    """A runbook as a file has it: name, title and steps.

    Raises:
        RequestError: `invalid_runbook`, with what to write instead.
    """
    if not isinstance(data, Mapping) or set(data) != {"name", "title", "steps"}:
        raise _invalid("write name, title and steps, and nothing else")
    name, title, steps = data["name"], data["title"], data["steps"]
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise _invalid("the name is small letters, digits and _")
    if not isinstance(title, str) or not title.strip():
        raise _invalid("write a title")
    if not isinstance(steps, Sequence) or isinstance(steps, str) or not 0 < len(steps) <= STEPS_MAX:
        raise _invalid(f"write 1 to {STEPS_MAX} steps")
    read = tuple(_step(number, step) for number, step in enumerate(steps, 1))
    if len({step.id for step in read}) != len(read):
        raise _invalid("every step has an id of its own")
    return name, title, read


def _step(number: int, data: object) -> Step:
    known = set(Step.__dataclass_fields__)
    if not isinstance(data, Mapping) or not set(data) <= known:
        raise _invalid(f"step {number}: possible are {', '.join(sorted(known))}")
    id_, do, shown_by = data.get("id"), data.get("do"), data.get("shown_by", "attested")
    tool, optional = data.get("tool"), data.get("may_not_apply", False)
    if not isinstance(id_, str) or not _NAME.fullmatch(id_):
        raise _invalid(f"step {number}: the id is small letters, digits and _")
    if not isinstance(do, str) or not do.strip():
        raise _invalid(f"step {id_}: say what to do in `do`")
    if shown_by not in get_args(Shown):
        raise _invalid(f"step {id_}: shown_by is one of {', '.join(get_args(Shown))}")
    if (shown_by == "tool") != isinstance(tool, str):
        raise _invalid(f"step {id_}: a tool is named where shown_by is tool, and only there")
    if not isinstance(optional, bool):
        raise _invalid(f"step {id_}: may_not_apply is true or false")
    return Step(id_, do, shown_by, tool, optional)


def _invalid(why: str) -> RequestError:
    return RequestError("invalid_runbook", f"This is no runbook: {why}.")


def _steps(book: RunbookRow) -> tuple[Step, ...]:
    return tuple(_step(number, step) for number, step in enumerate(book.steps, 1))
