"""Old words in a valid configuration: retired models, dropped temperatures, limits of models."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from config.document import Document, Loc
from config.models import AGENT_ENGINE_MODEL, COPILOT_MODEL, ModelTable, shipped_models
from config.platforms import (
    AnthropicSettings,
    AzureOpenAISettings,
    GoogleVertexSettings,
    ModelSettings,
    OpenAISettings,
    PlatformName,
    PlatformSettings,
)
from config.problems import Notice
from config.settings import Profile, Settings
from routing.capability import Capability
from routing.errors import ConfigError


@dataclass(slots=True)
class Modern:
    """The settings as they will be used, and what was said about the old ones."""

    settings: Settings
    notices: list[Notice] = field(default_factory=list)
    errors: list[ConfigError] = field(default_factory=list)


def modernise(settings: Settings, document: Document, profile: Profile) -> Modern:
    """The settings with current model names and only what their models take."""
    result = Modern(settings)
    changed: dict[str, PlatformSettings] = {}
    for name, platform in settings.platforms.present():
        step = _Step(name, document, result, shipped_models())
        if platform.simulated and profile == "production":
            message = "production does not simulate; delete the line or write `simulated: false`"
            step.error("simulated", message)
        _tell_of_inline_secrets(step, platform)
        if isinstance(platform, ModelSettings):
            changed[name] = _with_current_model(step, platform)
    platforms = settings.platforms.model_copy(update=changed)
    result.settings = settings.model_copy(update={"platforms": platforms})
    return result


@dataclass(frozen=True, slots=True)
class _Step:
    """One platform on its way, and where to speak about it."""

    platform: PlatformName
    document: Document
    result: Modern
    table: ModelTable

    def notice(self, key: str, message: str) -> None:
        error = self.document.error(self.loc(key), message)
        self.result.notices.append(Notice(error.path, error.line, error.key, error.message))

    def error(self, key: str, message: str) -> None:
        self.result.errors.append(self.document.error(self.loc(key), message))

    def loc(self, key: str) -> Loc:
        return ("platforms", self.platform, key)


def _tell_of_inline_secrets(step: _Step, platform: PlatformSettings) -> None:
    for key in ("api_key", "secret"):
        text = step.document.texts.get(step.loc(key))
        if text and "${" not in text:
            example = (type(platform).model_fields[key].examples or ["${NAME}"])[0]
            step.notice(
                key, f"a secret is written into the file; write {example} and set the variable"
            )


def _with_current_model(step: _Step, platform: ModelSettings) -> ModelSettings:
    if isinstance(platform, GoogleVertexSettings) and platform.agent_engine:
        return _without_what_an_agent_takes_not(step, platform)
    changes = dict(_model_changes(step, platform))
    model = changes.get("model", changes.get("base_model", model_name(platform)))
    facts = step.table.facts(step.platform, model)
    if not facts.known and model:
        # As it is written: with ${NAME} the wrong variable's value must not be printed.
        key = _model_key(platform)
        written = step.document.texts.get(step.loc(key), "")
        step.notice(
            key,
            f"{written!r} is no {step.platform} model this version knows; its limits are "
            "guessed: set max_tokens, quality and price_override yourself",
        )
    temperature = platform.temperature
    if temperature is not None and Capability.TEMPERATURE not in facts.capabilities:
        step.notice("temperature", f"{_spoken(facts.known, model)} takes none; it is left out")
        temperature = None
    if facts.known and (platform.max_tokens or 0) > facts.max_output_tokens:
        limit = facts.max_output_tokens
        step.error("max_tokens", f"{model} answers {limit} tokens at most; write {limit} or less")
    return platform.model_copy(update={**changes, "temperature": temperature})


def _without_what_an_agent_takes_not(
    step: _Step, platform: GoogleVertexSettings
) -> GoogleVertexSettings:
    for key in ("model", "max_tokens", "temperature"):
        if step.loc(key) in step.document.texts:
            step.notice(key, "an agent of Agent Engine has its own; it is left out")
    return platform.model_copy(update={"max_tokens": None, "temperature": None})


def _model_changes(step: _Step, platform: ModelSettings) -> Iterator[tuple[str, str]]:
    if isinstance(platform, AzureOpenAISettings) and platform.base_model is None:
        yield from _base_model(step, platform)
        return
    key = _model_key(platform)
    model = model_name(platform)
    retired = step.table.retired.get(model)
    retiring = step.table.retiring.get(model)
    if retired is not None:
        step.notice(key, f"{model} was shut down{_on(retired.ended)}; using {retired.use}")
        yield key, retired.use
    elif retiring is not None:
        step.notice(key, f"{model} will be shut down{_on(retiring.ends)}; write {retiring.use}")


def _base_model(step: _Step, platform: AzureOpenAISettings) -> Iterator[tuple[str, str]]:
    """A deployment may have any name; when it is a model's, that is our best guess."""
    deployment = platform.deployment or ""
    base_model = step.table.current(deployment)
    if not step.table.facts(step.platform, base_model).known:
        return
    if base_model != deployment:
        step.notice(
            "deployment",
            f"no base_model is written, and {deployment} was shut down; reckoning with the "
            f"prices and limits of {base_model}: write base_model: {base_model}, or what it is",
        )
    yield "base_model", base_model


def model_name(platform: ModelSettings) -> str:
    """The model whose limits and prices hold; empty when an Azure deployment does not say."""
    match platform:
        case GoogleVertexSettings(agent_engine=str()):
            return AGENT_ENGINE_MODEL
        case OpenAISettings() | AnthropicSettings() | GoogleVertexSettings():
            return platform.model
        case AzureOpenAISettings():
            return platform.base_model or platform.deployment or ""
        case _:
            return COPILOT_MODEL


def _model_key(platform: ModelSettings) -> str:
    if not isinstance(platform, AzureOpenAISettings):
        return "model"
    return "deployment" if platform.base_model is None else "base_model"


def _spoken(known: bool, model: str) -> str:
    return model if known else "a model this version does not know"


def _on(day: str | None) -> str:
    return "" if day is None else f" on {day}"
