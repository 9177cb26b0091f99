"""One turn of an agent: activities folded into the text they say, and whether it is over. Pure."""

from dataclasses import dataclass
from typing import cast

from deployments.platforms import errors
from deployments.platforms.copilot.codec import Activity
from deployments.platforms.copilot.handoff import read_handoff
from deployments.platforms.copilot.threads import Place
from deployments.platforms.copilot.words import COPILOT, spoken_error
from routing.errors import ErrorKind, PlatformError
from routing.exchange import ChatReply, FinishReason, Usage
from routing.message import Json, ProviderState

HANDOFF = "handoff.initiate"
_NEXT_MESSAGE = "\n\n"
_SIGN_IN = ("card.oauth", "card.signin")


@dataclass(frozen=True, slots=True)
class Saying:
    """What to say: `more` in the conversation that stands at `place`, `whole` in a new one."""

    whole: str
    more: str = ""
    place: Place | None = None


class Turn:
    """What an agent answers to one text of ours.

    `user_id` and `marker` are how our own text is known when it comes back, `bot_id` how the
    agent is where it does not say its role. With `is_echoed`, nothing that comes before our
    own text is part of the answer: it is the agent's greeting. `place` is where the
    conversation stands after a turn that was heard to its end, None where it cannot be gone on
    with.
    """

    def __init__(
        self, user_id: str, marker: str, *, bot_id: str = "", is_echoed: bool = False
    ) -> None:
        self.user_id = user_id
        self.marker = marker
        self.conversation_id = ""
        self.place: Place | None = None
        self._bot_id = bot_id
        self._is_echoed = is_echoed
        self._has_begun = False
        self._asked: str | None = None
        self._seen: set[tuple[str, str]] = set()
        self._said: list[str] = []
        self._live: str | None = None
        self._live_id: object = None
        self._handoff: Json = None
        self._is_handed_off = False
        self._is_over = False
        self._has_ended = False

    @property
    def may_continue(self) -> bool:
        """The next turn can go on in this conversation: nobody has ended it or taken it over."""
        return not (self._is_handed_off or self._has_ended)

    @property
    def is_over(self) -> bool:
        """The agent has said that it is the user's turn now."""
        return self._is_over

    @property
    def may_be_over(self) -> bool:
        """It has said something whole; whether more comes, only waiting tells."""
        return self._live is None and (bool(self._said) or self._is_handed_off)

    @property
    def has_spoken(self) -> bool:
        """Something was said that cannot be taken back."""
        return bool(self._said)

    def begin(self, conversation_id: str) -> None:
        """Everything from now on is said in this conversation."""
        self.conversation_id = conversation_id
        self._has_begun = not self._is_echoed
        self._asked = None

    def asked(self, activity_id: str) -> None:
        """Our text was taken under this id."""
        self._has_begun = True
        self._asked = self._asked or activity_id or None

    def feed(self, activity: Activity) -> str:
        """The text this activity adds to the answer, mostly none.

        Raises:
            PlatformError: The agent reports a failure, or wants the user to sign in.
        """
        if self._is_ours(activity):
            self.asked(activity.id or "")
            return ""
        if not self._belongs(activity):
            return ""
        match activity.type:
            case "typing":
                return self._say(self._typed(activity))
            case "message":
                return self._say(self._message(activity))
            case "event" if activity.name == HANDOFF:
                self._hand_off(activity)
            case "handoff":
                self._hand_off(activity)
            case "endOfConversation":
                self._is_over = self._has_ended = True
            case _:
                pass  # traces, reactions, events for a web page: not addressed to a reader
        return ""

    def reply(self, model: str) -> ChatReply:
        """The whole answer.

        Raises:
            PlatformError: Nothing was said.
        """
        text = "".join(self._said)
        if not text and not self._is_handed_off:
            raise errors.bad_reply(COPILOT, "the agent's turn ended without a word")
        state = {"type": "event", "name": HANDOFF, "value": self._handoff}
        return ChatReply(
            text=text,
            finish_reason=FinishReason.HANDOFF if self._is_handed_off else FinishReason.STOP,
            usage=Usage(),  # Copilot Studio counts messages, not tokens
            model=model,
            request_id=self.conversation_id or None,
            provider_state=ProviderState(COPILOT, (state,)) if self._is_handed_off else None,
            handoff=read_handoff(self._handoff) if self._is_handed_off else None,
        )

    def _is_ours(self, activity: Activity) -> bool:
        # A token may carry another user id than the one we sent; then the mark tells.
        sender = activity.sender
        return sender.id == self.user_id or sender.role == "user" or activity.marker == self.marker

    def _belongs(self, activity: Activity) -> bool:
        if not self._has_begun:
            return False
        if self._asked and activity.reply_to and activity.reply_to != self._asked:
            return False
        sender = activity.sender
        if sender.role != "bot" and self._bot_id and sender.id != self._bot_id:
            return False
        if activity.type == "typing" or activity.id is None:
            return True
        # After a reconnection what was there already may come again.
        is_new = (activity.type, activity.id) not in self._seen
        self._seen.add((activity.type, activity.id))
        return is_new

    def _typed(self, activity: Activity) -> str:
        stream, text = activity.stream, activity.text or ""
        if stream.get("streamType") != "streaming" or not text:
            return ""  # a sign of life, or a word about what it is doing
        stream_id = stream.get("streamId") or ""
        if self._live is None:
            self._live, self._live_id = "", stream_id
        elif stream_id != self._live_id:
            return ""  # a second stream beside the first: its last message says it all
        before = self._live
        if stream.get("chunkType") == "delta":
            self._live += text
        elif text.startswith(before):
            self._live = text
        return self._after_a_break(before, self._live[len(before) :])

    def _message(self, activity: Activity) -> str:
        if failed := spoken_error(activity.text or ""):
            raise failed
        for attachment in activity.attachments or ():
            if attachment.content_type.endswith(_SIGN_IN):
                detail = "the agent wants the user to sign in"
                raise PlatformError(COPILOT, ErrorKind.CREDENTIALS, detail)
        self._is_over = self._is_over or activity.input_hint == "expectingInput"
        before, self._live = self._live or "", None
        text = activity.text or activity.speak or ""
        if before and text.startswith(before):
            return text[len(before) :]
        # Where the last message says otherwise than its stream, both stand: the stream was read.
        return self._after_a_break("", text)

    def _after_a_break(self, before: str, new: str) -> str:
        return _NEXT_MESSAGE + new if new and self._said and not before else new

    def _say(self, new: str) -> str:
        if new:
            self._said.append(new)
        return new

    def _hand_off(self, activity: Activity) -> None:
        self._is_handed_off = True
        self._handoff = cast("Json", activity.value)
