"""The turns of a Messages conversation: the rules between them, and the prompt they amount to."""

import base64
import hashlib
from collections.abc import Sequence

import orjson

from deployments.simulators.answer import estimate_tokens
from deployments.simulators.anthropic_errors import AnthropicWireError
from deployments.simulators.anthropic_image import ImageBlock
from deployments.simulators.anthropic_request import (
    Message,
    MessagesRequest,
    TextBlock,
    ThinkingBlock,
    Tool,
    ToolResultBlock,
    ToolUseBlock,
)
from deployments.simulators.reply import Prompt, SimToolResult
from deployments.simulators.tools import SimTool


def check_turns(messages: Sequence[Message]) -> None:
    """Refuse a conversation whose turns do not fit together.

    Raises:
        AnthropicWireError: It begins with the assistant, holds an empty text or thinking that was
            changed, or its tool results are not those of the calls just before, all of them,
            first in one user message.
    """
    if not messages:
        raise AnthropicWireError(400, "messages: at least one message is required")
    if messages[0].role != "user":
        raise AnthropicWireError(400, 'messages: first message must use the "user" role')
    for index, message in enumerate(messages):
        if not message.content:
            raise AnthropicWireError(400, f"messages.{index}: content must be non-empty")
        if any(isinstance(block, TextBlock) and not block.text for block in message.content):
            raise AnthropicWireError(400, "messages: text content blocks must be non-empty")
        for place, block in enumerate(message.content):
            if isinstance(block, ThinkingBlock) and block.signature != sign(block.thinking):
                raise AnthropicWireError(
                    400,
                    f"messages.{index}.content.{place}: Invalid `signature` in `thinking` block",
                )
    expected: list[str] = []
    for index, message in enumerate(messages):
        _check_results(index, message, expected)
        expected = _calls(message)
    _check_answered(len(messages) - 1, expected, [])


def sign(thinking: str) -> str:
    """Return the signature of thinking: it must come back as it was."""
    return base64.b64encode(hashlib.sha256(b"thought\0" + thinking.encode()).digest()).decode()


def read_prompt(request: MessagesRequest) -> Prompt:
    """Return what a request asks."""
    messages = request.messages
    asked_at = max(
        (i for i, message in enumerate(messages) if message.role == "user" and message.text),
        default=0,
    )
    names = {block.id: block.name for block in _tool_uses(messages)}
    form = request.output_config.format
    choice = request.tool_choice
    before = messages[:asked_at]
    return Prompt(
        question=messages[asked_at].text,
        instructions=read_system(request),
        tools=_offered_tools(request),
        must_call=choice is not None and choice.type in ("any", "tool"),
        results=tuple(
            SimToolResult(names[block.tool_use_id], block.text)
            for message in messages[asked_at:]
            for block in message.content
            if isinstance(block, ToolResultBlock)
        ),
        schema=form.json_schema if form else None,
        max_tokens=request.max_tokens,
        begun=_last(before, "assistant"),
        begun_for=_last(before, "user"),
    )


def _last(messages: Sequence[Message], role: str) -> str:
    texts = [message.text for message in messages if message.role == role and message.text]
    return texts[-1] if texts else ""


def read_system(request: MessagesRequest) -> str:
    """Return what is said with the operator's authority."""
    return "\n\n".join(block.text for block in request.system)


def describe_tools(request: MessagesRequest) -> str:
    """Return the tools as text, for counting tokens."""
    return "".join(map(_describe, request.tools))


def count_tokens(messages: Sequence[Message]) -> int:
    """Return the tokens of a conversation's messages."""
    blocks = [block for message in messages for block in message.content]
    results = [block.text for block in blocks if isinstance(block, ToolResultBlock)]
    calls = [f"{call.name}{call.input}" for call in _tool_uses(messages)]
    texts = [message.text for message in messages]
    images = sum(block.tokens for block in blocks if isinstance(block, ImageBlock))
    return images + sum(estimate_tokens(text) for text in (*texts, *results, *calls))


def cacheable_prefixes(request: MessagesRequest) -> list[str]:
    """Return the prefixes up to each cache breakpoint, the shortest first: tools, then system.

    A breakpoint in the messages, or at the top level, counts as one at the end of the system
    prompt: the conversation behind it is not played.
    """
    blocks = [block for message in request.messages for block in message.content]
    is_all_marked = request.cache_control is not None or any(
        getattr(block, "cache_control", None) is not None for block in blocks
    )
    prefix = ""
    prefixes: list[str] = []
    parts: list[Tool | TextBlock] = [*request.tools, *request.system]
    for index, part in enumerate(parts):
        prefix += _describe(part)
        is_last = index == len(parts) - 1
        if part.cache_control is not None or (is_last and is_all_marked):
            prefixes.append(prefix)
    return prefixes


def _describe(part: Tool | TextBlock) -> str:
    if isinstance(part, TextBlock):
        return part.text
    kept = part.model_dump(exclude_none=True, exclude={"cache_control"})
    return orjson.dumps(kept).decode()


def _check_results(index: int, message: Message, expected: Sequence[str]) -> None:
    results = [block for block in message.content if isinstance(block, ToolResultBlock)]
    for position, block in enumerate(message.content):
        if isinstance(block, ToolResultBlock) and block.tool_use_id not in expected:
            raise AnthropicWireError(
                400,
                f"messages.{index}.content.{position}: unexpected `tool_use_id` found in "
                f"`tool_result` blocks: {block.tool_use_id}. Each `tool_result` block must have a "
                "corresponding `tool_use` block in the previous message.",
            )
    leading = message.content[: len(results)] if expected else results
    answered = [block.tool_use_id for block in leading if isinstance(block, ToolResultBlock)]
    _check_answered(index - 1, expected, answered)


def _check_answered(index: int, expected: Sequence[str], answered: Sequence[str]) -> None:
    if missing := [call_id for call_id in expected if call_id not in answered]:
        raise AnthropicWireError(
            400,
            f"messages.{index}: `tool_use` ids were found without `tool_result` blocks immediately "
            f"after: {', '.join(missing)}. Each `tool_use` block must have a corresponding "
            "`tool_result` block in the next message.",
        )


def _calls(message: Message) -> list[str]:
    return [block.id for block in message.content if isinstance(block, ToolUseBlock)]


def _tool_uses(messages: Sequence[Message]) -> list[ToolUseBlock]:
    blocks = [block for message in messages for block in message.content]
    return [block for block in blocks if isinstance(block, ToolUseBlock)]


def _offered_tools(request: MessagesRequest) -> tuple[SimTool, ...]:
    choice = request.tool_choice
    if choice is not None and choice.type == "none":
        return ()
    only = choice.name if choice is not None and choice.type == "tool" else None
    return tuple(
        SimTool(tool.name, tool.description or "", tool.input_schema)
        for tool in request.tools
        if only in (None, tool.name)
    )
