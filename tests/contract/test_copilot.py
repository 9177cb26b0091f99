"""What Copilot Studio alone has: conversations, tokens that end, lines that break, handoffs."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from deployments.platforms.base import Connection
from deployments.platforms.copilot.adapter import CopilotPlatform
from routing.errors import ErrorKind, PlatformError
from routing.exchange import (
    ChatChunk,
    ChatReply,
    ChatRequest,
    FinishReason,
    ReplyDone,
    ResponseSchema,
    TextDelta,
    Usage,
)
from routing.message import Message, ToolSpec
from tests.servers import SimulatedRequest, Simulators

DIRECT_LINE = "copilot_studio"
ENGINE = "copilot_studio:direct_to_engine"
WIRES = (DIRECT_LINE, ENGINE)
DEADLINE_S = 20.0
LONG_S = "60"
QUESTION = ChatRequest("copilot-studio", (Message("user", "How long does a refund take?"),))
HANDING_OUT = "powervirtualagents/botsbyschema/cr_support/directline/token"
BOT = {"id": "the-bot", "role": "bot"}


@asynccontextmanager
async def opened(
    connection: Connection, *, refresh_before_s: float = 60.0, **options: str
) -> AsyncIterator[CopilotPlatform]:
    connection = replace(connection, options={**connection.options, **options})
    platform = CopilotPlatform(connection, poll_s=0.01, refresh_before_s=refresh_before_s)
    try:
        yield platform
    finally:
        await platform.aclose()


async def ask(
    connection: Connection,
    request: ChatRequest = QUESTION,
    *,
    deadline_s: float = DEADLINE_S,
    refresh_before_s: float = 60.0,
    **options: str,
) -> ChatReply:
    async with opened(connection, refresh_before_s=refresh_before_s, **options) as platform:
        return await platform.complete(request, deadline_s)


async def failure(connection: Connection, request: ChatRequest = QUESTION) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        await ask(connection, request)
    return caught.value


def steps(requests: Sequence[SimulatedRequest]) -> list[str]:
    """What was asked of Direct Line, without the ids."""
    return [
        f"{one.method} {one.path.split('/directline')[-1].split('conv_')[0]}" for one in requests
    ]


# -- both wires ------------------------------------------------------------------------------------


@pytest.mark.parametrize("wire", WIRES)
async def test_an_answer_names_its_conversation_and_counts_no_tokens(
    simulators: Simulators, wire: str
) -> None:
    """Microsoft's support asks for the conversation's id; what it cost is only estimated."""
    await simulators.script(wire.partition(":")[0], {"kind": "text", "text": "Five days."})
    reply = await ask(simulators.connection(wire))
    assert (reply.text, reply.finish_reason) == ("Five days.", FinishReason.STOP)
    assert (reply.usage, reply.model) == (Usage(), "copilot-studio")
    assert reply.request_id
    assert reply.request_id.startswith("conv_")


@pytest.mark.parametrize("wire", WIRES)
async def test_a_wish_for_a_human_is_a_handoff_with_the_agents_context(
    simulators: Simulators, wire: str
) -> None:
    """The colleague who takes over sees what the agent knew."""
    wish = replace(QUESTION, messages=(Message("user", "I want to talk to a person"),))
    reply = await ask(simulators.connection(wire), wish)
    assert (reply.finish_reason, reply.text) == (
        FinishReason.HANDOFF,
        "I will pass you on to a colleague.",
    )
    assert reply.provider_state
    [event] = reply.provider_state.items
    assert isinstance(event["value"], dict)
    assert event["value"]["va-LastPhrases"] == "I want to talk to a person"


@pytest.mark.parametrize("wire", WIRES)
async def test_a_conversation_that_is_gone_is_replaced_once(
    simulators: Simulators, wire: str
) -> None:
    """It has expired, or its server has: the user need not know."""
    await simulators.script(DIRECT_LINE, {"kind": "status", "status": 404})
    assert (await ask(simulators.connection(wire))).finish_reason is FinishReason.STOP
    starts = [one for one in await simulators.requests() if one.path.endswith("/conversations")]
    assert len(starts) == 2


@pytest.mark.parametrize("wire", WIRES)
async def test_a_bot_that_fails_is_overloaded(simulators: Simulators, wire: str) -> None:
    """502: the agent behind the service, in its own words."""
    await simulators.script(DIRECT_LINE, {"kind": "status", "status": 502})
    error = await failure(simulators.connection(wire))
    assert (error.kind, error.status) == (ErrorKind.OVERLOADED, 502)
    assert error.detail.startswith("BotError: ")


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(
    ("request_", "limit"),
    [
        (replace(QUESTION, tools=(ToolSpec("look", "", {"type": "object"}),)), "no tools"),
        (replace(QUESTION, response_schema=ResponseSchema("s", {})), "no JSON schema"),
        (replace(QUESTION, messages=()), "must be a user's"),
        (replace(QUESTION, messages=(Message("user", "x" * 300_000),)), "250000 bytes"),
    ],
    ids=["tools", "schema", "nothing", "too much"],
)
async def test_what_no_agent_can_do_is_refused_before_anything_is_sent(
    simulators: Simulators, wire: str, request_: ChatRequest, limit: str
) -> None:
    """The error names the limit, and the user's turn costs nothing."""
    error = await failure(simulators.connection(wire), request_)
    assert error.kind in {ErrorKind.INVALID_REQUEST, ErrorKind.CONTEXT_TOO_LONG}
    assert limit in error.detail
    assert await simulators.requests() == []


