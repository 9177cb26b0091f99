"""CopilotStudio: activities to an agent of Copilot Studio, one conversation per user."""

from collections import OrderedDict

from deployments.clients.answer import Answer, read_answer
from deployments.clients.configured import Configured
from deployments.clients.door import Door
from deployments.clients.problem import Problem

_PATH = "/v3/microsoft/copilot"
# Of so many users the conversation is remembered, 100 bytes each; the one not heard of for
# longest is forgotten first, and begins anew.
MAX_USERS = 10_000


class CopilotStudio:
    """An agent of Copilot Studio, which chooses its own model and remembers the conversation.

    `bot_id` must be the one SupportMax is configured with. An answer's `handoff` says why and
    with what context the agent passed the user on to a person. Send one activity of a user
    after the other: two at once begin two conversations.
    """

    def __init__(self, bot_id: str, door: Door | None = None) -> None:
        self._door = door or Door()
        self._configured = Configured("copilot_studio", {"bot_id": bot_id})
        self._conversations: OrderedDict[str, str] = OrderedDict()

    def send_activity(self, user_id: str, text: str) -> Answer:
        """Say `text` in the user's name and hear the answer, in the conversation they have.

        Raises:
            Problem: there is no answer; `configured_otherwise` where `bot_id` is another's.
        """
        self._configured.compare(self._door)
        going_on = self._conversations.get(user_id)
        try:
            said = self._door.send("POST", _PATH, _body(user_id, text, going_on), is_once=True)
        except Problem as problem:
            if not _is_gone(problem, going_on):
                raise
            said = self._door.send("POST", _PATH, _body(user_id, text, None), is_once=True)
        return self._keep(user_id, read_answer(said))

    async def asend_activity(self, user_id: str, text: str) -> Answer:
        """The same in an event loop."""
        await self._configured.acompare(self._door)
        going_on = self._conversations.get(user_id)
        body = _body(user_id, text, going_on)
        try:
            said = await self._door.asend("POST", _PATH, body, is_once=True)
        except Problem as problem:
            if not _is_gone(problem, going_on):
                raise
            body = _body(user_id, text, None)
            said = await self._door.asend("POST", _PATH, body, is_once=True)
        return self._keep(user_id, read_answer(said))

    def _keep(self, user_id: str, answer: Answer) -> Answer:
        self._conversations.pop(user_id, None)
        self._conversations[user_id] = answer.conversation_id
        while len(self._conversations) > MAX_USERS:
            self._conversations.popitem(last=False)
        return answer


def _body(user_id: str, text: str, conversation_id: str | None) -> dict[str, object]:
    body: dict[str, object] = {"message": text, "user_id": user_id}
    return body if conversation_id is None else {**body, "conversation_id": conversation_id}


def _is_gone(problem: Problem, conversation_id: str | None) -> bool:
    """It was erased, as a user may ask for at any time; they can begin a new one."""
    return conversation_id is not None and problem.code == "not_found"
