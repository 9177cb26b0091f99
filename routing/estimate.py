"""How many tokens a call may take, before it is made: an expectation, and a bound to promise on.

The bound rests on one fact: byte-level BPE and byte-fallback tokenizers never make
more tokens than there are UTF-8 bytes. It is three to five times the truth for prose;
the price of a promise. What vendors add unseen is bounded by the constants below, which
are calibration, not arithmetic: every bill is compared with its bound, and one over it is
logged and counted in the platform's status.
"""

import json
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from routing.capability import Capability
from routing.exchange import ResponseSchema
from routing.message import Image, Json, Message, ToolSpec
from routing.money import Price
from routing.quality import Reading
from routing.schema_findings import TOO_LARGE, Findings, are_too_large
from routing.size import Size, size_of
from routing.tool_schema import Dialect, response_findings, tool_findings

_MILLION = Decimal(1_000_000)

BYTES_PER_TOKEN = 4
"""English prose, by every vendor's rule of thumb; code and most other scripts run to 2 or 3."""

EXPECTED_TOKENS_PER_MESSAGE = 4
"""Role and separators: OpenAI's cookbook counts 3 and a primed reply; others are close."""

EXPECTED_TOKENS_PER_IMAGE = 1_300
"""A picture of a megapixel: 1,090 to 1,450 at Google, OpenAI and Anthropic (November 2026)."""

BOUND_TOKENS_PER_MESSAGE = 16
BOUND_TOKENS_PER_CALL = 64
"""Four times and more what templates are known to add."""

BOUND_TOKENS_OF_TOOLS = 1024
"""Anthropic documents hidden tool prompts of up to 530 tokens (Claude 3 Opus, auto); twice that.
What every single tool adds to it is counted with its text."""

BOUND_BYTES_PER_PART = 96
"""Around the words of a tool, of a call and of a result. Nobody documents how they are spelt out to a
model; as JSON, which is longer than any form known, our wires need 76, 63 and 70 bytes."""

BOUND_TOKENS_OF_SCHEMA = 512
"""Structured output injects an undocumented prompt at some vendors."""


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """What is known of a call before anyone is called.

    `input_bytes` is what `count_input_bytes` gives for every text that will be sent;
    `expected_output_tokens` is believed until a platform's own mean has been seen. `tools`,
    `response_schema` and `images` are what not every platform can be told; `image_count` is
    how many images there are, also where they are not kept. `reading` is what was read from
    the question's text, where the strategy goes by it.
    """

    input_bytes: int
    messages: int
    max_tokens: int
    needs: frozenset[Capability] = frozenset()
    expected_output_tokens: int = 256  # a support answer of some 190 words
    tools: tuple[ToolSpec, ...] = ()
    response_schema: ResponseSchema | None = None
    images: tuple[Image, ...] = ()
    image_count: int = 0
    reading: Reading | None = None

    input_tokens_bound: int = field(init=False)
    """No vendor can count more input tokens than this for all but the images."""

    input_tokens_expected: int = field(init=False)
    """About as many input tokens as will be counted, images included."""

    is_plain: bool = field(init=False)
    """Whether it is text alone, which every platform can be told."""

    size: Size = field(init=False)
    """How large it is; latencies are compared with those of its size."""

    _of_tools: dict[Dialect, tuple[Findings, ...]] = field(init=False, repr=False, compare=False)
    _of_response: dict[Dialect, Findings] = field(init=False, repr=False, compare=False)
    """Worked out when first asked for: a schema takes 20 us, and targets share their dialects."""
    _too_large: list[bool] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Worked out once: every candidate of a decision asks for both.
        hidden = BOUND_TOKENS_PER_CALL + BOUND_TOKENS_PER_MESSAGE * self.messages
        if Capability.FUNCTION_CALLING in self.needs:
            hidden += BOUND_TOKENS_OF_TOOLS
        if Capability.JSON_SCHEMA in self.needs:
            hidden += BOUND_TOKENS_OF_SCHEMA
        expected = self.input_bytes // BYTES_PER_TOKEN + EXPECTED_TOKENS_PER_MESSAGE * self.messages
        image_count = max(self.image_count, len(self.images))
        expected += EXPECTED_TOKENS_PER_IMAGE * image_count
        is_plain = not self.tools and not self.images and self.response_schema is None
        object.__setattr__(self, "image_count", image_count)
        object.__setattr__(self, "input_tokens_bound", self.input_bytes + hidden)
        object.__setattr__(self, "input_tokens_expected", expected)
        object.__setattr__(self, "is_plain", is_plain)
        object.__setattr__(self, "_of_tools", {})
        object.__setattr__(self, "_of_response", {})
        object.__setattr__(self, "_too_large", [])
        object.__setattr__(self, "size", size_of(expected, self.max_tokens))

    def findings_of_tools(self, dialect: Dialect) -> tuple[Findings, ...]:
        """What platforms of that dialect would refuse about each tool."""
        if dialect not in self._of_tools:
            self._of_tools[dialect] = tuple(
                TOO_LARGE if tool.strict and self._is_too_large() else tool_findings(tool, dialect)
                for tool in self.tools
            )
        return self._of_tools[dialect]

    def findings_of_response(self, dialect: Dialect) -> Findings:
        """The same for the response's schema."""
        if self.response_schema is None:
            return Findings()
        if dialect not in self._of_response:
            schema = self.response_schema.schema
            self._of_response[dialect] = (
                TOO_LARGE if self._is_too_large() else response_findings(schema, dialect)
            )
        return self._of_response[dialect]

    def _is_too_large(self) -> bool:
        """Whether what is walked of the request's schemas is more than is walked for anybody."""
        if not self._too_large:
            walked = [tool.parameters for tool in self.tools if tool.strict]
            if self.response_schema is not None:
                walked.append(self.response_schema.schema)
            self._too_large.append(are_too_large(walked))
        return self._too_large[0]

    def bound_with(self, image_tokens: int) -> int:
        """The most input tokens a platform can count that bills an image at most so many."""
        return self.input_tokens_bound + image_tokens * self.image_count


