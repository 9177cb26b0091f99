"""Direct Line 3.0, simulated: conversations over REST, what is said in them over a WebSocket.

What is scripted happens to a turn: a status to the POST which carries it, everything else to
the activities that answer it. A line that is cut or broken can be mended: the rest of the turn
is kept, and repeated from the watermark on, as the service does.
"""

import anyio
import orjson
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from deployments.simulators.copilot_agent import Asked, answer_as_events, greeting
from deployments.simulators.copilot_conversations import (
    Conversations,
    Listener,
    SimConversation,
)
from deployments.simulators.copilot_errors import CopilotWireError, scripted_error
from deployments.simulators.copilot_turn import Step, hold_turn, plan_turn
from deployments.simulators.copilot_wire import (
    NAME,
    Handler,
    body_of,
    endpoint,
    now,
    reply,
    token_of,
)
from deployments.simulators.exchange import SIMULATOR_HEADER, Exchange, Stage
from deployments.simulators.faults import Status

TOKEN_LIFE_S = 1_800
_ROOT = "/v3/directline"
_COLLISION = 1_000
_REFUSED = 4_403


def direct_line_routes(stage: Stage) -> list[BaseRoute]:
    """Return the routes of Direct Line, and of the endpoint which hands out its tokens."""
    line = _DirectLine(stage)
    handing_out = "/powervirtualagents/botsbyschema/{schema}/directline/token"
    one = f"{_ROOT}/conversations/{{id}}"

    def route(path: str, answer: Handler, method: str) -> Route:
        return Route(path, endpoint(stage, answer), methods=[method])

    return [
        route(handing_out, line.hand_out_token, "GET"),
        route(f"{_ROOT}/tokens/generate", line.generate_token, "POST"),
        route(f"{_ROOT}/tokens/refresh", line.refresh_token, "POST"),
        route(f"{_ROOT}/conversations", line.start, "POST"),
        route(one, line.reconnect, "GET"),
        route(f"{one}/activities", line.list_activities, "GET"),
        route(f"{one}/activities", line.take_activity, "POST"),
        WebSocketRoute(f"{one}/stream", line.listen),
    ]


