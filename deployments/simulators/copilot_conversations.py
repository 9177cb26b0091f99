"""Direct Line's state in a simulator: conversations, their tokens, and who listens to them."""

import secrets
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import anyio
import orjson

from deployments.simulators.copilot_errors import CopilotWireError
from deployments.simulators.exchange import mint
from deployments.simulators.journal import Entry

Json: TypeAlias = Mapping[str, object]

MAX_CONVERSATIONS = 500  # the oldest is forgotten, and is then gone as one that has expired
MAX_TOKENS = 4 * MAX_CONVERSATIONS
MAX_SAID = 10_000  # activities in one conversation, and frames that wait for one listener


@dataclass(slots=True)
class Listener:
    """One open WebSocket: frames which wait to be sent, then perhaps a reason to close."""

    frames: list[bytes] = field(default_factory=list)
    hang_up: int | None = None
    news: anyio.Event = field(default_factory=anyio.Event)

    def tell(self, frame: bytes) -> None:
        """Hand it a frame; one which has not read for long gets no more."""
        if len(self.frames) < MAX_SAID:
            self.frames.append(frame)
        self.news.set()

    def close(self, code: int) -> None:
        """Hang up, after what was told before."""
        self.hang_up = code
        self.news.set()

    async def next(self) -> list[bytes]:
        """Wait for frames, or for a reason to close, and take them."""
        await self.news.wait()
        self.news = anyio.Event()
        frames, self.frames = self.frames, []
        return frames


@dataclass(slots=True)
class SimConversation:
    """What was said, except typing; who listens now; and the request whose turn it is."""

    id: str
    said: list[Json] = field(default_factory=list)
    listener: Listener | None = None
    turn: Entry | None = None

    @property
    def watermark(self) -> str:
        """How far a client has read when it has read everything: opaque to clients."""
        return f"w-{len(self.said)}"

    def next_id(self) -> str:
        """Return the id of what is said next."""
        return f"{self.id}|{len(self.said):07d}"

    def since(self, watermark: str | None) -> list[Json]:
        """Return what was said after a watermark, everything without one.

        Raises:
            CopilotWireError: It is no watermark.
        """
        try:
            return self.said[int((watermark or "0").rpartition("-")[2]) :]
        except ValueError:
            raise CopilotWireError(400, "Invalid watermark") from None

    def say(self, activity: Json) -> None:
        """Keep an activity, unless it is typing, and tell whoever listens."""
        if activity["type"] != "typing":
            self.said.append(activity)
        self.tell_set([activity])

    def tell_set(self, activities: Sequence[Json]) -> None:
        """Tell the listener, and keep nothing."""
        self.tell(orjson.dumps({"activities": activities, "watermark": self.watermark}))

    def tell(self, frame: bytes) -> None:
        """Send the listener a frame."""
        if self.listener is not None:
            self.listener.tell(frame)

    def hang_up(self, code: int) -> None:
        """Close the listener's line."""
        if self.listener is not None:
            self.listener.close(code)
            self.listener = None

    def left(self, listener: Listener) -> None:
        """A listener has hung up: nobody waits for the turn any more."""
        if self.listener is not listener:
            return
        self.listener = None
        if self.turn is not None and not self.turn.ended.is_set():
            self.turn.cancelled = True
            self.turn.ended.set()


class Conversations:
    """All conversations of the process, and the tokens which open one of them each."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, SimConversation] = OrderedDict()
        self._tokens: OrderedDict[str, str] = OrderedDict()

    def start(self, conversation_id: str | None = None) -> SimConversation:
        """Open a conversation, or return the one which has this id."""
        found = self._open.get(conversation_id or "")
        if found is None:
            found = SimConversation(conversation_id or mint("conv_"))
            self._open[found.id] = found
            if len(self._open) > MAX_CONVERSATIONS:
                self._open.popitem(last=False)
        return found

    def find(self, conversation_id: str) -> SimConversation:
        """Return a conversation in which there is room for more.

        Raises:
            CopilotWireError: It is not there, or not any more.
        """
        found = self._open.get(conversation_id)
        if found is None or len(found.said) >= MAX_SAID:
            raise CopilotWireError(404, "Conversation not found")
        return found

    def new_token(self, conversation_id: str) -> str:
        """Return a token for one conversation."""
        token = f"sim.{secrets.token_urlsafe(24)}"
        self._tokens[token] = conversation_id
        if len(self._tokens) > MAX_TOKENS:
            self._tokens.popitem(last=False)
        return token

    def conversation_of(self, token: str) -> str | None:
        """Return the conversation a token is for, None where there is no such token."""
        return self._tokens.get(token)
