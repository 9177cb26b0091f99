"""One Direct Line 3.0 conversation: its token, kept fresh, and the requests made with it."""

import asyncio
from dataclasses import dataclass, field

from pydantic import BaseModel, Field
from yarl import URL

from deployments.platforms import errors
from deployments.platforms.copilot.caller import Caller, Method
from deployments.platforms.copilot.codec import ActivitySet, decode_set
from deployments.platforms.copilot.threads import Place
from deployments.platforms.copilot.words import COPILOT, is_expired
from deployments.platforms.vendor_json import text_in, validated
from routing.errors import PlatformError
from routing.message import JsonObject

TOKEN_LIFE_S = 1_800.0  # where the service does not say; its documentation shows half an hour
REFRESH_BEFORE_S = 60.0  # a turn that began in time also ends in time


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach a bot over Direct Line: with its secret, or with tokens from an endpoint."""

    root: URL
    secret: str = field(default="", repr=False)
    token_endpoint: URL | None = None
    refresh_before_s: float = REFRESH_BEFORE_S


class _Opened(BaseModel):
    conversation_id: str = Field(default="", alias="conversationId")
    token: str = ""
    expires_in: float | None = None
    stream_url: str = Field(default="", alias="streamUrl")


class Conversation:
    """An open conversation. `stream_url` is where a WebSocket gets what is said, "" if nowhere."""

    def __init__(self, caller: Caller, access: Access, opened: _Opened) -> None:
        self._caller = caller
        self._access = access
        self.id = opened.conversation_id
        self.stream_url = opened.stream_url
        self._token = ""
        self._refresh_at = 0.0
        self._accept(opened)
        self._here = access.root / "conversations" / self.id

    @staticmethod
    async def open(caller: Caller, access: Access) -> "Conversation":
        """A new conversation.

        A secret opens one by itself and gets a token for it in the answer, which is one round
        trip less than asking for the token first.

        Raises:
            PlatformError: It was refused.
        """
        token = access.secret
        if access.token_endpoint is not None:
            token = text_in(await caller.ask("GET", access.token_endpoint, ""), "token")
        opened = await caller.ask("POST", access.root / "conversations", token)
        made = validated(COPILOT, _Opened, {"token": token, **opened})
        if not made.conversation_id:
            raise errors.bad_reply(COPILOT, "a conversation without an id")
        return Conversation(caller, access, made)

    @staticmethod
    async def resume(caller: Caller, access: Access, place: Place) -> "Conversation":
        """The conversation that stands at `place`, with a fresh token and address.

        Raises:
            PlatformError: It is gone (404), or can be opened no more (401, 403).
        """
        # A secret opens any conversation of its bot; a token ends with the silence it was left in.
        has_secret = access.secret and access.token_endpoint is None
        token = access.secret if has_secret else place.token
        here = access.root / "conversations" / place.conversation_id
        opened = await caller.ask("GET", _after(here, place.watermark), token)
        known = {"token": place.token, **opened, "conversationId": place.conversation_id}
        return Conversation(caller, access, validated(COPILOT, _Opened, known))

    def place(self, watermark: str) -> Place:
        """Where it stands when it was heard as far as `watermark`."""
        return Place(self.id, watermark, self._token)

    async def post(self, activity: JsonObject) -> str:
        """Say something; the id under which it was taken.

        Raises:
            PlatformError: The bot failed, or the conversation is gone (404).
        """
        answer = await self._ask("POST", self._here / "activities", activity)
        return text_in(answer, "id")

    async def activities(self, watermark: str) -> ActivitySet:
        """What was said after `watermark`; everything when it is ""."""
        return decode_set(await self._ask("GET", _after(self._here / "activities", watermark)))

    async def reconnect(self, watermark: str) -> str:
        """A fresh address for a WebSocket, which first repeats what came after `watermark`."""
        opened = await self._ask("GET", _after(self._here, watermark))
        self._accept(validated(COPILOT, _Opened, opened))
        return self.stream_url

    async def _ask(self, method: Method, url: URL, body: JsonObject | None = None) -> JsonObject:
        if _now() >= self._refresh_at:
            await self._refresh()
        try:
            return await self._caller.ask(method, url, self._token, body)
        except PlatformError as error:
            if not is_expired(error):
                raise
        # Refused before anything was done, so it may be asked again.
        await self._renew()
        return await self._caller.ask(method, url, self._token, body)

    async def _refresh(self) -> None:
        """A longer life for a token that still lives."""
        url = self._access.root / "tokens" / "refresh"
        self._accept(validated(COPILOT, _Opened, await self._caller.ask("POST", url, self._token)))

    async def _renew(self) -> None:
        """A new token for an expired one, which only the secret can ask for."""
        if not self._access.secret or self._access.token_endpoint is not None:
            await self._refresh()
            return
        opened = await self._caller.ask("GET", self._here, self._access.secret)
        self._accept(validated(COPILOT, _Opened, opened))

    def _accept(self, opened: _Opened) -> None:
        self._token = opened.token or self._token
        self.stream_url = opened.stream_url or self.stream_url
        life_s = TOKEN_LIFE_S if opened.expires_in is None else opened.expires_in
        self._refresh_at = _now() + life_s - self._access.refresh_before_s


def _after(url: URL, watermark: str) -> URL:
    return url.update_query(watermark=watermark) if watermark else url


def _now() -> float:
    return asyncio.get_running_loop().time()
