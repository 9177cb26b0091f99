"""A body has its time: whoever sends it slowly holds a line, and a place among their tenant's requests."""

import asyncio

from starlette.types import Message, Receive, Scope

from routing.errors import RequestError

# 8 MiB, the largest there is, are 2.2 Mbit/s in that time; a message is there at once.
BODY_WITHIN_S = 30.0


class BodyTooSlow(RequestError):
    """The time is up, and the body is not here; 408 in the words of whoever answers."""


def timely(scope: Scope, receive: Receive) -> Receive:
    """`receive` of an HTTP request, with a time from now on for the whole body, and none for what follows it.

    Raises:
        BodyTooSlow: out of what is returned, BODY_WITHIN_S seconds from now.
    """
    is_whole = True
    for name, value in scope["headers"]:
        if name == b"content-length":
            is_whole = value == b"0"
        elif name == b"transfer-encoding":
            is_whole = False
    until = asyncio.get_running_loop().time() + BODY_WITHIN_S

    async def in_time() -> Message:
        nonlocal is_whole
        if is_whole:  # what else comes is word that the caller went away, and may never come
            return await receive()
        try:
            async with asyncio.timeout_at(until):
                message = await receive()
        except TimeoutError:
            told = f"The whole body is to be here within {BODY_WITHIN_S:g} seconds."
            raise BodyTooSlow("body_too_slow", told) from None
        is_whole = not message.get("more_body", False)
        return message

    return in_time
