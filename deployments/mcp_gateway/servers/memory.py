"""The memory server: the customer's facts and conversation, and runbooks with their runs.

The customer is whom the call is bound to, never an argument. What a customer said is somebody's
words and labelled so; a fact is only remembered where it stands in a turn of theirs.
"""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Annotated, ParamSpec, TypeVar

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field

from actors.database.errors import DatabaseBusy, DatabaseUnavailable
from actors.database.memory_facts import FactRow
from actors.database.runbooks import StepOutcome
from actors.memory import Memory, Report, Run, Said, recall
from actors.memory.facts import ATTRIBUTE, RECALL_MAX, VALUE_MAX
from actors.memory.window import CONTEXT_TOKENS
from deployments.mcp_gateway import caller
from deployments.mcp_gateway.business.binding import customer_of
from deployments.mcp_gateway.mounted import Mounted, Rule
from routing.clock import rfc3339
from routing.errors import AccessError, ConflictError, RequestError

P = ParamSpec("P")
T = TypeVar("T")

NAME = "memory"
READS, WRITES = "mcp:context", "mcp:tools"
# A few rows by their key; a database that needs this long is down.
TIMEOUT_S = 2.0

Attribute = Annotated[str, Field(pattern=ATTRIBUTE, description="such as preferred_language")]
Turn = Annotated[int, Field(ge=1, description="the number of a turn of this conversation")]


class RememberedFact(BaseModel):
    """What holds of the customer, and who said so where and when."""

    id: str
    attribute: str
    value: str
    source: str
    source_ref: str
    since: str


class FactsRecalled(BaseModel):
    """Facts, the newest first."""

    facts: list[RememberedFact]


class FactsForgotten(BaseModel):
    """How many values were removed, former ones included."""

    removed: int


class TurnSaid(BaseModel):
    """One turn."""

    turn: int
    role: str
    text: str
    at: str


class ConversationSoFar(BaseModel):
    """The last turns, oldest first, and lines of what was said before them."""

    summary: str
    turns: list[TurnSaid]
    tokens: int


class RunbookOffered(BaseModel):
    """A runbook and its steps."""

    name: str
    version: int
    title: str
    steps: list[str]


class RunbooksOffered(BaseModel):
    """Every runbook, by name."""

    runbooks: list[RunbookOffered]


class RunSoFar(BaseModel):
    """A run: where it stands, and what to do next and how that is shown."""

    run_id: str
    runbook: str
    version: int
    state: str
    recorded: list[str]
    next_step: str | None
    next_do: str | None
    next_shown_by: str | None


