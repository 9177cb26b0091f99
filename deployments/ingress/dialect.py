"""What a vendor's own route has to say differently: reading its body, writing its answer.

`compatible.py` runs every dialect down the same road; a dialect itself calls nobody.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from routing.exchange import ChatReply, ChatRequest
from routing.message import Message, ToolSpec

_Body_contra = TypeVar("_Body_contra", contravariant=True)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A vendor's body in our words; `model` is still the caller's word for who is asked."""

    model: str
    request: ChatRequest
    stream: bool = False
    end_user: str | None = None


@dataclass(frozen=True, slots=True)
class Earlier:
    """What was said before a body: with the operator's authority, and by the two sides.

    It is not `whole` where a vendor keeps it: then calls of it may be answered unseen.
    """

    system: tuple[str, ...] = ()
    messages: tuple[Message, ...] = ()
    whole: bool = True


NOTHING = Earlier()


@dataclass(frozen=True, slots=True)
class Stamp:
    """What every piece of one answer carries. `id` has no prefix: each dialect has its own."""

    id: str
    model: str
    created: int


class Writer(Protocol):
    """One stream in the making: `begin`, then texts, then exactly one of `end` and `fail`."""

    def begin(self) -> bytes:
        """The events before the first text."""
        ...

    def text(self, more: str) -> bytes:
        """More text."""
        ...

    def end(self, reply: ChatReply) -> bytes:
        """What was not said yet, tool calls among it, and the end of an answer that is whole."""
        ...

    def fail(self, error: Exception) -> bytes:
        """The end of one that is not, which no client can take for the other."""
        ...


class Dialect(Protocol[_Body_contra]):
    """One vendor's route."""

    def read(self, body: _Body_contra, max_tokens: int, tools: tuple[ToolSpec, ...] = ()) -> Wanted:
        """What `body` asks for; `max_tokens` is for a caller who does not say.

        `tools` are there whatever the body says; one of its own by the same name is not.

        Raises:
            RequestError: something in it cannot be honoured.
        """
        ...

    def whole(self, body: _Body_contra, stamp: Stamp, reply: ChatReply) -> Mapping[str, object]:
        """The JSON answer."""
        ...

    def writer(self, body: _Body_contra, stamp: Stamp) -> Writer:
        """The same as a stream."""
        ...