async def test_earlier_turns_go_along_as_a_bounded_reminder(simulators: Simulators) -> None:
    """Each call is a conversation of its own: what was said must be said again, the latest first."""
    turns = (
        Message("user", "oldest " + "x" * 5_000),
        Message("user", "I bought a kettle."),
        Message("assistant", "Noted."),
        Message("user", "May I return it?"),
    )
    await ask(
        simulators.connection(DIRECT_LINE), replace(QUESTION, messages=turns, system="Secret")
    )
    [text] = [one.body["text"] for one in await simulators.requests() if one.body]
    assert text == (
        "Earlier in this conversation:\nUser: I bought a kettle.\nAssistant: Noted.\n\n"
        "Now:\nMay I return it?"
    )


# -- Direct Line: tokens, lines, the end of a turn ---------------------------------------------------


async def test_polling_hears_the_same_as_listening(simulators: Simulators) -> None:
    """Where a network lets no WebSocket through, only the typing is lost."""
    connection = simulators.connection(DIRECT_LINE)
    heard = await ask(connection)
    polled = await ask(connection, receive="polling")
    assert (polled.text, polled.finish_reason) == (heard.text, heard.finish_reason)


async def test_a_token_endpoint_needs_no_secret(simulators: Simulators) -> None:
    """Agents without authentication publish one; the token is for one conversation."""
    connection = replace(simulators.connection(DIRECT_LINE), credential="")
    endpoint = f"{simulators.address(DIRECT_LINE)}/{HANDING_OUT}"
    assert (await ask(connection, token_endpoint=endpoint)).text
    requests = await simulators.requests()
    assert [one.path.rpartition("/")[2] for one in requests] == [
        "token",
        "conversations",
        "activities",
    ]


async def test_a_token_is_refreshed_before_it_ends(simulators: Simulators) -> None:
    """A turn that begins in time also ends in time: here every token is about to end."""
    await ask(simulators.connection(DIRECT_LINE), refresh_before_s=4_000)
    assert steps(await simulators.requests()) == [
        "POST /conversations",
        "POST /tokens/refresh",
        "POST /conversations/",
    ]


async def test_an_expired_token_is_replaced_once_and_the_question_asked_again(
    simulators: Simulators,
) -> None:
    """403 TokenExpired is refused before anything is done; the secret gets a new one."""
    expired = {"kind": "status", "status": 403, "code": "TokenExpired"}
    await simulators.script(DIRECT_LINE, expired)
    assert (await ask(simulators.connection(DIRECT_LINE))).text
    assert steps(await simulators.requests()) == [
        "POST /conversations",
        "POST /conversations/",
        "GET /conversations/",
        "POST /conversations/",
    ]
    await simulators.script(DIRECT_LINE, {**expired, "times": 2})
    error = await failure(simulators.connection(DIRECT_LINE))
    assert (error.kind, error.status) == (ErrorKind.CREDENTIALS, 403)


