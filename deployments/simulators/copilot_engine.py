"""Direct-to-Engine, simulated: a turn is a POST, answered with events and a definite end.

Everything scripted happens to a turn, never to the start of a conversation.
"""

from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from deployments.simulators.copilot_agent import Asked, answer_as_events, greeting
from deployments.simulators.copilot_conversations import Conversations
from deployments.simulators.copilot_errors import CopilotWireError, scripted_error
from deployments.simulators.copilot_wire import Handler, body_of, endpoint, now, token_of
from deployments.simulators.delivery import IMMEDIATE, Pace
from deployments.simulators.exchange import Exchange, Stage
from deployments.simulators.faults import Behaviour, Status
from deployments.simulators.frames import Event
from deployments.simulators.schema import as_object

API_VERSION = "2022-03-01-preview"
_END = Event("end", {})


def engine_routes(stage: Stage) -> list[BaseRoute]:
    """Return the routes of Direct-to-Engine."""
    engine = _Engine(stage)
    root = "/copilotstudio/dataverse-backed/authenticated/bots/{schema}/conversations"

    def route(path: str, answer: Handler) -> Route:
        return Route(path, endpoint(stage, answer), methods=["POST"])

    return [route(root, engine.start), route(f"{root}/{{id}}", engine.execute_turn)]


class _Engine:
    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._conversations = Conversations()

    def start(self, exchange: Exchange) -> Response:
        self._admit(exchange)
        body = body_of(exchange)
        conversation = self._conversations.start()
        is_greeted = body.get("emitStartConversationEvent", True)
        greetings = [greeting(conversation.id, now(self._stage))] if is_greeted else []
        return self._stream(exchange, conversation.id, greetings, None, IMMEDIATE)

    def execute_turn(self, exchange: Exchange) -> Response:
        self._admit(exchange)
        activity = as_object(body_of(exchange).get("activity"))
        if activity.get("type") != "message":
            raise CopilotWireError(400, "The activity must be a message")
        conversation = self._conversations.find(str(exchange.request.path_params["id"]))
        behaviour = exchange.take_behaviour()
        if isinstance(behaviour, Status):
            raise scripted_error(behaviour)
        said = str(activity.get("text") or "")
        asked = Asked(said, conversation.id, None, now(self._stage), "delta")
        events = answer_as_events(asked, behaviour)
        return self._stream(exchange, conversation.id, events, behaviour, self._stage.pace)

    def _admit(self, exchange: Exchange) -> None:
        if not self._stage.accepts(token_of(exchange)):
            raise CopilotWireError(401)
        version = exchange.request.query_params.get("api-version")
        if version != API_VERSION:
            raise CopilotWireError(400, f"api-version {version!r} is not supported")

    def _stream(
        self,
        exchange: Exchange,
        conversation_id: str,
        events: list[Event],
        behaviour: Behaviour | None,
        pace: Pace,
    ) -> Response:
        headers = {"x-ms-conversationid": conversation_id}
        return exchange.reply_events(
            [*events, _END], headers=headers, behaviour=behaviour, pace=pace
        )