def told(ask: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    """Refusals of ours reach the model in their words; mistakes do not."""

    @wraps(ask)
    async def asking(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await ask(*args, **kwargs)
        except (AccessError, ConflictError, RequestError) as error:
            raise ToolError(f"{error.code}: {error.detail}") from error
        except (DatabaseBusy, DatabaseUnavailable) as error:
            raise ToolError("unavailable: Memory cannot be reached just now.") from error

    return asking


async def memory_server(memory: Memory) -> Mounted:
    """The server over this process's memory."""
    server: MCPServer[object] = MCPServer(NAME, title="Memory")

    @server.tool(name="recall", title="Recall what is known of the customer")
    @told
    async def recall_facts(
        limit: Annotated[int, Field(ge=1, le=RECALL_MAX)] = RECALL_MAX,
    ) -> FactsRecalled:
        """Facts about the customer of this conversation, each with its source."""
        tenant, customer = _bound()
        held = await memory.facts.recall(tenant, customer, limit)
        return FactsRecalled(facts=[_fact(fact) for fact in held])

    @server.tool(title="Remember what the customer said of themselves")
    @told
    async def remember(
        attribute: Attribute,
        value: Annotated[str, Field(min_length=1, max_length=VALUE_MAX)],
        turn: Turn,
    ) -> RememberedFact:
        """Keep a fact. The value must stand word for word in that turn, and the customer's it must be."""
        tenant, customer = _bound()
        said = Said(_conversation(), turn)
        by = caller.current().principal.subject
        return _fact(await memory.facts.remember_said(tenant, customer, attribute, value, said, by))

    @server.tool(title="Forget what is remembered under an attribute")
    @told
    async def forget(attribute: Attribute) -> FactsForgotten:
        """Remove the fact with all its former values. It cannot be undone."""
        tenant, customer = _bound()
        return FactsForgotten(removed=await memory.facts.forget(tenant, customer, attribute))

    @server.tool(title="Read the conversation so far")
    @told
    async def conversation(
        max_tokens: Annotated[int, Field(ge=100, le=CONTEXT_TOKENS)] = CONTEXT_TOKENS,
    ) -> ConversationSoFar:
        """The last turns of this conversation, numbered, within a budget of tokens."""
        tenant, customer = _bound()
        window = await memory.episodes.window(tenant, _conversation(), customer)
        if window is None:
            raise AccessError("not_found", "There is no such conversation.")
        found = recall(window, max_tokens)
        turns = [
            TurnSaid(turn=row.seq, role=row.role, text=row.text, at=rfc3339(row.at))
            for row in found.turns
        ]
        return ConversationSoFar(summary=found.summary, turns=turns, tokens=found.tokens)

    @server.tool(title="List the runbooks")
    @told
    async def runbooks() -> RunbooksOffered:
        """How things are done here, step by step."""
        every = await memory.runbooks.all(caller.current().principal.tenant)
        return RunbooksOffered(
            runbooks=[
                RunbookOffered(
                    name=book.name,
                    version=book.version,
                    title=book.title,
                    steps=[f"{step['id']}: {step['do']}" for step in book.steps],
                )
                for book in every
            ]
        )

    @server.tool(title="Begin a runbook with the customer")
    @told
    async def runbook_start(name: str) -> RunSoFar:
        """Begin its newest version; the answer says what the first step is."""
        tenant, customer = _bound()
        asking = caller.current()
        return _run(
            await memory.runbooks.start(
                tenant, customer, asking.conversation_id, name, asking.principal.subject
            )
        )

    @server.tool(title="Look at a runbook under way")
    @told
    async def runbook_run(run_id: str) -> RunSoFar:
        """Where it stands."""
        tenant, customer = _bound()
        return _run(await memory.runbooks.run(tenant, customer, run_id))

    @server.tool(title="Record the next step of a runbook")
    @told
    async def runbook_step(
        run_id: str,
        step: str,
        outcome: StepOutcome,
        note: Annotated[str, Field(max_length=VALUE_MAX)] = "",
        turn: Turn | None = None,
        quote: Annotated[str, Field(max_length=VALUE_MAX)] = "",
    ) -> RunSoFar:
        """Record what became of the next step; no other is taken.

        Where the customer has to have said so, give the turn and their words in `quote`.
        """
        tenant, customer = _bound()
        said = None if turn is None else Said(_conversation(), turn)
        report = Report(step, outcome, note, caller.current().principal.subject, said, quote)
        return _run(await memory.runbooks.record(tenant, customer, run_id, report))

    return await Mounted.mount(NAME, READS, server, RULES)


_READ = Rule(READS, "read", TIMEOUT_S)
# What customers said comes back to models as what it is: somebody's words.
_READ_WORDS = Rule(READS, "read", TIMEOUT_S, trust="untrusted")
_WRITE = Rule(WRITES, "write", TIMEOUT_S)
RULES = {
    "recall": _READ_WORDS,
    "remember": _WRITE,
    "forget": _WRITE,
    "conversation": _READ_WORDS,
    "runbooks": _READ,
    "runbook_start": _WRITE,
    "runbook_run": _READ,
    "runbook_step": _WRITE,
}
"""What the gateway goes by, tool by tool."""


def _bound() -> tuple[str, str]:
    """Tenant and customer of the call under way."""
    asking = caller.current()
    return asking.principal.tenant, customer_of(asking, None)


def _conversation() -> str:
    """The conversation the call under way is bound to."""
    bound = caller.current().conversation_id
    if bound is None:
        raise RequestError("conversation_needed", "No conversation is bound to this call.")
    return bound


def _fact(fact: FactRow) -> RememberedFact:
    return RememberedFact(
        id=fact.id,
        attribute=fact.attribute,
        value=fact.value,
        source=fact.source,
        source_ref=fact.source_ref,
        since=rfc3339(fact.valid_from),
    )


def _run(run: Run) -> RunSoFar:
    step = run.next
    return RunSoFar(
        run_id=run.row.id,
        runbook=run.row.name,
        version=run.row.version,
        state=run.row.state,
        recorded=[f"{run.steps[row.step].id}: {row.outcome}" for row in run.recorded],
        next_step=None if step is None else step.id,
        next_do=None if step is None else step.do,
        next_shown_by=None if step is None else step.shown_by,
    )
