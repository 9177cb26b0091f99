"""ClaudeIntegration: Anthropic's own client in front of SupportMax, with tools that are functions."""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, cast

from deployments.clients.answer import Usage
from deployments.clients.door import ANSWER_S, address_and_key
from deployments.clients.problem import Problem, read_problem
from deployments.clients.tools import MAX_ROUNDS, Function, Outcome, Tool, Toolbox

if TYPE_CHECKING:
    from anthropic import APIResponse, AsyncAPIResponse
    from anthropic.types import Message, MessageParam, ToolParam

Tools: TypeAlias = Sequence[Function] | Sequence[Mapping[str, object]]
"""Functions, which are called here, or Anthropic's dictionaries, whose calls are the caller's."""

# What an answer may have where the caller does not say: SupportMax's own default for /v3/chat.
_MAX_TOKENS = 800


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A tool the model asks for; `id` is what its result has to name."""

    id: str
    name: str
    arguments: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class ClaudeAnswer:
    """What the model said in the end, and the conversation that led there.

    `tool_calls` are those that are left to the caller. `usage` and `cost_usd` are of all
    `rounds` together; a cost that is not known for one of them is None. `messages` is the whole
    conversation, this answer included: append to it to go on.
    """

    text: str
    tool_calls: tuple[ToolUse, ...]
    stop_reason: str
    model: str
    platform: str
    usage: Usage
    cost_usd: float | None
    rounds: int
    messages: tuple[Mapping[str, object], ...]


class ClaudeIntegration:
    """Conversations in Anthropic's format, over SupportMax and therefore over any platform.

    `model` is a configured model, one that was shut down and has a successor, a platform, or
    `auto` as on `POST /v1/messages`. Address and key are the environment's
    (`deployments.clients.door`), unless given. Nothing is asked twice: a call that fails, fails.
    """

    def __init__(
        self,
        model: str = "anthropic",
        max_tokens: int = _MAX_TOKENS,
        system: str = "",
        address: str | None = None,
        key: str | None = None,
    ) -> None:
        if address is None or key is None:
            found = address_and_key()
            address, key = address or found[0], key or found[1]
        self._model = model
        self._max_tokens = max_tokens
        self._system = system
        self._address = address
        self._key = key

    def process_with_tools(
        self, messages: str | Sequence[Mapping[str, object]], tools: Tools = ()
    ) -> ClaudeAnswer:
        """The model's answer to a conversation, or to a single text.

        Functions among `tools` are called here until the model answers without them, at most
        ten rounds long; tools given as dictionaries are left to the caller.

        Raises:
            Problem: there is no answer; `too_many_rounds` where the model goes on asking.
        """
        import anthropic  # noqa: PLC0415  half a second that only its users pay

        talk = _Talk(messages, tools)
        talk.must_be_sync()
        with (
            _explained(),
            anthropic.Anthropic(
                base_url=self._address, api_key=self._key, max_retries=0, timeout=ANSWER_S
            ) as client,
        ):
            while True:
                heard = client.messages.with_raw_response.create(
                    model=self._model,
                    max_tokens=self._max_tokens,
                    system=self._system,
                    messages=talk.messages,
                    tools=talk.tools,
                )
                talk.hear(heard, heard.parse())
                if talk.is_over:
                    return talk.answer()
                talk.tell([talk.toolbox.call(use.name, use.arguments) for use in talk.uses])

    async def aprocess_with_tools(
        self, messages: str | Sequence[Mapping[str, object]], tools: Tools = ()
    ) -> ClaudeAnswer:
        """The same in an event loop; the calls of one turn run side by side."""
        import anthropic  # noqa: PLC0415

        talk = _Talk(messages, tools)
        client = anthropic.AsyncAnthropic(
            base_url=self._address, api_key=self._key, max_retries=0, timeout=ANSWER_S
        )
        with _explained():
            async with client:
                while True:
                    heard = await client.messages.with_raw_response.create(
                        model=self._model,
                        max_tokens=self._max_tokens,
                        system=self._system,
                        messages=talk.messages,
                        tools=talk.tools,
                    )
                    talk.hear(heard, await heard.parse())
                    if talk.is_over:
                        return talk.answer()
                    calls = (talk.toolbox.acall(use.name, use.arguments) for use in talk.uses)
                    talk.tell(await asyncio.gather(*calls))


class _Talk:
    """A conversation under way, whoever sends it."""

    def __init__(self, messages: str | Sequence[Mapping[str, object]], tools: Tools) -> None:
        given = [{"role": "user", "content": messages}] if isinstance(messages, str) else messages
        functions = [tool for tool in tools if callable(tool)]
        described = [tool for tool in tools if not callable(tool)]
        if functions and described:
            detail = "Give functions or dictionaries as tools, not both: who would call which?"
            raise Problem("invalid_request", detail)
        self.toolbox = Toolbox(functions)
        self.messages = cast("list[MessageParam]", list(given))
        self.tools = cast("list[ToolParam]", described or [*map(_described, self.toolbox.tools)])
        self.uses: tuple[ToolUse, ...] = ()
        self._is_ours = bool(functions)
        self._last: Message | None = None
        self._platform = ""
        self._usage = Usage()
        self._cost_usd: float | None = 0.0
        self._rounds = 0

    @property
    def is_over(self) -> bool:
        """There is nothing that has to be called here."""
        return not (self.uses and self._is_ours)

    def must_be_sync(self) -> None:
        """Raise Problem where a tool can only be awaited."""
        self.toolbox.must_be_sync()

    def hear(
        self, heard: "APIResponse[Message] | AsyncAPIResponse[Message]", message: "Message"
    ) -> None:
        """Add the model's turn, as it is: thinking has to come back unchanged.

        Raises:
            Problem: `too_many_rounds`.
        """
        self._rounds += 1
        self._last = message
        self._platform = heard.headers.get("x-supportmax-platform", "")
        cost = heard.headers.get("x-supportmax-cost-usd")
        known = self._cost_usd is not None and cost is not None
        self._cost_usd = (self._cost_usd or 0.0) + float(cost or 0) if known else None
        self._usage = _sum(self._usage, message)
        self.uses = tuple(
            ToolUse(block.id, block.name, cast("Mapping[str, object]", block.input))
            for block in message.content
            if block.type == "tool_use"
        )
        turn = {"role": "assistant", "content": [block.to_dict() for block in message.content]}
        self.messages.append(cast("MessageParam", turn))
        if not self.is_over and self._rounds >= MAX_ROUNDS:
            names = ", ".join(use.name for use in self.uses)
            detail = f"After {MAX_ROUNDS} rounds the model still asks for tools ({names})."
            raise Problem("too_many_rounds", detail)

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """Add what the tools answered: one turn holds a result for each call of the one before."""
        results = [
            {
                "type": "tool_result",
                "tool_use_id": use.id,
                "content": outcome.text,
                "is_error": outcome.is_error,
            }
            for use, outcome in zip(self.uses, outcomes, strict=True)
        ]
        self.messages.append(cast("MessageParam", {"role": "user", "content": results}))

    def answer(self) -> ClaudeAnswer:
        """What was said last, and all that led there."""
        last = cast("Message", self._last)
        return ClaudeAnswer(
            text="".join(block.text for block in last.content if block.type == "text"),
            tool_calls=self.uses,
            stop_reason=last.stop_reason or "",
            model=last.model,
            platform=self._platform,
            usage=self._usage,
            cost_usd=self._cost_usd,
            rounds=self._rounds,
            messages=tuple(cast("list[Mapping[str, object]]", self.messages)),
        )


def _described(tool: Tool) -> Mapping[str, object]:
    return {
        "name": tool.name,
        "description": tool.description,
        "input_schema": tool.parameters,
    }


def _sum(so_far: Usage, message: "Message") -> Usage:
    """Anthropic counts what was read from and written to a cache beside the input, not in it."""
    used = message.usage
    cached = used.cache_read_input_tokens or 0
    written = used.cache_creation_input_tokens or 0
    details = used.output_tokens_details
    return Usage(
        so_far.input_tokens + used.input_tokens + cached + written,
        so_far.cached_tokens + cached,
        so_far.output_tokens + used.output_tokens,
        so_far.reasoning_tokens + (details.thinking_tokens if details else 0),
    )


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """Let what the SDK raises leave as a Problem."""
    import anthropic  # noqa: PLC0415

    try:
        yield
    except anthropic.APIStatusError as error:
        wait = error.response.headers.get("retry-after", "")
        raise read_problem(
            error.body if isinstance(error.body, dict) else {"detail": str(error)},
            error.status_code,
            float(wait) if wait.isdigit() else None,
        ) from error
    except anthropic.APITimeoutError as error:
        detail = f"There was no answer within {ANSWER_S:g} s."
        raise Problem("timed_out", detail) from error
    except anthropic.APIConnectionError as error:
        detail = f"SupportMax does not answer ({error.__cause__ or error})."
        raise Problem("unreachable", detail) from error
    except anthropic.APIError as error:
        raise Problem("unexpected_reply", str(error)) from error