def affordable_tokens(price: Price, limit_usd: Decimal, input_tokens: int, wanted: int) -> int:
    """The most output tokens, up to `wanted`, with which a call cannot cost more than the limit.

    Zero or less means that not even the input is affordable. After an attempt which may
    have been billed, ask again with what is left of the limit.
    """
    if price.bound(input_tokens, wanted) <= limit_usd:
        return wanted
    left_usd = limit_usd - price.bound(input_tokens, 0)
    output_rate = price.dearest(input_tokens).output
    if left_usd <= 0 or output_rate <= 0:
        return 0
    tokens = int(left_usd * _MILLION // output_rate)
    # Decimal rounds at 28 digits; a limit that was a float has more. One token settles it.
    return tokens if price.bound(input_tokens, tokens) <= limit_usd else tokens - 1


def count_input_bytes(
    system: str,
    messages: Sequence[Message],
    tools: Sequence[ToolSpec],
    schema: ResponseSchema | None = None,
) -> int:
    """UTF-8 bytes of every text a platform will be sent, for `TaskFacts.input_bytes`.

    Images are not text: no tokenizer reads their base64, and no vendor bills it.
    """
    said = _bytes_of(system) + sum(_of_tool(tool) for tool in tools)
    said += sum(sum(_of_message(message)) for message in messages)
    return said if schema is None else said + _bytes_of(schema.name) + _as_json(schema.schema)


def _of_tool(tool: ToolSpec) -> int:
    words = _as_json(tool.name) + _as_json(tool.description)
    return words + _as_json(tool.parameters) + BOUND_BYTES_PER_PART


def _of_message(message: Message) -> Iterator[int]:
    yield _bytes_of(message.text)
    for call in message.tool_calls:
        # Some wires say the name again with the result.
        yield _bytes_of(call.id) + 2 * _bytes_of(call.name) + _as_json(call.arguments)
        yield BOUND_BYTES_PER_PART
    for result in message.tool_results:
        yield _bytes_of(result.call_id) + _bytes_of(result.content) + BOUND_BYTES_PER_PART
    if message.provider_state is not None:
        yield _as_json(message.provider_state.items)


def _as_json(value: Json) -> int:
    """Bytes of `value` as JSON, of the longer form where it may be written in ASCII alone."""
    plain = json.dumps(value)
    if "\\u" not in plain:
        return len(plain)
    return max(len(plain), _bytes_of(json.dumps(value, ensure_ascii=False)))


def _bytes_of(text: str) -> int:
    """Bytes of `text`, of its longer form where a tokenizer may normalise it first.

    NFKC can lengthen: U+FDFA is 3 bytes and becomes 33. Some tokenizers apply it.
    """
    if text.isascii():
        return len(text)
    longer = unicodedata.normalize("NFKC", text)
    return max(utf8_length(text), utf8_length(longer))


def utf8_length(text: str) -> int:
    """Bytes of `text`."""
    if text.isascii():
        return len(text)
    # A lone surrogate is no text, but it must not stop a count: it will be sent as "?" or \\ud800.
    return len(text.encode(errors="backslashreplace"))
