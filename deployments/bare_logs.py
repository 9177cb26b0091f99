"""Logs without personal data and of bounded length: every record of this process, whoever writes it."""

import logging
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeAlias

from typing_extensions import override

from config.privacy import PrivacySettings
from deployments.privacy.bare import Bare
from deployments.privacy.find import Finder

_MARK = "_supportmax_bare"
_ExcInfo: TypeAlias = (
    tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
)

FRAMES_MAX = 40
"""Of a traceback, the innermost: a request takes some 60 to where it is handled, all of them always
the same. A recursion has a thousand; 300 KB of them for one request would be a way to fill a disk."""


class _Traced(logging.Formatter):
    """What is traced is of exceptions, whose messages may quote what was sent."""

    @override
    def formatException(self, ei: _ExcInfo) -> str:
        kind, error, trace = ei
        lines = traceback.format_exception(kind, error, trace, limit=-FRAMES_MAX)
        return "".join(lines).rstrip("\n")


_TRACEBACKS = _Traced()


def bare_logs(settings: PrivacySettings) -> None:
    """From now on, what is logged has the kinds of personal data in place of the data.

    Addresses of machines stay: they are what whoever reads a log at night looks for. Names are not
    found, as nobody knows here whom a line is about. Where nothing is to be sealed, tracebacks alone are cut.
    """
    factory = logging.getLogRecordFactory()
    if hasattr(factory, _MARK):
        return
    bare = None
    if settings.pii != "off":
        bare = Bare(Finder(frozenset(settings.kinds) - {"ip"}, settings.region))
    made = _made(factory, bare)
    setattr(made, _MARK, True)
    logging.setLogRecordFactory(made)


def _made(
    factory: Callable[..., logging.LogRecord], bare: Bare | None
) -> Callable[..., logging.LogRecord]:
    def record_of(*args: Any, **more: Any) -> logging.LogRecord:
        record = factory(*args, **more)
        # False, where asyncio says that there is none.
        if record.exc_info and record.exc_info[0] is not None:
            traced = _TRACEBACKS.formatException(record.exc_info)
            record.exc_text = traced if bare is None else bare.text(traced)
        if bare is None:
            return record
        try:
            message = record.getMessage()
        except (TypeError, ValueError, KeyError):
            return record  # logging itself complains of it
        told = bare.text(message)
        if told != message:
            record.msg, record.args = told, ()
        return record

    return record_of
