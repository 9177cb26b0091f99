"""Whether names can be found as the configuration says: what is installed, and the pipelines' own words."""

import json
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from config.document import Loc
from config.extras import install
from config.loader import error_at
from config.privacy import NamesSettings
from config.settings import Settings
from routing.errors import ConfigError

_NEEDED = ("presidio_analyzer", "spacy")
# What the pipelines of spaCy call a person, by language.
_PEOPLE = frozenset({"PERSON", "PER", "persName", "PRS", "PS"})
_META_MAX = 4 << 20
_Where = Callable[[str], Path | None]


def names_problems(
    settings: Settings, paths: Sequence[Path] | None, where: _Where | None = None
) -> Iterator[ConfigError]:
    """Why names cannot be found; the start would stop at it. `where` is the folder of a package."""
    names = settings.privacy.names
    if names is None or settings.privacy.pii == "off":
        return
    found = _folder if where is None else where
    for key, message in _problems(names, found):
        yield error_at(paths, ("privacy", "names", *key), message)


def _problems(names: NamesSettings, where: _Where) -> Iterator[tuple[Loc, str]]:
    for package in _NEEDED:
        if where(package) is None:
            yield (), f"{package} is not installed; {install('names')}"
            return
    languages: dict[str, str] = {}
    for place, name in enumerate(names.pipelines):
        key: Loc = ("pipelines", place)
        folder = Path(name) if Path(name).is_dir() else where(name)
        if folder is None:
            yield (
                key,
                f"{name} is no folder and no installed package; install it, or correct the path",
            )
            continue
        try:
            with (folder / "meta.json").open("rb") as file:
                meta = json.loads(file.read(_META_MAX))
            language = str(meta["lang"])
            labels = {label for several in meta["labels"].values() for label in several}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            yield key, f"{name} is no spaCy pipeline: its meta.json cannot be read; name another"
            continue
        if not labels & _PEOPLE:
            yield key, f"{name} has no part that finds people; name a pipeline with ner"
        if language in languages:
            both = f"{languages[language]} and {name} are both of the language {language}"
            yield key, f"{both}; name one of them"
        languages[language] = name


def _folder(package: str) -> Path | None:
    """Where an installed package lies; it is not imported."""
    if not package.isidentifier():
        return None
    spec = find_spec(package)
    return None if spec is None or spec.origin is None else Path(spec.origin).parent
