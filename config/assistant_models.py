"""Whether what an assistant's `model` names is there, and can keep its conversations.

A model that was shut down is replaced by its successor, as a platform's is: assistants are
often older than the models they named.
"""

from config.assistants import AssistantSettings, every_version
from config.document import Document, Loc
from config.models import shipped_models
from config.modernise import Modern, model_name
from config.platforms import ModelSettings
from config.problems import Notice
from config.settings import Settings

STRATEGIES = (
    "auto",
    "auto:cost",
    "auto:latency",
    "auto:capability",
    "auto:balanced",
    "auto:adaptive",
)
"""The models that are no model: the road chooses."""

SERVER_STATE = "openai"
"""The one platform whose conversations are known to work as documented."""


def check_assistants(settings: Settings, document: Document) -> Modern:
    """The settings with assistants of current models, and what is wrong with the others."""
    result = Modern(settings)
    names = dict.fromkeys(STRATEGIES, "")
    for platform, given in settings.platforms.present():
        names[platform] = platform
        if isinstance(given, ModelSettings) and (model := model_name(given)):
            names.setdefault(model, platform)
            for further in given.models:
                names.setdefault(further.model, platform)
    current: dict[str, list[AssistantSettings]] = {}
    for name, index, version in every_version(settings.assistants):
        loc = document.written(("assistants", name, index, "model"))
        model = shipped_models().current(version.model)
        if version.model in names:
            model = version.model
        elif model in names:
            message = f"{version.model} was shut down; using {model}"
            error = document.error(loc, message)
            result.notices.append(Notice(error.path, error.line, error.key, error.message))
        current.setdefault(name, []).append(version.model_copy(update={"model": model}))
        _judge(result, document, loc, names, version, model)
    update = {"assistants": {name: tuple(versions) for name, versions in current.items()}}
    result.settings = settings.model_copy(update=update)
    return result


def _judge(
    result: Modern,
    document: Document,
    loc: Loc,
    names: dict[str, str],
    version: AssistantSettings,
    model: str,
) -> None:
    if model not in names:
        message = f"{version.model!r} is none of the models here; write one of: {', '.join(names)}"
        result.errors.append(document.error(loc, message))
    elif version.state == "server" and names[model] != SERVER_STATE:
        message = (
            f"state: server keeps conversations at {SERVER_STATE}, and model is {model}; "
            f"write model: {SERVER_STATE}, or state: local"
        )
        result.errors.append(document.error((*loc[:-1], "state"), message))
