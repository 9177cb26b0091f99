"""Our words into those of an agent of Copilot Studio, and its activities back. Pure.

An agent takes a text and nothing else: it has its own instructions, knowledge and actions,
and chooses its model itself. So the system prompt, `max_tokens` and the temperature of a
request are not sent; what changes the form of the answer is refused.
"""

from collections.abc import Sequence

from pydantic import BaseModel, Field

from deployments.platforms.copilot.words import COPILOT
from deployments.platforms.reminder import reminded
from deployments.platforms.vendor_json import object_in, text_in, validated
from routing.errors import ErrorKind, PlatformError
from routing.exchange import ChatRequest
from routing.message import Json, JsonObject, Message, images_of

# Direct Line refuses an activity of more than 256 KB; some of it is for the envelope.
MAX_TEXT = 250_000  # bytes
# Earlier turns are a reminder, not a transcript: an agent reads them as part of the question.
MAX_EARLIER = 4_000  # characters


def encode_text(request: ChatRequest, heard: str = "") -> str:
    """What to say to the agent: the last user message, after a reminder of what came before.

    An agent that remembers the conversation up to its answer that begins with `heard` is
    reminded only of what others have said since.

    Raises:
        PlatformError: The request asks for what no agent can do.
    """
    if request.tools:
        raise _impossible("an agent calls its own actions and takes no tools of ours")
    if request.response_schema:
        raise _impossible("an agent answers in prose and takes no JSON schema")
    if images_of(request.messages):
        raise _impossible("an agent reads text and takes no images of ours")
    *earlier, last = request.messages or (Message("user"),)
    if last.role != "user" or not last.text.strip():
        raise _impossible("the last message must be a user's, with a text")
    text = reminded(last.text, _since(earlier, heard) if heard else earlier, MAX_EARLIER)
    if len(text.encode()) > MAX_TEXT:
        detail = f"an agent takes at most {MAX_TEXT} bytes of text at a time"
        raise PlatformError(COPILOT, ErrorKind.CONTEXT_TOO_LONG, detail)
    return text


def _since(earlier: Sequence[Message], heard: str) -> Sequence[Message]:
    """What came after the answer that begins with `heard`; everything where it is not there."""
    for index, message in reversed(list(enumerate(earlier))):
        if message.role == "assistant" and message.text[: len(heard)] == heard:
            return earlier[index + 1 :]
    return earlier


def message_activity(text: str, user_id: str, marker: str) -> dict[str, Json]:
    """The activity that says `text`; `marker` comes back with its echo."""
    return {
        "type": "message",
        "from": {"id": user_id, "role": "user"},
        "text": text,
        "textFormat": "plain",
        "channelData": {"clientActivityID": marker},
    }


class _Account(BaseModel):
    id: str = ""
    role: str | None = None


class _Attachment(BaseModel):
    content_type: str = Field(default="", alias="contentType")


class Activity(BaseModel):
    """One activity, as far as a turn depends on it."""

    type: str
    id: str | None = None
    sender: _Account = Field(default_factory=_Account, alias="from")
    reply_to: str | None = Field(default=None, alias="replyToId")
    text: str | None = None
    speak: str | None = None
    name: str | None = None
    value: object = None
    input_hint: str | None = Field(default=None, alias="inputHint")
    entities: list[dict[str, object]] | None = None
    channel_data: dict[str, object] | None = Field(default=None, alias="channelData")
    attachments: list[_Attachment] | None = None

    @property
    def marker(self) -> str:
        """The mark a client put on it."""
        return str((self.channel_data or {}).get("clientActivityID") or "")

    @property
    def stream(self) -> dict[str, object]:
        """Where it stands in a streamed answer; the two wires say so in two places."""
        found = next((one for one in self.entities or () if one.get("type") == "streaminfo"), {})
        return {**found, **(self.channel_data or {})}


class ActivitySet(BaseModel):
    """What one poll or one frame of a socket brings."""

    activities: list[Activity] = Field(default_factory=list)
    watermark: str | int | None = None


def decode_activity(value: JsonObject) -> Activity:
    """An activity.

    Raises:
        PlatformError: It is not what the protocol promises.
    """
    return validated(COPILOT, Activity, value)


def decode_set(value: JsonObject) -> ActivitySet:
    """A set of activities; one that holds none is a kind we need not know.

    Raises:
        PlatformError: It is not what the protocol promises.
    """
    return validated(COPILOT, ActivitySet, value)


def conversation_of(value: JsonObject) -> str:
    """The conversation an activity or an answer belongs to, or ""."""
    return text_in(value, "conversationId") or text_in(object_in(value, "conversation"), "id")


def _impossible(detail: str) -> PlatformError:
    return PlatformError(COPILOT, ErrorKind.INVALID_REQUEST, f"Copilot Studio: {detail}")
