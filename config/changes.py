"""Changes of platforms' settings that were made while the service runs, laid over the files.

They pass the very checks that the files pass. What decides where a vendor's key is sent, and what a
process is made of, is not changed this way: an address is how a key would leave the house.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from config.assistants import every_version
from config.document import Document, Loc, Value
from config.interpolate import Interpolated
from config.modernise import model_name
from config.platforms import (
    AnthropicSettings,
    AzureOpenAISettings,
    CopilotStudioSettings,
    GoogleVertexSettings,
    ModelSettings,
    OpenAISettings,
    PlatformSettings,
)
from config.problems import ConfigErrors
from config.settings import Settings
from routing.errors import ConfigError
from routing.message import Json

Changes: TypeAlias = Mapping[str, Mapping[str, Json]]
"""By platform and key, what holds in place of the files."""

_EVERYONE = frozenset(
    {"enabled", "timeout_s", "max_connections", "quality", "regions", "price_override"}
)
_TUNABLE = _EVERYONE | {"models", "max_tokens", "temperature"}
_KINDS: Mapping[str, tuple[type[PlatformSettings], frozenset[str]]] = {
    "openai": (OpenAISettings, _TUNABLE | {"model"}),
    "anthropic": (AnthropicSettings, _TUNABLE | {"model"}),
    "azure_openai": (AzureOpenAISettings, _TUNABLE | {"deployment", "base_model"}),
    "google_vertex": (GoogleVertexSettings, _TUNABLE | {"model"}),
    "copilot_studio": (CopilotStudioSettings, _EVERYONE | {"credits_per_message"}),
}
_AT_START = frozenset({"simulated", "hosted_mcp", "replicas"})
# A name of a model or a region: it may stand in a vendor's path, so it climbs to no other. What
# looks like somebody's key is no name, and would be kept.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._:@/-]{0,199}")
# A figure of any size, also one that is out of bounds: that is for the settings themselves to say.
_FIGURE = re.compile(
    r"[-+]?(?:[0-9]{1,20}(?:\.[0-9]{0,20})?|\.[0-9]{1,20})(?:[eE][-+]?[0-9]{1,3})?"
)
_SECRET = re.compile(
    r"(?i)^(?:sk|pk|smk|gsk|xai|ghp|key|token|bearer)[-_ ]|^(?:eyJ|AIza)|[A-Za-z0-9]{32}|\.\.|//"
)


def changeable(platform: str) -> frozenset[str]:
    """The keys of a platform that may be changed while it runs; none of one there is not."""
    return _KINDS[platform][1] if platform in _KINDS else frozenset()


def must_be_changeable(platform: str, changes: Mapping[str, Json]) -> None:
    """Raise ConfigErrors with every key that is not changed this way, and where it is."""
    if platform not in _KINDS:
        message = f"there is no such platform; there are: {', '.join(_KINDS)}"
        raise ConfigErrors([ConfigError("change", None, f"platforms.{platform}", message)])
    kind, allowed = _KINDS[platform]
    errors: list[ConfigError] = []
    for key, value in changes.items():
        where = f"platforms.{platform}.{key}"
        if key in allowed:
            if not all(map(_may_be_kept, _texts(value))):
                message = "a text here is the name of a model or of a region, and nothing else"
                errors.append(ConfigError("change", None, where, message))
        elif key in _AT_START:
            message = "is decided when the service starts; write it into the file and start again"
            errors.append(ConfigError("change", None, where, message))
        elif key in kind.model_fields:
            message = (
                "says who is asked, or with which key; that is changed in the configuration's "
                "file alone, by whoever holds it"
            )
            errors.append(ConfigError("change", None, where, message))
        else:
            message = f"is not changed while it runs; possible here: {', '.join(sorted(allowed))}"
            errors.append(ConfigError("change", None, where, message))
    if errors:
        raise ConfigErrors(errors)


def merged(before: Changes, platform: str, asked: Mapping[str, Json]) -> Changes:
    """`before` with these keys too; a null puts its key back to what the files say."""
    keys = {**before.get(platform, {}), **asked}
    kept = {key: value for key, value in keys.items() if value is not None}
    others = {name: dict(changed) for name, changed in before.items() if name != platform}
    return others | ({platform: kept} if kept else {})


def lay_over(document: Document, filled: Interpolated, changes: Changes) -> Iterator[ConfigError]:
    """Put `changes` in place of what the files say; every platform the files do not have is an error."""
    platforms = filled.data.get("platforms")
    for name, keys in changes.items():
        block = platforms.get(name) if isinstance(platforms, dict) else None
        if not isinstance(block, dict):
            yield document.error(("platforms", name), "is not in the configuration's files")
            continue
        for key, value in keys.items():
            loc: Loc = ("platforms", name, key)
            for known in [known for known in document.texts if known[:3] == loc]:
                del document.texts[known]
            filled.unset[:] = [each for each in filled.unset if each.loc[:3] != loc]
            block[key] = _remembered(document, loc, value)


def must_not_be_missed(before: Settings, after: Settings) -> None:
    """Raise ConfigErrors where an assistant names a platform that `after` switches off, and `before` did not."""
    gone = _in_use(before) - _in_use(after)
    if not gone:
        return
    errors: list[ConfigError] = []
    named = {platform: platform for platform in gone}
    for platform, given in after.platforms.present():
        if isinstance(given, ModelSettings):
            for model in (model_name(given), *(further.model for further in given.models)):
                if platform in gone:
                    named.setdefault(model, platform)
                elif given.enabled:
                    named.pop(model, None)
    for assistant, _, version in every_version(after.assistants):
        if version.model in named:
            owner = named[version.model]
            message = f"the assistant {assistant} names {version.model}; let it name another first"
            errors.append(ConfigError("change", None, f"platforms.{owner}.enabled", message))
    if errors:
        raise ConfigErrors(errors)


def missed(after: Settings) -> Iterator[str]:
    """What goes on without a platform that is off, as it would after a start."""
    using = _in_use(after)
    routing = after.routing
    if routing.default_platform is not None and routing.default_platform not in using:
        yield f"routing.default_platform: {routing.default_platform} is off; savings are compared with a platform nobody can ask"
    for name in routing.fallback_platforms:
        if name not in using:
            yield f"routing.fallback_platforms: {name} is off and left out"
    if not using:
        yield "no platform can answer; every chat will be refused with 503"


def _in_use(settings: Settings) -> frozenset[str]:
    return frozenset(name for name, given in settings.platforms.present() if given.enabled)


def _remembered(document: Document, loc: Loc, value: Json) -> Value:
    """A copy of `value`, its places and texts known to the document, so that errors name its keys."""
    place = document.place(loc[:-1])
    if place is not None:
        document.places[loc] = place
    if isinstance(value, Mapping):
        return {key: _remembered(document, (*loc, key), each) for key, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_remembered(document, (*loc, index), each) for index, each in enumerate(value)]
    document.texts[loc] = str(value)
    return value


def _may_be_kept(text: str) -> bool:
    """Whether a text is a figure, or the name of something, and nobody's key."""
    is_name = _NAME.fullmatch(text) is not None and _SECRET.search(text) is None
    return is_name or _FIGURE.fullmatch(text) is not None


def _texts(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield key
            yield from _texts(each)
    elif isinstance(value, Sequence):
        for each in value:
            yield from _texts(each)
