"""Assistants as models of the vendors' routes: `assistant/ID` is its last version, `assistant/ID@N` one."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from config.assistants import AssistantSettings, every_version
from deployments.ingress.dialect import Wanted
from routing.errors import RequestError, Violation
from routing.message import ToolSpec

PREFIX = "assistant/"


@dataclass(frozen=True, slots=True)
class Assistant:
    """One version of an assistant: `name` is ID@N, `model` whom it asks."""

    name: str
    model: str
    instructions: str
    tools: tuple[ToolSpec, ...]
    state: Literal["local", "server"]
    max_tokens: int | None

    def instruct(self, wanted: Wanted) -> Wanted:
        """What is wanted, asked of the assistant: its words come before the caller's."""
        system = "\n\n".join(text for text in (self.instructions, wanted.request.system) if text)
        return replace(wanted, model=self.model, request=replace(wanted.request, system=system))


class Assistants:
    """The assistants of the configuration."""

    def __init__(self, settings: Mapping[str, tuple[AssistantSettings, ...]]) -> None:
        self._by_model: dict[str, Assistant] = {}
        for name, _, version in every_version(settings):
            self._by_model[f"{PREFIX}{name}@{version.version}"] = _assistant(name, version)
        for name, versions in settings.items():
            last = max(version.version for version in versions)
            self._by_model[PREFIX + name] = self._by_model[f"{PREFIX}{name}@{last}"]

    def find(self, model: str) -> Assistant | None:
        """The assistant that `model` names; None where it names something else.

        Raises:
            RequestError: there is no such assistant, or no such version.
        """
        found = self._by_model.get(model)
        if found is None and model.startswith(PREFIX):
            there = ", ".join(self._by_model) or "none"
            message = f"This assistant does not exist here; there are: {there}"
            raise RequestError("model_not_found", message, (Violation("/model", message),))
        return found

    def models(self) -> tuple[str, ...]:
        """Every name that `find` knows."""
        return tuple(self._by_model)


def _assistant(name: str, version: AssistantSettings) -> Assistant:
    return Assistant(
        name=f"{name}@{version.version}",
        model=version.model,
        instructions=version.instructions,
        tools=tuple(
            ToolSpec(tool.name, tool.description, tool.parameters, strict=tool.strict)
            for tool in version.tools
        ),
        state=version.state,
        max_tokens=version.max_tokens,
    )