class _DirectLine:
    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._conversations = Conversations()

    def hand_out_token(self, exchange: Exchange) -> Response:
        """Anybody may ask: the agent's address is all there is to know."""
        return reply(exchange, self._token(self._conversations.start()))

    def generate_token(self, exchange: Exchange) -> Response:
        self._check_secret(exchange)
        return reply(exchange, self._token(self._conversations.start()))

    def refresh_token(self, exchange: Exchange) -> Response:
        """Only a token which still lives is given a longer life."""
        conversation_id = self._conversations.conversation_of(token_of(exchange))
        if conversation_id is None:
            raise CopilotWireError(401)
        return reply(exchange, self._token(self._conversations.start(conversation_id)))

    def start(self, exchange: Exchange) -> Response:
        conversation_id = self._conversations.conversation_of(token_of(exchange))
        if conversation_id is None:
            self._check_secret(exchange)
        conversation = self._conversations.start(conversation_id)
        return reply(exchange, self._opened(exchange.request, conversation), 201)

    def reconnect(self, exchange: Exchange) -> Response:
        conversation = self._find(exchange)
        watermark = exchange.request.query_params.get("watermark")
        conversation.since(watermark)  # refuses what is none
        return reply(exchange, self._opened(exchange.request, conversation, watermark))

    def list_activities(self, exchange: Exchange) -> Response:
        conversation = self._find(exchange)
        found = conversation.since(exchange.request.query_params.get("watermark"))
        return reply(exchange, {"activities": found, "watermark": conversation.watermark})

    def take_activity(self, exchange: Exchange) -> Response:
        """Take what a user says; its entry in the journal ends when the agent's turn does."""
        conversation = self._find(exchange)
        activity = body_of(exchange)
        behaviour = exchange.take_behaviour()
        if isinstance(behaviour, Status):
            raise scripted_error(behaviour)
        activity_id, when = conversation.next_id(), now(self._stage)
        here = {"channelId": "directline", "conversation": {"id": conversation.id}}
        conversation.say({**activity, **here, "id": activity_id, "timestamp": when})
        steps: list[Step] = []
        if activity.get("type") == "message":
            text = str(activity.get("text") or "")
            asked = Asked(text, conversation.id, activity_id, when, "cumulative")
            events = answer_as_events(asked, behaviour)
            steps = plan_turn(events, self._stage.pace, behaviour)
        elif activity.get("name") == "startConversation":
            steps = plan_turn([greeting(conversation.id, when)], self._stage.pace, None)
        conversation.turn = exchange.entry
        exchange.entry.status = 200
        # Not a paced answer: what is slow, cut or garbled is what the agent says.
        return Response(
            orjson.dumps({"id": activity_id}),
            media_type="application/json",
            headers={SIMULATOR_HEADER: NAME},
            background=BackgroundTask(hold_turn, conversation, exchange.entry, steps),
        )

    async def listen(self, socket: WebSocket) -> None:
        """Tell a client what is said; a second one takes the first one's place."""
        watermark = socket.query_params.get("watermark")
        token = socket.query_params.get("t", "")
        try:
            conversation = self._conversations.find(str(socket.path_params["id"]))
            missed = conversation.since(watermark)
        except CopilotWireError:
            await socket.close(_REFUSED)
            return
        if self._conversations.conversation_of(token) != conversation.id:
            await socket.close(_REFUSED)
            return
        await socket.accept()
        conversation.hang_up(_COLLISION)
        listener = conversation.listener = Listener()
        listener.tell(b"")  # as the service shows that the line is alive
        if watermark is not None and missed:
            conversation.tell_set(missed)
        await _serve(socket, conversation, listener)

    def _find(self, exchange: Exchange) -> SimConversation:
        conversation_id = str(exchange.request.path_params["id"])
        known = self._conversations.conversation_of(token_of(exchange))
        if known is None:
            self._check_secret(exchange)
        elif known != conversation_id:
            raise CopilotWireError(403, "The token is for another conversation")
        return self._conversations.find(conversation_id)

    def _check_secret(self, exchange: Exchange) -> None:
        if not self._stage.accepts(token_of(exchange)):
            raise CopilotWireError(401)

    def _token(self, conversation: SimConversation) -> dict[str, object]:
        return {
            "conversationId": conversation.id,
            "token": self._conversations.new_token(conversation.id),
            "expires_in": TOKEN_LIFE_S,
        }

    def _opened(
        self, request: Request, conversation: SimConversation, watermark: str | None = None
    ) -> dict[str, object]:
        opened = self._token(conversation)
        scheme = "wss" if request.url.scheme == "https" else "ws"
        here = f"{scheme}://{request.url.netloc}{request.scope['root_path']}{_ROOT}"
        query = f"t={opened['token']}" + (f"&watermark={watermark}" if watermark else "")
        stream_url = f"{here}/conversations/{conversation.id}/stream?{query}"
        return {**opened, "streamUrl": stream_url, "referenceGrammarId": NAME}


async def _serve(socket: WebSocket, conversation: SimConversation, listener: Listener) -> None:
    """Send what there is to tell until one side hangs up."""

    async def notice_leaving(everything: anyio.CancelScope) -> None:
        try:
            while True:
                await socket.receive_text()
        except (WebSocketDisconnect, RuntimeError):
            conversation.left(listener)
            everything.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(notice_leaving, group.cancel_scope)
        try:
            while listener.hang_up is None or listener.frames:
                for frame in await listener.next():
                    await socket.send_text(frame.decode())
            await socket.close(listener.hang_up)
        except WebSocketDisconnect:
            conversation.left(listener)
        group.cancel_scope.cancel()
