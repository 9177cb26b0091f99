"""Our words into those of an agent of Agent Engine, and its events back into a reply. Pure.

An agent takes a text and nothing else: it has its own instructions, tools and model. So the
system prompt, `max_tokens` and the temperature of a request are not sent; what changes the
form of the answer is refused. The events are those of Google's Agent Development Kit.
"""

from typing import cast

from pydantic import BaseModel

from deployments.platforms import errors
from deployments.platforms.reminder import reminded
from deployments.platforms.vendor_json import validated
from deployments.platforms.vertex.codec import FINISH_REASONS, VERTEX, UsageMetadata, text_of
from deployments.platforms.vertex.words import rpc_error
from routing.errors import ErrorKind, PlatformError
from routing.exchange import ChatReply, ChatRequest, FinishReason, Usage
from routing.message import Json, JsonObject, Message, images_of

CREATE_SESSION = "async_create_session"
STREAM_QUERY = "async_stream_query"

# Earlier turns are a reminder, not a transcript: an agent reads them as part of the question.
# Five turns of the length at which our own conversations are cut, some 5,000 tokens.
MAX_EARLIER = 20_000  # characters

_NEXT_MESSAGE = "\n\n"
# After these the agent's next step is still to come; pure text is for the user.
_STEPS = frozenset({"function_call", "function_response", "code_execution_result"})


def encode_question(
    request: ChatRequest, user_id: str, session_id: str, *, is_known: bool
) -> JsonObject:
    """The arguments of `STREAM_QUERY`; `is_known` is a session in which the rest was said.

    Raises:
        PlatformError: The request asks for what no agent can do.
    """
    return {
        "message": _text(request, is_known=is_known),
        "user_id": user_id,
        "session_id": session_id,
        # Without it an agent's step comes in one piece, when it is whole.
        "run_config": {"streaming_mode": "sse"},
    }


def check_question(request: ChatRequest) -> None:
    """Refuse what no agent can do, before anything is sent.

    Raises:
        PlatformError: The request has tools, a schema, images, or no question at its end.
    """
    if request.tools:
        raise _impossible("an agent calls its own tools and takes none of ours")
    if request.response_schema:
        raise _impossible("an agent answers in prose and takes no JSON schema")
    if images_of(request.messages):
        raise _impossible("an agent reads text and takes no images of ours")
    last = request.messages[-1] if request.messages else Message("user")
    if last.role != "user" or not last.text.strip():
        raise _impossible("the last message must be a user's, with a text")


def decode_session(output: Json) -> str:
    """The id of the session that `CREATE_SESSION` returned.

    Raises:
        PlatformError: It returned none.
    """
    return validated(VERTEX, _Session, output).id


class Turn:
    """An agent's answer to one question, folded from its events.

    A step of the agent comes in pieces (`partial`) and then once more as a whole; a step
    that only calls a tool is followed by another.
    """

    def __init__(self) -> None:
        self._said: list[str] = []
        self._pieces = ""
        self._usage = Usage()
        self._reason = FinishReason.STOP
        self._model = ""
        self._request_id: str | None = None
        self._is_over = False

    def feed(self, value: JsonObject) -> str:
        """The text this event adds to the answer, often none.

        Raises:
            PlatformError: The event reports a failure, or is not what an agent says.
        """
        event = validated(VERTEX, _Event, value)
        self._model = event.model_version or self._model
        self._request_id = event.invocation_id or self._request_id
        why = self._stopped(event) if event.error_code else ""
        parts = cast("list[JsonObject]", (event.content and event.content.parts) or [])
        text = "".join(map(text_of, parts))
        if event.partial:
            self._is_over = False
            return self._piece(text)
        if event.usage_metadata:
            self._usage += event.usage_metadata.neutral()  # each step is a call of a model
        if event.finish_reason and FINISH_REASONS.get(event.finish_reason):
            self._reason = FINISH_REASONS[event.finish_reason]
        if parts:
            self._is_over = not any(_STEPS & part.keys() for part in parts)
        return self._whole(text or why)

    def reply(self, model: str) -> ChatReply:
        """The whole answer; `model` is its model's name where the agent does not tell.

        Raises:
            PlatformError: The events ended in the middle, or nothing was said.
        """
        text = "".join(self._said)
        if not self._is_over:
            detail = "the events ended before the agent's last step"
            raise PlatformError(VERTEX, ErrorKind.STREAM_TRUNCATED, detail)
        if not text and self._reason is FinishReason.STOP:
            raise errors.bad_reply(VERTEX, "the agent's turn ended without a word")
        return ChatReply(
            text, self._reason, self._usage, self._model or model, request_id=self._request_id
        )

    def _piece(self, text: str) -> str:
        added = self._add(text, is_new=not self._pieces)
        self._pieces += text
        return added

    def _whole(self, text: str) -> str:
        pieces, self._pieces = self._pieces, ""
        if pieces and text.startswith(pieces):
            return self._add(text[len(pieces) :], is_new=False)
        # Where a step says otherwise than its pieces, both stand: the pieces were read.
        return self._add(text, is_new=True)

    def _add(self, text: str, *, is_new: bool) -> str:
        added = _NEXT_MESSAGE + text if text and is_new and self._said else text
        if added:
            self._said.append(added)
        return added

    def _stopped(self, event: "_Event") -> str:
        """Why the answer was stopped, for the user; a failure is raised."""
        reason = FINISH_REASONS.get(event.error_code or "")
        if reason is None:
            error = {"status": event.error_code, "message": event.error_message}
            raise rpc_error(VERTEX, error)
        self._reason = reason
        self._is_over = True
        return event.error_message or ""


class _Session(BaseModel):
    id: str


class _Content(BaseModel):
    parts: list[dict[str, object]] | None = None


class _Event(BaseModel):
    content: _Content | None = None
    partial: bool | None = None
    usage_metadata: UsageMetadata | None = None
    finish_reason: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    invocation_id: str | None = None
    model_version: str | None = None


def _text(request: ChatRequest, *, is_known: bool) -> str:
    *earlier, last = request.messages
    return last.text if is_known else reminded(last.text, earlier, MAX_EARLIER)


def _impossible(detail: str) -> PlatformError:
    return PlatformError(VERTEX, ErrorKind.INVALID_REQUEST, f"Agent Engine: {detail}")
