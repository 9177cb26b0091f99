"""For whom a call is made, and how a tool in this process learns it.

A tool of ours is called over the wire and from this process alike, so it asks here and never
the request.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from deployments.security.principal import Principal

Progress = Callable[[float, float | None, str | None], Awaitable[None]]
"""Told how far a call is: done, of how much, and in words."""


@dataclass(frozen=True, slots=True)
class Caller:
    """For whom a call is made.

    `customer` is the user_id who is asked about: bound by us, never chosen by a model.
    `tainted` says that words of untrusted origin are in the conversation. `confirms_writes` says
    that we see the conversation and know it, where over the wire we only have to suppose it: every
    change then needs a human, also of the records of the customer who is spoken with.
    `subject_token` is the access token they came with, where an authorization server gave it: it
    is exchanged for others at such a server, and sent to nobody else. `only` are the reading tools
    they may call where they came with a token for these alone; they see nothing else. `unsaid` are
    the arguments of this call, by JSON pointer, that point at what nobody has said.
    """

    principal: Principal
    customer: str | None = None
    conversation_id: str | None = None
    tainted: bool = False
    confirms_writes: bool = False
    subject_token: str | None = field(default=None, repr=False, compare=False)
    only: frozenset[str] | None = None
    unsaid: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _UnderWay:
    caller: Caller
    idempotency_key: str | None
    progress: Progress | None


_under_way: ContextVar[_UnderWay] = ContextVar("mcp_call_under_way")


def current() -> Caller:
    """The caller of the call under way.

    Raises:
        LookupError: no call is under way; a tool was called past the gateway.
    """
    return _under_way.get().caller


def idempotency_key() -> str | None:
    """The key under which the call under way may be repeated; LookupError outside of one."""
    return _under_way.get().idempotency_key


async def report_progress(done: float, total: float | None = None, said: str | None = None) -> None:
    """Tell whoever waits for the call under way how far it is; nobody may be listening."""
    progress = _under_way.get().progress
    if progress is not None:
        await progress(done, total, said)


@contextmanager
def calling(
    caller: Caller, idempotency_key: str | None = None, progress: Progress | None = None
) -> Iterator[None]:
    """What runs inside is done for `caller`."""
    token = _under_way.set(_UnderWay(caller, idempotency_key, progress))
    try:
        yield
    finally:
        _under_way.reset(token)
