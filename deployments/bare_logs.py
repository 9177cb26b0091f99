"""Logs without personal data: every record of this process, whoever writes it."""

import logging
from collections.abc import Callable
from typing import Any

from config.privacy import PrivacySettings
from deployments.privacy.bare import Bare
from deployments.privacy.find import Finder

_MARK = "_supportmax_bare"
# What is traced is of exceptions, whose messages may quote what was sent.
_TRACEBACKS = logging.Formatter()


def bare_logs(settings: PrivacySettings) -> None:
    """From now on, what is logged has the kinds of personal data in place of the data.

    Addresses of machines stay: they are what whoever reads a log at night looks for. Names are not
    found, as nobody knows here whom a line is about.
    """
    factory = logging.getLogRecordFactory()
    if settings.pii == "off" or hasattr(factory, _MARK):
        return
    kinds = frozenset(settings.kinds) - {"ip"}
    made = _made(factory, Bare(Finder(kinds, settings.region)))
    setattr(made, _MARK, True)
    logging.setLogRecordFactory(made)


def _made(
    factory: Callable[..., logging.LogRecord], bare: Bare
) -> Callable[..., logging.LogRecord]:
    def record_of(*args: Any, **more: Any) -> logging.LogRecord:
        record = factory(*args, **more)
        try:
            message = record.getMessage()
        except (TypeError, ValueError, KeyError):
            return record  # logging itself complains of it
        told = bare.text(message)
        if told != message:
            record.msg, record.args = told, ()
        if record.exc_info is not None and record.exc_info[0] is not None:
            record.exc_text = bare.text(_TRACEBACKS.formatException(record.exc_info))
        return record

    return record_of
