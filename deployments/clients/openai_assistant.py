"""OpenAIAssistant: threads and runs as the Assistants API had them, over SupportMax's /v1.

A thread is a conversation kept by SupportMax (or by OpenAI, where the assistant's `state` is
server), and the assistant a block of the configuration. OpenAI's own client does the talking.
"""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

import orjson

from deployments.clients.claude import ToolUse
from deployments.clients.door import ANSWER_S, address_and_key
from deployments.clients.problem import Problem, read_problem
from deployments.clients.tools import MAX_ROUNDS, Function, Outcome, Tool, Toolbox

if TYPE_CHECKING:
    import openai
    from openai.types.responses import (
        FunctionToolParam,
        Response,
        ResponseInputItemParam,
        ResponseInputParam,
    )

Tools: TypeAlias = Sequence[Function | Mapping[str, object]]
"""Functions, which are called here, and OpenAI's dictionaries, whose calls are the caller's."""

Status: TypeAlias = Literal["completed", "incomplete", "failed", "requires_action"]

# What OpenAI's API, and ours, adds to a conversation at once.
_ITEMS_AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class AssistantThread:
    """A conversation; its id is all there is to keep."""

    id: str


@dataclass(frozen=True, slots=True)
class AssistantRun:
    """What came of a message.

    `requires_action` asks for the results of `tool_calls`: give them to `submit`. `failed` is no
    answer, for the reason in `error`; the thread can be run again. `cost_usd` is of all `rounds`
    together, None where one is not known; `assistant` is ID@version.
    """

    thread_id: str
    status: Status
    text: str = ""
    tool_calls: tuple[ToolUse, ...] = ()
    platform: str = ""
    cost_usd: float | None = None
    assistant: str = ""
    rounds: int = 0
    error: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What functions answered to calls of the same turn; `submit` sends it along."""


class OpenAIAssistant:
    """The assistant `assistant_id` of the configuration, `ID@N` for one of its versions.

    Functions among `tools` are called here, at most ten rounds long, and what goes wrong in one
    is told to the model; dictionaries among them, and the assistant's own tools, are the
    caller's to answer. Address and key are the environment's (`deployments.clients.door`).
    Every method raises Problem where SupportMax refuses what it is asked.
    """

    def __init__(self, assistant_id: str, tools: Tools = ()) -> None:
        self._model = f"assistant/{assistant_id}"
        self._toolbox = Toolbox([tool for tool in tools if callable(tool)])
        given = [tool for tool in tools if not callable(tool)]
        self._tools = [*map(_flat, given), *map(_described, self._toolbox.tools)]
        self._address, self._key = address_and_key()

    def create_thread(self) -> AssistantThread:
        """Begin a conversation."""
        with _explained(), self._client() as client:
            return AssistantThread(client.conversations.create().id)

    def run(self, thread_id: str, message: str) -> AssistantRun:
        """The assistant's answer to `message`, after all that was said in the thread."""
        return self._run(thread_id, message)

    def submit(self, run: AssistantRun, outputs: Mapping[str, str]) -> AssistantRun:
        """Go on with a run that required action: what each of its calls, by id, came to."""
        return self._run(run.thread_id, _submitted(run, outputs))

    async def acreate_thread(self) -> AssistantThread:
        """`create_thread` in an event loop."""
        with _explained():
            async with self._aclient() as client:
                return AssistantThread((await client.conversations.create()).id)

    async def arun(self, thread_id: str, message: str) -> AssistantRun:
        """`run` in an event loop; the calls of one turn run side by side."""
        return await self._arun(thread_id, message)

    async def asubmit(self, run: AssistantRun, outputs: Mapping[str, str]) -> AssistantRun:
        """`submit` in an event loop."""
        return await self._arun(run.thread_id, _submitted(run, outputs))

    def _run(self, thread_id: str, said: "str | ResponseInputParam") -> AssistantRun:
        import openai  # noqa: PLC0415  a second that only its users pay

        self._toolbox.must_be_sync()
        talk = _Talk(thread_id, said, self._toolbox)
        with _explained(), self._client() as client:
            while not talk.is_over:
                try:
                    heard = client.responses.with_raw_response.create(
                        model=self._model,
                        conversation=thread_id,
                        input=talk.input,
                        tools=self._tools,
                        tool_choice="none" if talk.is_last else openai.omit,
                    )
                except openai.InternalServerError as error:
                    for items in talk.fail(str(error)):
                        with contextlib.suppress(openai.APIError):
                            client.conversations.items.create(thread_id, items=items)
                    break
                talk.hear(heard.headers, heard.parse())
                talk.tell([self._toolbox.call(use.name, use.arguments) for use in talk.ours])
            return talk.result()

    async def _arun(self, thread_id: str, said: "str | ResponseInputParam") -> AssistantRun:
        import openai  # noqa: PLC0415

        talk = _Talk(thread_id, said, self._toolbox)
        with _explained():
            async with self._aclient() as client:
                while not talk.is_over:
                    try:
                        heard = await client.responses.with_raw_response.create(
                            model=self._model,
                            conversation=thread_id,
                            input=talk.input,
                            tools=self._tools,
                            tool_choice="none" if talk.is_last else openai.omit,
                        )
                    except openai.InternalServerError as error:
                        for items in talk.fail(str(error)):
                            with contextlib.suppress(openai.APIError):
                                await client.conversations.items.create(thread_id, items=items)
                        break
                    talk.hear(heard.headers, heard.parse())
                    calls = (self._toolbox.acall(use.name, use.arguments) for use in talk.ours)
                    talk.tell(await asyncio.gather(*calls))
        return talk.result()

    def _client(self) -> "openai.OpenAI":
        import openai  # noqa: PLC0415

        return openai.OpenAI(
            base_url=f"{self._address}/v1", api_key=self._key, max_retries=0, timeout=ANSWER_S
        )

    def _aclient(self) -> "openai.AsyncOpenAI":
        import openai  # noqa: PLC0415

        return openai.AsyncOpenAI(
            base_url=f"{self._address}/v1", api_key=self._key, max_retries=0, timeout=ANSWER_S
        )


