"""OpenAI's errors: their shape, their words for a bad request, and what each status says."""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic_core import ErrorDetails
from typing_extensions import override

from deployments.simulators.faults import Status

_TYPE_NAMES = {
    "string_type": "a string",
    "int_type": "an integer",
    "float_type": "a decimal",
    "bool_type": "a boolean",
    "list_type": "an array",
    "dict_type": "an object",
    "model_type": "an object",
}
_JSON_NAMES = {
    bool: "a boolean",
    int: "an integer",
    float: "a decimal",
    str: "a string",
    list: "an array",
    dict: "an object",
    type(None): "null",
}


@dataclass(frozen=True, slots=True)
class _Default:
    type: str
    code: str | None
    message: str


_DEFAULTS = {
    400: _Default("invalid_request_error", None, "Invalid request."),
    401: _Default("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    403: _Default(
        "invalid_request_error",
        "unsupported_country_region_territory",
        "Country, region, or territory not supported",
    ),
    404: _Default("invalid_request_error", "model_not_found", "The model does not exist."),
    429: _Default(
        "requests", "rate_limit_exceeded", "Rate limit reached for requests. Please try again."
    ),
    503: _Default(
        "server_error", "slow_down", "The engine is currently overloaded, please try again later"
    ),
}
_SERVER_ERROR = _Default(
    "server_error",
    None,
    "The server had an error while processing your request. Sorry about that!",
)


class OpenAIWireError(Exception):
    """An answer which is an error, in OpenAI's shape."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str = "invalid_request_error",  # noqa: A002 - the field's name on the wire
        code: str | None = None,
        param: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(status, message, type, code, param, retry_after_s)
        self.status = status
        self.message = message
        self.type = type
        self.code = code
        self.param = param
        self.retry_after_s = retry_after_s

    @override
    def __str__(self) -> str:
        return f"{self.status}: {self.message}"

    @property
    def body(self) -> dict[str, object]:
        """The JSON body of the answer."""
        return {
            "error": {
                "message": self.message,
                "type": self.type,
                "param": self.param,
                "code": self.code,
            }
        }


def scripted_error(fault: Status) -> OpenAIWireError:
    """Return the error a test has asked for, completed with what OpenAI says by default."""
    default = _DEFAULTS.get(fault.status, _SERVER_ERROR)
    return OpenAIWireError(
        fault.status,
        fault.message or default.message,
        type=fault.type or default.type,
        code=fault.code or default.code,
        retry_after_s=fault.retry_after_s,
    )


def invalid_request(problem: ErrorDetails, tags: frozenset[str]) -> OpenAIWireError:
    """Put pydantic's finding into OpenAI's words; `tags` are union labels which are not fields."""
    path = _path(problem["loc"], tags)
    kind = problem["type"]
    given = problem["input"]
    if kind == "extra_forbidden":
        return _bad(f"Unknown parameter: '{path}'.", path, "unknown_parameter")
    if kind == "missing":
        return _bad(f"Missing required parameter: '{path}'.", path, "missing_required_parameter")
    if kind in _TYPE_NAMES:
        actual = _JSON_NAMES.get(type(given), "something else")
        return _bad(
            f"Invalid type for '{path}': expected {_TYPE_NAMES[kind]}, but got {actual} instead.",
            path,
            "invalid_type",
        )
    if kind == "greater_than_equal":
        least = problem.get("ctx", {}).get("ge")
        return _bad(
            f"Invalid '{path}': integer below minimum value. "
            f"Expected a value >= {least}, but got {given} instead.",
            path,
            "integer_below_min_value",
        )
    if kind in ("literal_error", "union_tag_invalid"):
        allowed = problem.get("ctx", {}).get("expected") or problem.get("ctx", {}).get(
            "expected_tags"
        )
        return _bad(
            f"Invalid value: {given!r}. Supported values are: {allowed}.", path, "invalid_value"
        )
    return _bad(f"Invalid '{path}': {problem['msg']}.", path, "invalid_value")


def _bad(message: str, param: str, code: str) -> OpenAIWireError:
    return OpenAIWireError(400, message, param=param or None, code=code)


def _path(loc: Sequence[int | str], tags: frozenset[str]) -> str:
    """Write a location as OpenAI does: `input[0].content[1].text`."""
    path = ""
    for index, part in enumerate(loc):
        if isinstance(part, int):
            path += f"[{part}]"
        elif not (part in tags and index and isinstance(loc[index - 1], int)):
            path += f".{part}" if path else part
    return path
