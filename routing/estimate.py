"""How many tokens a call may take, before it is made: an expectation, and a bound to promise on.

The bound rests on one fact: byte-level BPE and byte-fallback tokenizers never make
more tokens than there are UTF-8 bytes. It is three to five times the truth for prose;
the price of a promise. What vendors add unseen is bounded by the constants below, which
are calibration, not arithmetic: the ledger compares every bill with its bound.
"""

import json
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from routing.capability import Capability
from routing.exchange import ResponseSchema
from routing.message import Message, ToolSpec
from routing.money import Price

_MILLION = Decimal(1_000_000)

BYTES_PER_TOKEN = 4
"""English prose, by every vendor's rule of thumb; code and most other scripts run to 2 or 3."""

EXPECTED_TOKENS_PER_MESSAGE = 4
"""Role and separators: OpenAI's cookbook counts 3 and a primed reply; others are close."""

BOUND_TOKENS_PER_MESSAGE = 16
BOUND_TOKENS_PER_CALL = 64
"""Four times and more what templates are known to add."""

BOUND_TOKENS_OF_TOOLS = 1024
"""Anthropic documents hidden tool prompts of up to 530 tokens (Claude 3 Opus, auto); twice that."""

BOUND_TOKENS_OF_SCHEMA = 512
"""Structured output injects an undocumented prompt at some vendors."""


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """What is known of a call before anyone is called.

    `input_bytes` is what `count_input_bytes` gives for everything that will be sent;
    `expected_output_tokens` is believed until a platform's own mean has been seen.
    """

    input_bytes: int
    messages: int
    max_tokens: int
    needs: frozenset[Capability] = frozenset()
    expected_output_tokens: int = 256  # a support answer of some 190 words

    input_tokens_bound: int = field(init=False)
    """No vendor can count more input tokens than this."""

    input_tokens_expected: int = field(init=False)
    """About as many input tokens as will be counted."""

    def __post_init__(self) -> None:
        # Worked out once: every candidate of a decision asks for both.
        hidden = BOUND_TOKENS_PER_CALL + BOUND_TOKENS_PER_MESSAGE * self.messages
        if Capability.FUNCTION_CALLING in self.needs:
            hidden += BOUND_TOKENS_OF_TOOLS
        if Capability.JSON_SCHEMA in self.needs:
            hidden += BOUND_TOKENS_OF_SCHEMA
        expected = self.input_bytes // BYTES_PER_TOKEN + EXPECTED_TOKENS_PER_MESSAGE * self.messages
        object.__setattr__(self, "input_tokens_bound", self.input_bytes + hidden)
        object.__setattr__(self, "input_tokens_expected", expected)


def expected_cost_usd(price: Price, input_tokens: int, output_tokens: int) -> Decimal:
    """About what a call will cost; nothing is taken to be cached."""
    # Price.cost of a Usage is the same and takes four times as long, five times a decision.
    tokens_usd = (input_tokens * price.input + output_tokens * price.output) / _MILLION
    return tokens_usd + price.per_call


def affordable_tokens(price: Price, limit_usd: Decimal, input_tokens: int, wanted: int) -> int:
    """The most output tokens, up to `wanted`, with which a call cannot cost more than the limit.

    Zero or less means that not even the input is affordable. After an attempt which may
    have been billed, ask again with what is left of the limit.
    """
    if price.bound(input_tokens, wanted) <= limit_usd:
        return wanted
    left_usd = limit_usd - price.bound(input_tokens, 0)
    if left_usd <= 0 or price.output <= 0:
        return 0
    tokens = int(left_usd * _MILLION // price.output)
    # Decimal rounds at 28 digits; a limit that was a float has more. One token settles it.
    return tokens if price.bound(input_tokens, tokens) <= limit_usd else tokens - 1


def count_input_bytes(
    system: str,
    messages: Sequence[Message],
    tools: Sequence[ToolSpec],
    schema: ResponseSchema | None = None,
) -> int:
    """UTF-8 bytes of everything a platform will be sent, for `TaskFacts.input_bytes`."""
    said = sum(_bytes_of(text) for text in _texts(system, messages, tools))
    return said if schema is None else said + _bytes_of(schema.name + json.dumps(schema.schema))


def _texts(system: str, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Iterator[str]:
    yield system
    for tool in tools:
        yield tool.name + tool.description + json.dumps(tool.parameters)
    for message in messages:
        yield message.text
        for call in message.tool_calls:
            yield call.id + call.name + json.dumps(call.arguments)
        for result in message.tool_results:
            yield result.call_id + result.content
        if message.provider_state is not None:
            yield json.dumps(message.provider_state.items)


def _bytes_of(text: str) -> int:
    """Bytes of `text`, of its longer form where a tokenizer may normalise it first.

    NFKC can lengthen: U+FDFA is 3 bytes and becomes 33. Some tokenizers apply it.
    """
    if text.isascii():
        return len(text)
    longer = unicodedata.normalize("NFKC", text)
    return max(_utf8_length(text), _utf8_length(longer))


def _utf8_length(text: str) -> int:
    # A lone surrogate is no text, but it must not stop a count: it will be sent as "?" or \\ud800.
    return len(text.encode(errors="backslashreplace"))