class _Talk:
    """A run under way, whoever sends it: hear, then tell, until it is over."""

    def __init__(self, thread_id: str, said: "str | ResponseInputParam", toolbox: Toolbox) -> None:
        self.input = said
        self.ours: tuple[ToolUse, ...] = ()
        self.is_over = False
        self._names = {tool.name for tool in toolbox.tools}
        self._run = AssistantRun(thread_id, "failed", cost_usd=0.0)

    @property
    def is_last(self) -> bool:
        """Words are all that is left: it has called tools often enough."""
        return self._run.rounds >= MAX_ROUNDS

    def hear(self, headers: Mapping[str, str], response: "Response") -> None:
        """Take the model's turn."""
        so_far, cost = self._run, headers.get("x-supportmax-cost-usd")
        known = so_far.cost_usd is not None and cost is not None
        uses = tuple(_uses(response))
        if self.is_last:
            uses = ()  # asked for in spite of `tool_choice`; there is no other round
        self.ours = tuple(use for use in uses if use.name in self._names)
        theirs = tuple(use for use in uses if use.name not in self._names)
        self._run = AssistantRun(
            so_far.thread_id,
            "requires_action" if theirs else _status(response),
            response.output_text,
            theirs,
            headers.get("x-supportmax-platform", ""),
            (so_far.cost_usd or 0.0) + float(cost or 0) if known else None,
            headers.get("x-supportmax-assistant", ""),
            so_far.rounds + 1,
        )

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """Take what the functions answered; without a call there is nothing to go on with."""
        done = {
            use.id: f"Error: {outcome.text}" if outcome.is_error else outcome.text
            for use, outcome in zip(self.ours, outcomes, strict=True)
        }
        self.input = _results(done)
        self.is_over = not done or bool(self._run.tool_calls)
        self._run = replace(self._run, outputs=done)

    def fail(self, why: str) -> Iterator[list["ResponseInputItemParam"]]:
        """Take that there is no answer; what the thread must be told so that it can go on."""
        self._run = replace(self._run, status="failed", text="", outputs={}, error=why)
        if self._run.rounds and not isinstance(self.input, str):
            for start in range(0, len(self.input), _ITEMS_AT_ONCE):
                yield self.input[start : start + _ITEMS_AT_ONCE]

    def result(self) -> AssistantRun:
        """What came of it."""
        return self._run


def _status(response: "Response") -> Status:
    return "incomplete" if response.status == "incomplete" else "completed"


def _uses(response: "Response") -> Iterator[ToolUse]:
    for item in response.output:
        if item.type == "function_call":
            yield ToolUse(item.call_id, item.name, _arguments(item.arguments))


def _arguments(raw: str) -> Mapping[str, object]:
    # An object, always: SupportMax reads what a model wrote before it writes this.
    return cast("Mapping[str, object]", orjson.loads(raw))


def _submitted(run: AssistantRun, outputs: Mapping[str, str]) -> "ResponseInputParam":
    missing = [use.id for use in run.tool_calls if use.id not in outputs]
    if run.status != "requires_action" or missing:
        detail = f"the run is {run.status}; outputs are needed for: {', '.join(missing) or 'none'}"
        raise Problem("invalid_request", detail)
    return _results({**run.outputs, **{use.id: outputs[use.id] for use in run.tool_calls}})


def _results(outputs: Mapping[str, str]) -> "ResponseInputParam":
    return [
        {"type": "function_call_output", "call_id": call_id, "output": text}
        for call_id, text in outputs.items()
    ]


def _flat(tool: Mapping[str, object]) -> "FunctionToolParam":
    """A dictionary in the flat form of responses, or as assistants and chats had it."""
    inner = tool.get("function")
    given = {**inner, "type": "function"} if isinstance(inner, Mapping) else dict(tool)
    return cast("FunctionToolParam", given)


def _described(tool: Tool) -> "FunctionToolParam":
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": dict(tool.parameters),
        "strict": False,
    }


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """Let what the SDK raises leave as a Problem."""
    import openai  # noqa: PLC0415

    try:
        yield
    except openai.APIStatusError as error:
        wait = error.response.headers.get("retry-after", "")
        # The SDK takes the error out of its envelope.
        told = {"error": error.body} if isinstance(error.body, dict) else {"detail": str(error)}
        raise read_problem(
            told, error.status_code, float(wait) if wait.isdigit() else None
        ) from error
    except openai.APITimeoutError as error:
        detail = f"There was no answer within {ANSWER_S:g} s."
        raise Problem("timed_out", detail) from error
    except openai.APIConnectionError as error:
        detail = f"SupportMax does not answer ({error.__cause__ or error})."
        raise Problem("unreachable", detail) from error
    except openai.APIError as error:
        raise Problem("unexpected_reply", str(error)) from error
