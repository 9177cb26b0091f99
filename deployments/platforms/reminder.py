"""What came before, for platforms that take one text and no turns."""

from collections.abc import Sequence

from routing.message import Message

_SPEAKERS = {"user": "User", "assistant": "Assistant"}


def reminded(text: str, earlier: Sequence[Message], room: int) -> str:
    """`text` after the latest of the earlier turns that fit into `room` characters, in their order."""
    lines: list[str] = []
    for message in reversed(earlier):
        line = f"{_SPEAKERS[message.role]}: {message.text.strip()}"
        room -= len(line)
        if room < 0:
            break
        if message.text.strip():
            lines.append(line)
    before = "\n".join(reversed(lines))
    return f"Earlier in this conversation:\n{before}\n\nNow:\n{text}" if before else text
