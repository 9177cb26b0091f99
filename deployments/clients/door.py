"""The way into a running SupportMax from a script beside it: where it is, with which key, and how."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncGenerator, Generator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx2
import orjson
from typing_extensions import override

from deployments.clients.answer import Answer, Done, Event, read_answer, read_event
from deployments.clients.call import Call, problem_of, read_object
from deployments.clients.problem import Problem
from deployments.clients.question import AsyncDoor, Question

ADDRESS = "http://127.0.0.1:8000"
_HOME = ".supportmax"
_ADMIN_KEY = "admin.key"
# SupportMax itself gives up after two minutes (routing.max_deadline_s), and says so.
ANSWER_S = 130.0
_CHAT = "/v3/chat"


def address_and_key() -> tuple[str, str]:
    """Where SupportMax is and what to show it, from the environment.

    The address is `SUPPORTMAX_URL`, without its last slash, else `http://127.0.0.1:8000`. The
    key is `SUPPORTMAX_API_KEY`, or stands in the file that `SUPPORTMAX_API_KEY_FILE` names, or
    in `admin.key` in `SUPPORTMAX_HOME`, which is `.supportmax` in the current folder unless set.

    Raises:
        Problem: `no_key`; it says where a key was looked for.
    """
    address = os.environ.get("SUPPORTMAX_URL", "").strip().rstrip("/") or ADDRESS
    return address, _key()


def _key() -> str:
    if key := os.environ.get("SUPPORTMAX_API_KEY", "").strip():
        return key
    named = os.environ.get("SUPPORTMAX_API_KEY_FILE", "").strip()
    home = os.environ.get("SUPPORTMAX_HOME", "").strip() or _HOME
    path = Path(named) if named else Path(home) / _ADMIN_KEY
    try:
        key = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        detail = (
            f"There is no key in {path.absolute()} ({type(error).__name__}); set "
            "SUPPORTMAX_API_KEY, or SUPPORTMAX_API_KEY_FILE to the path of a file that holds it."
        )
        raise Problem("no_key", detail) from error
    if not key:
        raise Problem("no_key", f"{path.absolute()} is empty; it should hold an API key.")
    return key


class Door(AsyncDoor):
    """SupportMax over HTTP, for threads (`ask`) and for event loops (`aask`).

    Address and key are the environment's, unless given. Every request has a connection of its
    own: there is nothing to close, and nothing that belongs to an event loop which has ended.
    A JSON request survives a connection that breaks once, and is answered once all the same; a
    stream is tried again only where it was not sent. Nothing takes longer than `timeout_s`.
    """

    def __init__(
        self, address: str | None = None, key: str | None = None, timeout_s: float = ANSWER_S
    ) -> None:
        if address is None or key is None:
            found = address_and_key()
            address, key = address or found[0], key or found[1]
        self._address = address.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._timeout_s = timeout_s

    def ask(self, question: Question) -> Answer:
        """The whole answer.

        Raises:
            Problem: there is none.
        """
        return read_answer(self.send("POST", _CHAT, question.body(stream=False), is_once=True))

    @override
    async def aask(self, question: Question) -> Answer:
        body = question.body(stream=False)
        return read_answer(await self.asend("POST", _CHAT, body, is_once=True))

    def stream(self, question: Question) -> Generator[Event]:
        """What happens, as it happens; `Done` is the last event.

        Raises:
            Problem: there is no answer, or no whole one.
        """
        call = self._call("POST", _CHAT)
        content = orjson.dumps(question.body(stream=True))
        with self._client() as client, contextlib.ExitStack() as opened:
            response: httpx2.Response | None = None
            while response is None:
                sending = client.stream(
                    call.method, call.url, content=content, timeout=call.timeout()
                )
                try:
                    response = opened.enter_context(sending)
                except httpx2.TransportError as error:
                    # Before the one other try: nothing says when a network is back.
                    time.sleep(call.failed(error))
            if not response.is_success:
                response.read()
                raise problem_of(response)
            with _Events(call) as events:
                for line in response.iter_lines():
                    if (event := events.feed(line)) is not None:
                        yield event
                        if events.is_over:
                            return

    @override
    async def astream(self, question: Question) -> AsyncGenerator[Event, None]:
        call = self._call("POST", _CHAT)
        content = orjson.dumps(question.body(stream=True))
        async with self._aclient() as client, contextlib.AsyncExitStack() as opened:
            response: httpx2.Response | None = None
            while response is None:
                sending = client.stream(
                    call.method, call.url, content=content, timeout=call.timeout()
                )
                try:
                    response = await opened.enter_async_context(sending)
                except httpx2.TransportError as error:
                    # Before the one other try: nothing says when a network is back.
                    await asyncio.sleep(call.failed(error))
            if not response.is_success:
                await response.aread()
                raise problem_of(response)
            with _Events(call) as events:
                async for line in response.aiter_lines():
                    if (event := events.feed(line)) is not None:
                        yield event
                        if events.is_over:
                            return

    def send(
        self, method: str, path: str, body: object = None, *, is_once: bool = False
    ) -> Mapping[str, object]:
        """The JSON object that a route answers with; `is_once` where it takes an Idempotency-Key.

        Raises:
            Problem: it answers with a problem, or not at all.
        """
        call = self._call(method, path, is_once=is_once)
        content = None if body is None else orjson.dumps(body)
        with self._client() as client:
            while True:
                try:
                    response = client.request(
                        method,
                        call.url,
                        content=content,
                        headers=call.headers,
                        timeout=call.timeout(),
                    )
                    pause_s = call.replied(response)
                except httpx2.TransportError as error:
                    pause_s = call.failed(error)
                else:
                    if pause_s is None:
                        return read_object(response)
                # The network's pause, or the seconds that the answer under way asks for.
                time.sleep(pause_s)

    async def asend(
        self, method: str, path: str, body: object = None, *, is_once: bool = False
    ) -> Mapping[str, object]:
        """The same in an event loop."""
        call = self._call(method, path, is_once=is_once)
        content = None if body is None else orjson.dumps(body)
        async with self._aclient() as client:
            while True:
                try:
                    response = await client.request(
                        method,
                        call.url,
                        content=content,
                        headers=call.headers,
                        timeout=call.timeout(),
                    )
                    pause_s = call.replied(response)
                except httpx2.TransportError as error:
                    pause_s = call.failed(error)
                else:
                    if pause_s is None:
                        return read_object(response)
                # The network's pause, or the seconds that the answer under way asks for.
                await asyncio.sleep(pause_s)

    def _call(self, method: str, path: str, *, is_once: bool = False) -> Call:
        return Call(self._address, method, path, self._timeout_s, is_once=is_once)

    def _client(self) -> httpx2.Client:
        return httpx2.Client(headers=self._headers, verify=self._verifies)

    def _aclient(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(headers=self._headers, verify=self._verifies)

    @property
    def _verifies(self) -> bool:
        # Plain HTTP needs no certificates, and loading them is most of a client's cost.
        return not self._address.startswith("http://")


class _Events:
    """The events in the lines of a stream. As a context manager it sees to it that none is cut.

    SupportMax writes an event's data on one line, so nothing has to be put together.
    """

    def __init__(self, call: Call) -> None:
        self.is_over = False
        self._call = call
        self._name = ""

    def feed(self, line: str) -> Event | None:
        """The event that this line completes, mostly none."""
        self._call.timeout()  # a server that only says that it lives is not waited for for ever
        field, _, value = line.partition(":")
        if field == "event":
            self._name = value.strip()
        elif field == "data":
            event = read_event(self._name, orjson.loads(value))
            self.is_over = isinstance(event, Done)
            return event
        return None

    def __enter__(self) -> Self:
        """Begin to read."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Raise Problem where the stream ended before its answer was whole."""
        if isinstance(error, httpx2.TimeoutException):
            raise self._call.late() from error
        is_cut = error is None and not self.is_over
        if is_cut or isinstance(error, httpx2.TransportError | orjson.JSONDecodeError):
            detail = "The stream ended before its answer was whole; nothing was given for one."
            raise Problem("stream_cut", detail) from error
