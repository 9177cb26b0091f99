"""Whether arguments are what a tool's schema says, before anybody is asked."""

import logging
from functools import lru_cache
from typing import Any

import orjson

from routing.message import JsonObject

_log = logging.getLogger(__name__)

# The schemas of a tenant's tools; those of one that has more are read again.
VALIDATORS_MAX = 512
_SHOWN = 300


def complaint(schema: JsonObject, arguments: JsonObject) -> str | None:
    """What is wrong with the arguments, for the model that wrote them; None where nothing is."""
    # Here and not above: it takes 60 ms to load, and the process that deploys checks nothing.
    from jsonschema.exceptions import (  # type: ignore[import-untyped]  # noqa: PLC0415
        best_match,
    )

    try:
        # The library knows only dictionaries and lists.
        said = orjson.loads(orjson.dumps(dict(arguments)))
    except TypeError:
        return "the arguments are no JSON"
    try:
        found = best_match(_validator(orjson.dumps(schema)).iter_errors(said))
    except Exception:  # noqa: BLE001  a schema that cannot be read vouches for nothing
        _log.exception("a tool's schema cannot be checked against")
        return "the tool's schema cannot be read"
    if found is None:
        return None
    where = "".join(f"/{part}" for part in found.absolute_path)
    return f"{where or 'the arguments'}: {found.message[:_SHOWN]}"


@lru_cache(maxsize=VALIDATORS_MAX)
def _validator(schema: bytes) -> Any:  # the library has no types
    from jsonschema import (  # type: ignore[import-untyped]  # noqa: PLC0415
        Draft202012Validator,
    )
    from referencing import Registry  # noqa: PLC0415

    # A registry of its own, and an empty one: without it the library fetches what a schema refers
    # to, wherever that is.
    return Draft202012Validator(orjson.loads(schema), registry=Registry())
