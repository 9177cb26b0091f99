"""The door from within: a replica or an actor asks the agent itself, and no HTTP lies between.

What may be asked, what is answered and what is refused are the same as on `POST /v3/chat`,
because the same code decides.
"""

import contextlib
from collections.abc import AsyncGenerator, Iterator

import orjson
from pydantic import ValidationError
from typing_extensions import override

from actors.database.errors import DatabaseBusy, DatabaseUnavailable
from deployments.agent.exchange import Ask
from deployments.agent.support import SupportAgent
from deployments.clients.answer import Answer, Event, read_answer, read_event
from deployments.clients.problem import read_problem
from deployments.clients.question import AsyncDoor, Question
from deployments.ingress import problem
from deployments.ingress.chat import to_ask, told
from deployments.ingress.schema import ChatBody
from deployments.security.principal import Principal
from routing.errors import SupportMaxError


class InProcessDoor(AsyncDoor):
    """The agent of this process, in the name of `principal`.

    A connection cannot fail here, so a question has no idempotency key: it is asked once.
    """

    def __init__(self, agent: SupportAgent, principal: Principal) -> None:
        self._agent = agent
        self._principal = principal

    @override
    async def aask(self, question: Question) -> Answer:
        with _explained():
            answer = await self._agent.answer(self._principal, self._ask(question, stream=False))
        return read_answer(answer.to_json())

    @override
    async def astream(self, question: Question) -> AsyncGenerator[Event, None]:
        with _explained():
            ask = self._ask(question, stream=True)
            async with contextlib.aclosing(self._agent.stream(self._principal, ask)) as steps:
                async for step in steps:
                    yield read_event(*told(step))

    def _ask(self, question: Question, *, stream: bool) -> Ask:
        self._principal.must("chat:create")
        try:
            body = ChatBody.model_validate_json(orjson.dumps(question.body(stream=stream)))
        except ValidationError as error:
            raise problem.from_validation(error) from error
        return to_ask(body, None if body.platform == "auto" else body.platform)


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """Let what HTTP would answer with a problem document leave as a Problem; bugs stay bugs."""
    try:
        yield
    except (SupportMaxError, DatabaseBusy, DatabaseUnavailable) as error:
        wait = problem.retry_after_s(error)
        raise read_problem(problem.document(error), retry_after_s=wait) from error
