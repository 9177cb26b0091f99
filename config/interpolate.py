"""`${NAME}` and `${NAME:-default}` in values, from the environment or from a file it names.

A variable that is not set leaves its value out, with the variable's name remembered: a platform
is then not configured, and says so; elsewhere it is an error. `$${` is a plain `${`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from config.document import Document, Loc, Value, dotted
from config.problems import Notice
from config.settings import Unset
from routing.errors import ConfigError

# 64 KiB: the largest credential we know of, a service account's key file, is about 2.4 KB.
_MAX_SECRET_BYTES = 65_536

_REFERENCE = re.compile(r"\$\$\{|\$\{([^}]*)(\}?)")
_CONTENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:(:-)(.*))?", re.DOTALL)


class VariableError(Exception):
    """A reference that cannot be read, or a file that a variable names and that cannot be."""


@dataclass(frozen=True, slots=True)
class Filled:
    """A text with its variables filled in; `text` is None when `unset` are missing."""

    text: str | None
    unset: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(slots=True)
class Interpolated:
    """The values after filling in, and what was found on the way.

    `emptied` are the places of `${NAME:-}` without a value.
    """

    data: dict[str, Value] = field(default_factory=dict)
    unset: list[Unset] = field(default_factory=list)
    emptied: list[Loc] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    errors: list[ConfigError] = field(default_factory=list)


def interpolate(document: Document, env: Mapping[str, str]) -> Interpolated:
    """Every value of `document` with its variables filled in; never raises."""
    result = Interpolated()
    result.data = _block(document, env, result, document.data, ())
    return result


def fill(text: str, env: Mapping[str, str]) -> Filled:
    """One text with its variables filled in.

    Raises:
        VariableError: the reference is malformed, or its file cannot be read.
    """
    parts: list[str] = []
    unset: list[str] = []
    warnings: list[str] = []
    end = 0
    for match in _REFERENCE.finditer(text):
        parts.append(text[end : match.start()])
        end = match.end()
        if match[1] is None:
            parts.append("${")
            continue
        name, default = _reference(match[1], closed=bool(match[2]))
        value, warning = _look_up(name, env)
        if warning is not None:
            warnings.append(warning)
        if value:
            parts.append(value)
        elif default is None:
            unset.append(name)
        else:
            parts.append(default)
    parts.append(text[end:])
    missing = tuple(dict.fromkeys(unset))
    return Filled(None if missing else "".join(parts), missing, tuple(warnings))


def _reference(content: str, *, closed: bool) -> tuple[str, str | None]:
    match = _CONTENT.fullmatch(content)
    if not closed or match is None or "${" in content:
        # The content is not quoted: it may be a default, and a default may be a secret.
        raise VariableError(
            "holds a variable that cannot be read; write ${NAME} or ${NAME:-default} "
            "(letters, digits and _ in the name, no variable in the default), "
            "or $${ where a plain ${ is meant"
        )
    return match[1], match[3] if match[2] else None


def _look_up(name: str, env: Mapping[str, str]) -> tuple[str | None, str | None]:
    """The value of a variable and what to warn about; an empty variable is not set."""
    value = env.get(name)
    file = env.get(f"{name}_FILE")
    if value or not file:
        return value, None
    path = Path(file)
    try:
        with path.open("rb") as stream:
            content = stream.read(_MAX_SECRET_BYTES + 1)
            mode = path.stat().st_mode
        text = content.decode("utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise VariableError(
            f"{name}_FILE names {path.name!r}, which cannot be read: "
            f"{reason or type(error).__name__}; correct the path or its permissions"
        ) from None
    if len(content) > _MAX_SECRET_BYTES:
        raise VariableError(f"{name}_FILE names {path.name!r}, which is too large for a secret")
    warning = None
    if mode & 0o044:
        warning = f"the file {path.name!r} ({name}_FILE) can be read by others; chmod 600 it"
    return text.rstrip("\r\n"), warning


def _value(
    document: Document, env: Mapping[str, str], result: Interpolated, value: Value, loc: Loc
) -> tuple[Value, bool]:
    """The value filled in, and whether it is there at all."""
    if isinstance(value, dict):
        return _block(document, env, result, value, loc), True
    if isinstance(value, list):
        items = [
            _value(document, env, result, item, (*loc, index)) for index, item in enumerate(value)
        ]
        # Without one of its members a list says something else: then it is not there, and the
        # loader refuses what its absence would open.
        return [item for item, _ in items], all(present for _, present in items)
    if not isinstance(value, str) or "${" not in value:
        return value, True
    try:
        filled = fill(value, env)
    except VariableError as error:
        result.errors.append(document.error(loc, str(error)))
        return None, False
    result.notices.extend(_notice(document, loc, warning) for warning in filled.warnings)
    if filled.unset:
        result.unset.append(Unset(loc, dotted(loc), filled.unset))
    elif not filled.text:
        result.emptied.append(loc)
    # `${NAME:-}` is how one says "if there is one": empty, so left out, without a word.
    return filled.text, bool(filled.text)


def _block(
    document: Document,
    env: Mapping[str, str],
    result: Interpolated,
    block: dict[str, Value],
    loc: Loc,
) -> dict[str, Value]:
    filled = {
        key: _value(document, env, result, value, (*loc, key)) for key, value in block.items()
    }
    return {key: value for key, (value, present) in filled.items() if present}


def _notice(document: Document, loc: Loc, message: str) -> Notice:
    error = document.error(loc, message)
    return Notice(error.path, error.line, error.key, error.message)
