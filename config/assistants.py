"""Assistants: who answers under a name, in numbered versions, as configuration.

What was an object at a vendor once (`asst_…`) is a block here: its id is any word, and a
changed assistant is a new version beside the old one, so that who answered stays known.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, model_validator

from config.values import Section, Text, Whole

# A model name is at most 256 characters on our routes, prefix and version included.
_ID = re.compile(r"[A-Za-z0-9_.-]{1,128}")

# As many as the routes take of a caller.
_TOOLS_MAX = 128
# OpenAI's own bound for an assistant's instructions.
_INSTRUCTIONS_MAX = 256_000


def _an_id(name: str) -> str:
    if not _ID.fullmatch(name):
        raise ValueError("an assistant's id is letters, digits, _, . and -, 128 at most")
    return name


def _unwrapped(value: object) -> object:
    """A tool as the Assistants API wrote it, its fields below `function`, in the flat form."""
    inner = value.get("function") if isinstance(value, Mapping) else None
    return {"type": "function", **inner} if isinstance(inner, Mapping) else value


class AssistantTool(Section):
    """A function the model may call, as OpenAI's tools are written."""

    type: Literal["function"] = Field(examples=["function"])
    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,128}$")] = Field(examples=["find_order"])
    description: str = Field(default="", max_length=10_000)
    parameters: dict[str, JsonValue] = Field(
        default={"type": "object", "properties": {}}, examples=["{type: object, properties: {}}"]
    )
    strict: bool = Field(default=False, examples=["false"])

    @model_validator(mode="after")
    def _takes_an_object(self) -> "AssistantTool":
        if self.parameters.get("type") != "object":
            raise ValueError(
                "parameters is no schema of an object; write parameters: {type: object}"
            )
        return self


class AssistantSettings(Section):
    """One version of an assistant.

    `model` is what a caller could ask for: `auto` and its kin, a platform, or its model.
    `state: server` keeps conversations at OpenAI; then `model` is openai or its model.
    """

    version: Whole = Field(default=1, ge=1, le=1_000_000, examples=[1])
    model: Text = Field(default="auto", examples=["auto"])
    instructions: str = Field(default="", max_length=_INSTRUCTIONS_MAX, examples=["Be brief."])
    tools: tuple[Annotated[AssistantTool, BeforeValidator(_unwrapped)], ...] = Field(
        default=(), max_length=_TOOLS_MAX
    )
    state: Literal["local", "server"] = Field(default="local", examples=["local"])
    max_tokens: Whole | None = Field(default=None, ge=1, le=1_000_000, examples=[800])

    @model_validator(mode="after")
    def _tools_have_names_of_their_own(self) -> "AssistantSettings":
        names = [tool.name for tool in self.tools]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"two tools are called {twice}; give one of them another name")
        return self


def _listed(value: object) -> object:
    return [value] if isinstance(value, Mapping) else value


def _each_once(versions: tuple[AssistantSettings, ...]) -> tuple[AssistantSettings, ...]:
    if not versions:
        raise ValueError("has no version; write a block of settings, or `- version: 1`")
    numbers = [each.version for each in versions]
    twice = next((number for number in numbers if numbers.count(number) > 1), None)
    if twice is not None:
        raise ValueError(f"version {twice} is written twice; number each version differently")
    return versions


Versions: TypeAlias = Annotated[
    tuple[AssistantSettings, ...],
    BeforeValidator(_listed, json_schema_input_type=AssistantSettings | list[AssistantSettings]),
    Field(max_length=1000),
    AfterValidator(_each_once),
]
"""The versions of one assistant; a block in place of a list is the only one."""

Assistants: TypeAlias = dict[Annotated[str, AfterValidator(_an_id)], Versions]
"""The assistants by their ids."""


def every_version(
    assistants: Mapping[str, tuple[AssistantSettings, ...]],
) -> Iterator[tuple[str, int, AssistantSettings]]:
    """Each version with its assistant's id and its place in the list."""
    for name, versions in assistants.items():
        for index, version in enumerate(versions):
            yield name, index, version
