"""What a tool answered, bounded and labelled before a model or a client sees it: pure.

Words that others wrote reach a model as data: cleaned of characters that hide text, and between
marks that say where they come from. It does not make them harmless, so it is only one of several
fences; the rules for tainted conversations are in `policy`.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from mcp import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    GetPromptResult,
    ImageContent,
    PromptMessage,
    ReadResourceResult,
    ResourceLink,
    TextContent,
    TextResourceContents,
)

from deployments.mcp_gateway.tool import Tool, ToolOutcome, Trust
from routing.message import Json

# 64 KiB, about 16,000 tokens: a tool that answers more has been asked too broadly, and every
# character is paid for again with every further call of the conversation.
RESULT_MAX = 64 * 1024
# 1 MiB of text, or of base64: a client reads a resource for a human as well as for a model.
READ_MAX = 1024 * 1024
CUT = "\n[cut: the answer was longer than {limit} characters; ask for less]"
DROPPED = "[left out: {what} larger than what an answer may hold]"

# Control characters, soft hyphen, zero-width and direction marks, interlinear marks, variation
# selectors' supplement and tag characters: they carry text that no human reviewing it sees.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
_MARK = re.compile(r"<(?=/?untrusted)", re.IGNORECASE)


def contain(tool: Tool, result: CallToolResult) -> ToolOutcome:
    """The answer within bounds; what others wrote between marks."""
    untrusted = tool.trust == "untrusted"
    structured: Json = result.structured_content
    if len(json.dumps(structured, default=str)) > RESULT_MAX:
        if tool.output_schema is not None:
            return failed(tool, CUT.format(limit=RESULT_MAX).strip())
        structured = None
    if untrusted:
        structured = _cleaned(structured)
    content = tuple(_bounded(result.content, untrusted=untrusted))
    text = "\n".join(_readable(content))
    if untrusted:
        text = label(tool.name, text)
        content = tuple(_labelled(tool.name, block) for block in content)
    return ToolOutcome(text, structured, result.is_error, tool.trust, tool.name, content=content)


def failed(tool: Tool, why: str) -> ToolOutcome:
    """The outcome of a call that came to nothing, in our own words."""
    own: Trust = "own"
    block = TextContent(text=why)
    return ToolOutcome(why, None, True, own, tool.name, content=(block,))


def contain_read(server: str, trust: Trust, result: ReadResourceResult) -> ReadResourceResult:
    """What was read, if it is within bounds; text that others wrote between marks.

    Raises:
        MCPError: it is too large to be given to anybody.
    """
    size = sum(
        len(held.text if isinstance(held, TextResourceContents) else held.blob)
        for held in result.contents
    )
    if size > READ_MAX:
        raise MCPError(INTERNAL_ERROR, f"The resource is larger than {READ_MAX} characters.")
    if trust == "own":
        return result
    return ReadResourceResult(contents=[_marked(server, held) for held in result.contents])


def contain_prompt(server: str, trust: Trust, result: GetPromptResult) -> GetPromptResult:
    """A prompt; what others wrote in it between marks, and in the user's name, never in ours."""
    if trust == "own":
        return result
    messages = [
        PromptMessage(role="user", content=_labelled(server, _bare(message.content)))
        for message in result.messages
    ]
    return GetPromptResult(messages=messages)


def clean(text: str) -> str:
    """The text without characters that hide other text."""
    return _HIDDEN.sub("", text)


def label(source: str, text: str) -> str:
    """The text between marks which it cannot end itself."""
    return f'<untrusted source="{source}">\n{_MARK.sub("&lt;", text)}\n</untrusted>'


def _bounded(blocks: Iterable[ContentBlock], *, untrusted: bool) -> Iterator[ContentBlock]:
    left = RESULT_MAX
    for block in blocks:
        if isinstance(block, TextContent):
            text = clean(block.text) if untrusted else block.text
            if len(text) > left:
                yield TextContent(text=text[:left] + CUT.format(limit=RESULT_MAX))
                return
            left -= len(text)
            # What others wrote beside the text (annotations, _meta) is theirs to keep.
            yield TextContent(text=text) if untrusted else block
            continue
        size = _size(block)
        if size > left:
            yield TextContent(text=DROPPED.format(what=block.type))
            continue
        left -= size
        yield block


def _size(block: ContentBlock) -> int:
    match block:
        case ImageContent() | AudioContent():
            return len(block.data)
        case EmbeddedResource():
            held = block.resource
            return len(held.text if isinstance(held, TextResourceContents) else held.blob)
        case ResourceLink():
            return len(block.uri) + len(block.description or "")
        case TextContent():
            return len(block.text)


def _readable(blocks: Iterable[ContentBlock]) -> Iterator[str]:
    """What a model that reads only text is shown of each block."""
    for block in blocks:
        match block:
            case TextContent():
                yield block.text
            case EmbeddedResource(resource=TextResourceContents() as held):
                yield held.text
            case ResourceLink():
                yield f"{block.title or block.name}: {block.uri}"
            case _:
                yield f"[{block.type}]"


def _labelled(source: str, block: ContentBlock) -> ContentBlock:
    match block:
        case TextContent():
            return TextContent(text=label(source, block.text))
        case EmbeddedResource():
            return EmbeddedResource(resource=_marked(source, block.resource))
        case _:
            return block


def _bare(block: ContentBlock) -> ContentBlock:
    return TextContent(text=clean(block.text)) if isinstance(block, TextContent) else block


def _marked(
    source: str, held: TextResourceContents | BlobResourceContents
) -> TextResourceContents | BlobResourceContents:
    if isinstance(held, BlobResourceContents):
        return BlobResourceContents(uri=held.uri, blob=held.blob, mime_type=held.mime_type)
    text = label(source, clean(held.text))
    return TextResourceContents(uri=held.uri, text=text, mime_type=held.mime_type)


def _cleaned(data: Json) -> Json:
    match data:
        case str():
            return clean(data)
        case Mapping():
            return {clean(key): _cleaned(value) for key, value in data.items()}
        case Sequence():
            return [_cleaned(value) for value in data]
        case _:
            return data
