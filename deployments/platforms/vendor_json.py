"""A vendor's JSON at the border: parsed into what was promised, or refused as a bad reply."""

from collections.abc import Mapping, Sequence
from typing import TypeVar, cast

import orjson
from pydantic import BaseModel, ValidationError

from deployments.platforms import errors
from deployments.platforms.sse import SseEvent
from routing.message import Json, JsonObject

_Model = TypeVar("_Model", bound=BaseModel)


def dump(value: Json) -> bytes:
    """`value` as compact JSON."""
    return orjson.dumps(value, default=_plain)


def load_object(platform: str, raw: bytes | str) -> JsonObject:
    """The JSON object in `raw`.

    Raises:
        PlatformError: It is no JSON, or no object.
    """
    try:
        value: object = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise errors.bad_reply(platform, f"not JSON: {error}") from error
    if isinstance(value, dict):
        return cast("JsonObject", value)
    raise errors.bad_reply(platform, f"not a JSON object but {type(value).__name__}")


def try_object(raw: bytes) -> JsonObject:
    """The JSON object in `raw`, or an empty one: an error's body may be anything."""
    try:
        value: object = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return {}
    return cast("JsonObject", value) if isinstance(value, dict) else {}


def load_arguments(platform: str, raw: str) -> JsonObject:
    """A tool call's arguments; a tool without parameters may be called with an empty string."""
    return load_object(platform, raw) if raw.strip() else {}


def validated(platform: str, model: type[_Model], value: object) -> _Model:
    """`value` as `model`; fields the model does not know are passed over.

    Raises:
        PlatformError: A field is missing, or is not of its type.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise errors.bad_reply(platform, f"{where}: {first['msg']}") from error


def object_in(value: JsonObject, key: str) -> JsonObject:
    """The object under `key`, or an empty one."""
    found = value.get(key)
    return found if isinstance(found, Mapping) else {}


def text_in(value: JsonObject, key: str) -> str:
    """The string under `key`, or an empty one."""
    found = value.get(key)
    return found if isinstance(found, str) else ""


def kind_of(event: SseEvent) -> str:
    """The event's kind: its name, or the `type` in its data where a gateway dropped the name."""
    return event.event or text_in(try_object(event.data), "type")


def _plain(value: object) -> object:
    """Mappings and sequences that are no dict and no list, for orjson."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence):
        return list(value)
    raise TypeError(type(value).__name__)
