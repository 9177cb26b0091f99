"""A rare question put to a vendor through its own SDK, over a connection of its own.

Answers to customers go over `wire.py`, at a fraction of the price; here the SDK may do
everything itself, because nobody waits. What goes wrong leaves as a `PlatformError` here too.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import httpx2
from typing_extensions import override

from deployments.platforms import errors
from deployments.platforms.transport import CONNECT_S, MAX_ANSWER, POOL_S, AnswerTooLarge
from routing.errors import ErrorKind, PlatformError

# All pages together. It is asked in the background, so it may take long; a replica that
# stops must not wait for it, and it is cancelled.
ASK_S = 20.0
# SDKs do not check a list before they read it: what has another shape they stumble over.
_STUMBLES = (AttributeError, TypeError, ValueError)


@asynccontextmanager
async def asking(
    platform: str,
    read_error: Callable[[bytes, int, Mapping[str, str]], PlatformError],
    secret: str,
    fault: type[Exception],
) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client for an SDK, for one question of at most `ASK_S`.

    `read_error` turns an answer that is an error into ours, `fault` is the base of what the
    SDK raises, and `secret` is kept out of every error.

    Raises:
        PlatformError: Whatever went wrong, the deadline included.
    """
    # Reading the certificates takes 20 ms, which other requests need not wait for.
    trusted = await asyncio.to_thread(httpx2.create_ssl_context)
    timeout = httpx2.Timeout(connect=CONNECT_S, read=ASK_S, write=ASK_S, pool=POOL_S)
    known: tuple[type[Exception], ...] = (*errors.FAULTS, *_STUMBLES, fault)
    try:
        async with (
            asyncio.timeout(ASK_S),
            httpx2.AsyncClient(
                verify=trusted,
                timeout=timeout,
                # Unpacked, a short answer could be longer than the bound on it.
                headers={"accept-encoding": "identity"},
                event_hooks={"response": [_bound]},
            ) as http,
        ):
            yield http
    except PlatformError as error:
        clean = errors.without(secret, error)
        if clean is error:
            raise
        raise clean from None  # the original still holds the credential
    except known as error:
        raise errors.without(secret, _explained(platform, error, read_error)) from error


def _explained(
    platform: str,
    error: BaseException,
    read_error: Callable[[bytes, int, Mapping[str, str]], PlatformError],
) -> PlatformError:
    """What an SDK raised, in our words: the answer it read, or what kept it from reading one."""
    response = getattr(error, "response", None)
    if isinstance(response, httpx2.Response) and response.is_error:
        return read_error(response.content, response.status_code, response.headers)
    for cause in (error, error.__cause__):
        if isinstance(cause, PlatformError):
            return cause
        if type(cause) is TimeoutError:  # ours: the network's have names of their own
            return PlatformError(platform, ErrorKind.TIMEOUT, f"no answer within {ASK_S:g} s")
        if isinstance(cause, errors.FAULTS):
            return errors.local_error(platform, cause)
    said = f"{type(error).__name__}: {error}"
    return errors.bad_reply(platform, said)


class _Bounded(httpx2.AsyncByteStream):
    """A body that ends in an error when it is longer than any answer."""

    def __init__(self, body: httpx2.AsyncByteStream) -> None:
        self._body = body

    @override
    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for data in self._body:
            size += len(data)
            if size > MAX_ANSWER:
                message = f"more than {MAX_ANSWER} bytes"
                raise AnswerTooLarge(message)
            yield data

    @override
    async def aclose(self) -> None:
        await self._body.aclose()


async def _bound(response: httpx2.Response) -> None:
    if isinstance(response.stream, httpx2.AsyncByteStream):
        response.stream = _Bounded(response.stream)