@pytest.mark.parametrize("how", ["cut", "disconnect"])
async def test_a_line_that_breaks_is_taken_up_where_it_broke(
    simulators: Simulators, how: str
) -> None:
    """The user reads one answer, whole, and nothing of it twice."""
    connection = simulators.connection(DIRECT_LINE)
    undisturbed = await ask(connection)
    await simulators.clear()
    await simulators.script(DIRECT_LINE, {"kind": how, "after_chunks": 2})
    async with opened(connection) as platform:
        chunks = [chunk async for chunk in platform.stream(QUESTION, DEADLINE_S)]
    assert text_of(chunks) == undisturbed.text
    assert "GET /conversations/" in steps(await simulators.requests())


async def test_a_question_of_the_agent_ends_its_turn_at_once(simulators: Simulators) -> None:
    """Nobody waits for the quiet period when the agent waits for the user."""
    await simulators.script(DIRECT_LINE, {"kind": "text", "text": "Which order?"})
    async with asyncio.timeout(DEADLINE_S / 2):
        reply = await ask(simulators.connection(DIRECT_LINE), quiet_period_s=LONG_S)
    assert reply.text == "Which order?"


async def test_what_was_said_whole_by_the_deadline_is_the_answer(simulators: Simulators) -> None:
    """An agent that never says it has ended is not punished for it."""
    await simulators.script(DIRECT_LINE, {"kind": "text", "text": "Five days."})
    reply = await ask(simulators.connection(DIRECT_LINE), deadline_s=4.0, quiet_period_s=LONG_S)
    assert reply.text == "Five days."


# -- Direct Line in every detail: a server which says exactly what a test wants ----------------------


