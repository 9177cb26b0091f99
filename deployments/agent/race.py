"""The first words of a call, or of its hedge: a second platform asked because the first is late."""

import asyncio
from collections.abc import AsyncGenerator, Callable

from deployments.agent.attempt import Attempt
from deployments.agent.watch import Watch
from routing.exchange import ChatChunk, ReplyDone
from routing.hedge import HedgeGate


class Run:
    """A call under way: its attempt, and its chunks as they come."""

    def __init__(
        self, attempt: Attempt, chunks: AsyncGenerator[ChatChunk, None], watch: Watch
    ) -> None:
        self.attempt = attempt
        self._chunks = chunks
        self._watch = watch

    async def next(self) -> ChatChunk | None:
        """The next chunk; None when the attempt is over, however it ended.

        Whatever is no platform's failure passes through, the attempt then being abandoned.
        """
        try:
            chunk = await self._watch.next(self._chunks)
        except BaseException as error:
            if not self.attempt.end(error):
                raise
            return None
        self.attempt.waited(self._watch.waited_s)
        if isinstance(chunk, ReplyDone):
            self.attempt.reply = chunk.reply
        elif chunk is None:
            self.attempt.end()
        else:
            self.attempt.hear(chunk.text)
        return chunk

    async def close(self) -> None:
        """Give it up, if it is not over: the vendor's connection is closed."""
        self.attempt.end(asyncio.CancelledError())
        await self._chunks.aclose()


async def race(
    first: Run, hedge_after_s: float, gate: HedgeGate, hedge: Callable[[], Run | None]
) -> tuple[Run, ChatChunk] | None:
    """The run that speaks first, and its first chunk; None if nobody does.

    After `hedge_after_s` of silence `hedge` starts a second run, if `gate` grants it; the
    one that speaks later is closed.
    """
    running = {asyncio.ensure_future(first.next()): first}
    won: tuple[Run, ChatChunk] | None = None
    try:
        done, _ = await asyncio.wait(running, timeout=hedge_after_s)
        if done:
            gate.in_time()
        elif gate.take() and (second := hedge()) is not None:
            running[asyncio.ensure_future(second.next())] = second
        while running:
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            # In the order they were asked, so that a tie goes to the platform that was chosen.
            for task in [task for task in running if task in done]:
                run = running.pop(task)
                chunk = task.result()
                if chunk is not None:
                    won = (run, chunk)
                    return won
        return None
    finally:
        try:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            for loser in running.values():
                await loser.close()
        except BaseException:
            # The caller left while the loser was closed: nobody reads the winner either.
            if won is not None:
                await won[0].close()
            raise
