"""Read, fill in, validate and modernise the configuration, and say everything that is wrong."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from config.assistant_models import check_assistants
from config.changes import Changes, lay_over
from config.document import Document, Loc, Value, read_document, undotted
from config.explain import explain_all
from config.gateway_port import check_gateway_port
from config.interpolate import interpolate
from config.modernise import modernise
from config.problems import ConfigErrors, Notice
from config.settings import Profile, Settings, Unset
from config.unset import may_be_unset, unset_errors
from config.upstream_check import check_upstreams
from routing.errors import ConfigError

_HERE = Path(__file__).parent

SHIPPED = tuple(
    _HERE / f"{name}_config.yaml" for name in ("platform", "mcp", "security", "routing")
)
"""The configuration as shipped."""

# More files than sections exist is a directory of something else.
_MAX_FILES = 20


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings, and what should be changed although it works."""

    settings: Settings
    warnings: tuple[Notice, ...]


def load_settings(
    paths: Sequence[Path] | None,
    env: Mapping[str, str],
    profile: Profile,
    changes: Changes | None = None,
) -> Loaded:
    """The configuration in files, directories (their *.yaml) or, with None, as shipped.

    `changes` are laid over what the files say of platforms, and checked with it.

    Raises:
        ConfigErrors: (a ConfigError) with every error found, each with file, line and key.
    """
    files, errors = _files(paths)
    document = read_document(*files)
    filled = interpolate(document, env)
    errors += document.errors
    errors += filled.errors
    errors += lay_over(document, filled, changes or {})
    errors += unset_errors(document, filled.unset, filled.emptied)
    settings = _validate(document, filled.data, filled.unset, errors)
    notices = [*filled.notices, *_left_out(document, filled.unset)]
    if settings is not None:
        modern = modernise(settings, document, profile)
        settings = modern.settings
        errors += modern.errors
        notices += modern.notices
        checked = check_assistants(settings, document)
        settings = checked.settings
        errors += checked.errors
        notices += checked.notices
        notices += check_gateway_port(settings, document)
        errors += check_upstreams(settings, document, profile)
    if errors or settings is None:
        raise ConfigErrors(sorted(errors, key=lambda error: (error.path, error.line or 0)))
    return Loaded(settings, tuple(notices))


def error_at(paths: Sequence[Path] | None, key: Loc, message: str) -> ConfigError:
    """An error in what a key says that only its user could find, with file and line.

    `paths` are those `load_settings` was given. A key that is not written is a default's.
    """
    files, _ = _files(paths)
    document = read_document(*files)
    return document.error(key, message)


def located(paths: Sequence[Path] | None, error: ConfigError) -> ConfigError:
    """`error` with the file and line where its key is written, where it names none itself."""
    is_placed = error.line is not None or error.path != "configuration" or not error.key
    if is_placed or isinstance(error, ConfigErrors):
        return error
    return error_at(paths, undotted(error.key), error.message)


def _files(paths: Sequence[Path] | None) -> tuple[list[Path], list[ConfigError]]:
    files: list[Path] = []
    errors: list[ConfigError] = []
    for path in paths if paths is not None else SHIPPED:
        if not path.is_dir():
            files.append(path)
            continue
        if path.resolve() == _HERE.resolve():
            # Our own directory also holds tables that are no settings, like models.yaml.
            files.extend(SHIPPED)
            continue
        try:
            inside = sorted(item for item in path.iterdir() if item.suffix in {".yaml", ".yml"})
        except OSError as error:
            errors.append(ConfigError(str(path), None, "", f"cannot be read: {error.strerror}"))
            continue
        files.extend(inside[:_MAX_FILES])
        if not inside:
            errors.append(ConfigError(str(path), None, "", "holds no *.yaml file"))
        if len(inside) > _MAX_FILES:
            message = f"holds more than {_MAX_FILES} YAML files; name the ones that are meant"
            errors.append(ConfigError(str(path), None, "", message))
    return files, errors


def _validate(
    document: Document,
    data: dict[str, Value],
    unset: Sequence[Unset],
    errors: list[ConfigError],
) -> Settings | None:
    if "unset" in data:
        # The loader's own field: in a file it is a key like any other we do not know.
        errors.append(document.error(("unset",), "is not a setting; delete it"))
    locs = {value.loc for value in unset}
    while True:
        try:
            return Settings.model_validate({**data, "unset": tuple(unset)})
        except ValidationError as error:
            found = error.errors(include_url=False)
        # Each round takes a block away, so this ends.
        if not sum(_prune(data, details, locs) for details in found):
            # What a variable's absence makes wrong is told by the variable's name alone.
            refused = {each.loc for each in unset if not may_be_unset(each.loc)}
            own = [each for each in found if not _follows(each, refused, document)]
            errors += explain_all(own, document)
            return None


def _follows(details: ErrorDetails, refused: Collection[Loc], document: Document) -> bool:
    """Whether something is only wrong because of a variable that is not set in it."""
    loc: Loc = details["loc"]
    if loc[:-1] not in document.places:
        # One of several kinds that a block may be; pydantic's name of the kind is in between.
        while loc and loc not in document.places:
            loc = loc[:-1]
    elif details["type"] not in {"value_error", "too_short", "missing"}:
        return False
    return any(each[: len(loc)] == loc for each in refused)


def _prune(data: dict[str, Value], details: ErrorDetails, unset: Collection[Loc]) -> bool:
    """Take a block away that is only wrong because a variable in it is not set.

    Where it may be missing, what it belongs to is not configured. Anywhere else it is an error
    already, and this one would only follow from it.
    """
    loc: Loc = details["loc"]
    if details["type"] == "missing" and loc in unset:
        block = loc[:-1]
    elif details["type"] == "value_error" and loc[0] == "platforms":
        block = loc
    else:
        return False
    while block and isinstance(block[-1], int):
        block = block[:-1]
    if not any(value[: len(block)] == block for value in unset):
        return False
    parent: Value = data
    for part in block[:-1]:
        if isinstance(parent, dict):
            parent = parent.get(str(part))
        elif isinstance(parent, list) and isinstance(part, int) and part < len(parent):
            parent = parent[part]
    return isinstance(parent, dict) and parent.pop(str(block[-1]), None) is not None


def _left_out(document: Document, unset: Sequence[Unset]) -> list[Notice]:
    """Notices of what is left out; platforms and authorities tell their own.

    So does the provider under `sso` while none of its variables is set and it is no tenant's yet, as it
    is shipped: it is not meant to be used.
    """
    missing = {value.loc for value in unset}
    named = {loc for loc, text in document.texts.items() if loc[0] == "sso" and "${" in text}
    is_as_shipped = named <= missing and ("sso", "tenant") not in document.texts
    silent = ("platforms.", "mcp.authorities.", *(["sso."] if is_as_shipped else []))
    return [
        Notice(place.path, place.line, value.key, f"{', '.join(value.names)} not set; left out")
        for value in unset
        if not value.key.startswith(silent) and (place := document.place(value.loc))
    ]