@dataclass
class Line:
    """A Direct Line: the frames it sends to each listener in turn, and what it was asked.

    "echo" in a frame's place is the user's own message; a listener is hung up on after its
    frames when another one is to come.
    """

    frames: list[list[object]]
    has_sockets: bool = True
    has_stream_url: bool = True
    polled: list[dict[str, object]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    _echo: "asyncio.Future[dict[str, object]]" = field(default_factory=asyncio.Future)

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/v3/directline/conversations", self._open)
        app.router.add_get("/v3/directline/conversations/c1", self._open)
        app.router.add_post("/v3/directline/conversations/c1/activities", self._take)
        app.router.add_get("/v3/directline/conversations/c1/activities", self._poll)
        if self.has_sockets:
            app.router.add_get("/stream", self._listen)
        return app

    def _note(self, request: web.Request) -> None:
        self.asked.append(f"{request.method} {request.path_qs.split('/directline/')[-1]}")

    async def _open(self, request: web.Request) -> web.Response:
        self._note(request)
        opened: dict[str, object] = {"conversationId": "c1", "token": "t", "expires_in": 1_800}
        if self.has_stream_url:
            opened["streamUrl"] = f"ws://{request.host}/stream"
        return web.json_response(opened)

    async def _take(self, request: web.Request) -> web.Response:
        self._note(request)
        if self._echo.done():
            self._echo = asyncio.Future()
        self._echo.set_result({**await request.json(), "id": "q1"})
        return web.json_response({"id": "q1"})

    async def _poll(self, request: web.Request) -> web.Response:
        self._note(request)
        found = self.polled.pop(0) if self.polled else {"activities": []}
        return web.json_response(found)

    async def _listen(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        for frame in self.frames.pop(0):
            if isinstance(frame, str) and frame != "echo":
                await socket.send_str(frame)
                continue
            activities = [await self._echo] if frame == "echo" else frame
            await socket.send_json({"activities": activities, "watermark": "w7"})
        if not self.frames:
            await socket.receive()
        return socket


@asynccontextmanager
async def served(line: Line, **options: str) -> AsyncIterator[Connection]:
    async with TestServer(line.app()) as server:
        address = str(server.make_url("")).rstrip("/")
        yield Connection("the-secret", address, 4, {"quiet_period_s": "0.1", **options})


def said(text: str, **more: object) -> dict[str, object]:
    return {"type": "message", "from": BOT, "text": text, **more}


def text_of(chunks: Sequence[ChatChunk]) -> str:
    *texts, done = chunks
    assert isinstance(done, ReplyDone)
    joined = "".join(chunk.text for chunk in texts if isinstance(chunk, TextDelta))
    assert joined == done.reply.text
    return joined


async def test_a_greeting_and_answers_to_others_are_not_the_answer() -> None:
    """What comes before our own message, or replies to another, was not asked by this user."""
    line = Line(
        [
            [
                "",
                [said("Hello, I am Ada.")],
                "echo",
                [said("Yours.", replyToId="q0"), said("Five days.", replyToId="q1")],
                '{"typing": "a kind of frame from the future"}',
                [{"type": "trace", "from": BOT}, said("Not counting Sundays.", replyToId="q1")],
            ]
        ]
    )
    async with served(line) as connection:
        assert (await ask(connection)).text == "Five days.\n\nNot counting Sundays."


async def test_the_end_of_a_conversation_ends_the_turn() -> None:
    """Without waiting: nothing more can come."""
    line = Line([["echo", [said("Goodbye."), {"type": "endOfConversation", "from": BOT}]]])
    async with served(line, quiet_period_s=LONG_S) as connection, asyncio.timeout(DEADLINE_S):
        assert (await ask(connection)).text == "Goodbye."


async def test_a_broken_line_is_mended_from_the_last_watermark() -> None:
    """Whatever the service repeats, each message is said once."""
    first = said("One.", id="c1|1")
    line = Line([["echo", [first]], [[first, said("Two.", id="c1|2")]]])
    async with served(line) as connection:
        assert (await ask(connection, quiet_period_s="0.5")).text == "One.\n\nTwo."
    assert line.asked[-1] == "GET conversations/c1?watermark=w7"


async def test_a_line_that_broke_before_it_said_anything_asks_for_all_there_is() -> None:
    """Without a watermark a new line would begin after what was missed."""
    line = Line([[""], []], polled=[{"activities": [], "watermark": "w1"}])
    line.polled[0]["activities"] = [
        {"type": "message", "from": {"role": "user"}, "id": "q1"},
        said("Five days."),
    ]
    async with served(line) as connection:
        assert (await ask(connection)).text == "Five days."
    assert "GET conversations/c1/activities" in line.asked


async def test_a_line_that_breaks_again_and_again_is_given_up() -> None:
    """There is a bound, below any deadline."""
    line = Line([[""] for _ in range(5)])
    async with served(line) as connection:
        error = await failure(connection)
    assert error.kind is ErrorKind.STREAM_TRUNCATED


@pytest.mark.parametrize("lack", ["no address", "no WebSocket"])
async def test_without_a_websocket_the_answer_is_polled_for_from_watermark_to_watermark(
    lack: str,
) -> None:
    """The service names none, or a proxy on the way refuses it."""
    ours = {"type": "message", "from": {"id": "dl_x", "role": "user"}, "id": "q1"}
    line = Line(
        [],
        has_sockets=False,
        has_stream_url=lack == "no WebSocket",
        polled=[
            {"activities": [ours], "watermark": "0000a-1"},
            {"activities": [], "watermark": "0000a-1"},
            {"activities": [said("Five days?", inputHint="expectingInput")], "watermark": 2},
        ],
    )
    async with served(line) as connection:
        assert (await ask(connection)).text == "Five days?"
    polls = [one for one in line.asked if one.startswith("GET conversations/c1/activities")]
    assert polls[:3] == [
        "GET conversations/c1/activities",
        "GET conversations/c1/activities?watermark=0000a-1",
        "GET conversations/c1/activities?watermark=0000a-1",
    ]


async def test_a_turn_without_a_word_is_a_bad_reply() -> None:
    """An empty answer is not passed off as one."""
    line = Line([["echo", [{"type": "endOfConversation", "from": BOT}]]])
    async with served(line) as connection:
        assert (await failure(connection)).kind is ErrorKind.BAD_REPLY


async def test_an_agent_that_wants_a_sign_in_says_so_to_the_operator() -> None:
    """A service cannot sign in for the user: the other wire can, with a delegated token."""
    card = {"contentType": "application/vnd.microsoft.card.oauth"}
    line = Line([["echo", [said("", attachments=[card])]]])
    async with served(line) as connection:
        error = await failure(connection)
    assert (error.kind, error.detail) == (
        ErrorKind.CREDENTIALS,
        "the agent wants the user to sign in",
    )


# -- conversations that go on ----------------------------------------------------------------------

FIRST = replace(QUESTION, thread_key="thread", messages=(Message("user", "I bought a kettle."),))


def going_on(heard: str, *between: Message, text: str = "May I return it?") -> ChatRequest:
    """The next question of the same customer, after what is known of the conversation."""
    said = (*FIRST.messages, Message("assistant", heard), *between, Message("user", text))
    return replace(FIRST, messages=said)


async def texts(simulators: Simulators) -> list[str]:
    """What was said to the agent, on either wire."""
    bodies = [one.body for one in await simulators.requests() if one.body]
    activities = [body.get("activity", body) for body in bodies]
    return [str(one["text"]) for one in activities if isinstance(one, dict) and "text" in one]


async def started(simulators: Simulators) -> int:
    """How many conversations were begun."""
    return sum(one.path.endswith("/conversations") for one in await simulators.requests())


@pytest.mark.parametrize("wire", WIRES)
async def test_a_conversation_goes_on_where_it_stands(simulators: Simulators, wire: str) -> None:
    """The agent remembers: it is told the new message, and nothing that it has heard or said."""
    async with opened(simulators.connection(wire)) as platform:
        first = await platform.complete(FIRST, DEADLINE_S)
        second = await platform.complete(going_on(first.text), DEADLINE_S)
        third = going_on(first.text, Message("user", "May I return it?"))
        third = replace(
            third,
            messages=(*third.messages[:-1], Message("assistant", second.text), FIRST.messages[0]),
        )
        last = await platform.complete(third, DEADLINE_S)
    assert first.request_id == second.request_id == last.request_id
    assert await texts(simulators) == [
        "I bought a kettle.",
        "May I return it?",
        "I bought a kettle.",
    ]
    assert await started(simulators) == 1


@pytest.mark.parametrize("wire", WIRES)
async def test_what_another_platform_has_answered_since_is_told(
    simulators: Simulators, wire: str
) -> None:
    """The customer has read it; an agent that has not would answer beside the point."""
    async with opened(simulators.connection(wire)) as platform:
        first = await platform.complete(FIRST, DEADLINE_S)
        since = (Message("user", "A red one."), Message("assistant", "Red, noted."))
        await platform.complete(going_on(first.text, *since), DEADLINE_S)
    assert (await texts(simulators))[1] == (
        "Earlier in this conversation:\nUser: A red one.\nAssistant: Red, noted.\n\n"
        "Now:\nMay I return it?"
    )


@pytest.mark.parametrize("wire", WIRES)
async def test_a_conversation_lost_in_the_meantime_is_begun_anew_with_all_that_was_said(
    simulators: Simulators, wire: str
) -> None:
    """Whether its server or its time has ended: the customer need not say it again."""
    async with opened(simulators.connection(wire)) as platform:
        first = await platform.complete(FIRST, DEADLINE_S)
        await simulators.script(DIRECT_LINE, {"kind": "status", "status": 404})
        second = await platform.complete(going_on(first.text), DEADLINE_S)
    assert second.finish_reason is FinishReason.STOP
    # A lost conversation was asked first, and did not take it.
    assert (await texts(simulators))[1:] == [
        "May I return it?",
        f"Earlier in this conversation:\nUser: I bought a kettle.\nAssistant: {first.text.strip()}"
        "\n\nNow:\nMay I return it?",
    ]
    assert await started(simulators) == 2


@pytest.mark.parametrize("wire", WIRES)
async def test_other_customers_and_other_conversations_are_kept_apart(
    simulators: Simulators, wire: str
) -> None:
    """What one has said to the agent is nobody else's; without a key nothing is kept."""
    async with opened(simulators.connection(wire)) as platform:
        asked = [FIRST, replace(FIRST, thread_key="other"), QUESTION, QUESTION]
        replies = [await platform.complete(one, DEADLINE_S) for one in asked]
    assert len({reply.request_id for reply in replies}) == 4


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("ending", ["failed", "handed over"])
async def test_a_turn_that_failed_or_was_handed_over_is_not_gone_on_with(
    simulators: Simulators, wire: str, ending: str
) -> None:
    """Who knows what the agent has understood, and who listens there now?"""
    async with opened(simulators.connection(wire)) as platform:
        first = await platform.complete(FIRST, DEADLINE_S)
        if ending == "failed":
            await simulators.script(DIRECT_LINE, {"kind": "error_event"})
            with pytest.raises(PlatformError):
                await platform.complete(going_on(first.text), DEADLINE_S)
        else:
            wish = going_on(first.text, text="I want to talk to a person")
            assert (await platform.complete(wish, DEADLINE_S)).handoff
        await platform.complete(going_on(first.text), DEADLINE_S)
    assert await started(simulators) == 2
    assert (await texts(simulators))[-1].startswith("Earlier in this conversation:")


async def test_a_second_turn_at_the_same_time_has_a_conversation_of_its_own(
    simulators: Simulators,
) -> None:
    """Direct Line lets one listen at a time: two in one conversation would cut each other off."""
    async with opened(simulators.connection(DIRECT_LINE)) as platform:
        first = await platform.complete(FIRST, DEADLINE_S)
        both = await asyncio.gather(
            *(platform.complete(going_on(first.text), DEADLINE_S) for _ in range(2))
        )
    assert len({reply.request_id for reply in both}) == 2
    assert all(reply.finish_reason is FinishReason.STOP for reply in both)


@pytest.mark.parametrize("receive", ["socket", "polling"])
async def test_going_on_hears_only_what_is_new(simulators: Simulators, receive: str) -> None:
    """The earlier answer, and our own earlier words, are still there to be heard again."""
    script = [{"kind": "text", "text": text} for text in ("One.", "Two.", "Three.")]
    await simulators.script(DIRECT_LINE, *script)
    async with opened(simulators.connection(DIRECT_LINE), receive=receive) as platform:
        said = [
            (await platform.complete(request, DEADLINE_S)).text
            for request in (FIRST, going_on("One."), going_on("Two."))
        ]
    assert said == ["One.", "Two.", "Three."]
    assert await started(simulators) == 1


async def test_a_token_endpoint_is_asked_once_for_a_conversation_that_goes_on(
    simulators: Simulators,
) -> None:
    """Without a secret the conversation's own token opens it again."""
    connection = replace(simulators.connection(DIRECT_LINE), credential="")
    endpoint = f"{simulators.address(DIRECT_LINE)}/{HANDING_OUT}"
    async with opened(connection, token_endpoint=endpoint) as platform:
        first = await platform.complete(FIRST, DEADLINE_S)
        second = await platform.complete(going_on(first.text), DEADLINE_S)
    assert first.request_id == second.request_id
    asked = [one.path.rpartition("/")[2] for one in await simulators.requests()]
    assert asked.count("token") == 1


@pytest.mark.parametrize("watermark", ["0000a-7", None])
async def test_going_on_begins_at_the_watermark_and_without_one_not_at_all(
    watermark: str | None,
) -> None:
    """From the beginning, the answers of yesterday would be heard as those of today."""

    def told(text: str) -> dict[str, object]:
        question = said(text, inputHint="expectingInput")
        return {"activities": [question], "watermark": watermark}

    line = Line([], has_sockets=False, polled=[told("One?"), told("Two?")])
    async with served(line, receive="polling") as connection, opened(connection) as platform:
        texts = [
            (await platform.complete(request, DEADLINE_S)).text
            for request in (FIRST, going_on("One?"))
        ]
    assert texts == ["One?", "Two?"]
    asked = [one for one in line.asked if not one.startswith("POST conversations/c1")]
    if watermark is None:
        assert asked == ["POST conversations", "GET conversations/c1/activities"] * 2
    else:
        assert asked == [
            "POST conversations",
            "GET conversations/c1/activities",
            "GET conversations/c1?watermark=0000a-7",
            "GET conversations/c1/activities?watermark=0000a-7",
        ]
