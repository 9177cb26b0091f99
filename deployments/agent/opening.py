"""What leaves the road for the caller: values in place of the tokens that platforms were told."""

import contextlib
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import TypeVar

from deployments.agent.executor import Executed, Resumed
from deployments.agent.hands import Calling, Made
from deployments.privacy.request import opened_reply
from deployments.privacy.restore import Restorer
from deployments.privacy.seal import Seal
from routing.exchange import ChatRequest, TextDelta

_End = TypeVar("_End")


def opened(seal: Seal | None, executed: Executed, request: ChatRequest) -> Executed:
    """The end of the answer to `request` as the caller gets it."""
    if seal is None:
        return executed
    reply = opened_reply(seal, executed.reply, as_json=request.response_schema is not None)
    return replace(executed, reply=reply)


async def opened_steps(
    seal: Seal | None,
    steps: AsyncGenerator[TextDelta | Resumed | Calling | Made | _End, None],
    request: ChatRequest,
) -> AsyncGenerator[TextDelta | Resumed | Calling | Made | _End, None]:
    """The steps of the answer to `request` with its texts opened; `seal` None changes nothing.

    A token that is cut over several texts comes out whole, also where another platform says its
    second half. Every other step but that one ends the text before it.
    """
    is_json = request.response_schema is not None
    restorer = None if seal is None else Restorer(seal, as_json=is_json)
    async with contextlib.aclosing(steps):
        async for step in steps:
            if restorer is None or isinstance(step, Resumed):
                yield step
                continue
            if isinstance(step, TextDelta):
                if text := restorer.feed(step.text):
                    yield TextDelta(text)
                continue
            if rest := restorer.end():
                yield TextDelta(rest)
            yield step
