"""A streamed answer in a vendor's own events: what happens on the road, written as it happens."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator

from deployments.agent.executor import Resumed
from deployments.agent.hands import Calling, Made
from deployments.agent.road import Arrival, Step
from deployments.ingress.conversation_run import ConversationRun
from deployments.ingress.dialect import Stamp, Writer
from deployments.ingress.vendor_errors import fault_of
from routing.errors import ErrorKind, PlatformError
from routing.exchange import FinishReason, TextDelta

_log = logging.getLogger(__name__)


async def frames(
    writer: Writer,
    first: "asyncio.Future[Step]",
    steps: AsyncGenerator[Step, None],
    stamp: Stamp,
    run: ConversationRun | None,
) -> AsyncGenerator[bytes, None]:
    """The answer as events; whatever goes wrong is the last of them.

    What a conversation is to hold of it is kept before its end is said: who reads that can go on.
    """
    try:
        async with contextlib.aclosing(steps):
            try:
                yield writer.begin()
                step = await _kept(run, stamp, await first)
            finally:
                first.cancel()
                await asyncio.gather(first, return_exceptions=True)
            yield _frame(writer, step)
            async for step in steps:
                yield _frame(writer, await _kept(run, stamp, step))
    except Exception as error:  # noqa: BLE001
        if fault_of(error).status == 500:
            _log.error("unexpected error in a stream", exc_info=error)
        yield writer.fail(error)
    finally:
        if run is not None:
            await run.release()


async def _kept(run: ConversationRun | None, stamp: Stamp, step: Step) -> Step:
    if run is not None and isinstance(step, Arrival):
        executed = sound(step).executed
        await run.keep(stamp, executed.reply, executed.platform)
    return step


def _frame(writer: Writer, step: Step) -> bytes:
    match step:
        case TextDelta(text):
            return writer.text(text)
        case Resumed(origin, to):
            # A comment: the vendors' clients have no word for it, and the text goes on.
            return f": resumed from {origin} to {to}\n\n".encode()
        case Calling() | Made():
            # Nor for a tool of ours: theirs are the caller's, and none is called here.
            return f": {step.call.name}\n\n".encode()
        case Arrival():
            return writer.end(sound(step).executed.reply)


def sounded(step: Step) -> Step:
    """The step; raises where it is the end of an answer that no vendor has a word for."""
    return sound(step) if isinstance(step, Arrival) else step


def sound(arrival: Arrival) -> Arrival:
    """An arrival vendors have a word for: none has one for an answer that ended in an error."""
    executed = arrival.executed
    if executed.reply.finish_reason is FinishReason.ERROR:
        detail = "it gave up in the middle of its answer"
        raise PlatformError(executed.platform, ErrorKind.BAD_REPLY, detail)
    return arrival
