"""What is known about models: retired names, what each can do, and its limits."""

from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter

from config.document import read_document
from config.platforms import PlatformName
from config.values import Section
from routing.capability import Capability
from routing.errors import ConfigError
from routing.message import IMAGE_TYPES, ImageType
from routing.request_limits import DEAREST_IMAGE_TOKENS, RequestLimits
from routing.tool_schema import Dialect

COPILOT_MODEL = "copilot-studio"
"""Stands for the model that a Copilot Studio agent chooses by itself."""

AGENT_ENGINE_MODEL = "agent-engine"
"""The same for an agent of Google's Agent Engine."""

_TABLE = Path(__file__).with_name("models.yaml")

_Day = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]


class Retirement(Section):
    """A model that was shut down (`ended`) or will be (`ends`), and what to use instead."""

    ended: _Day | None = None
    ends: _Day | None = None
    use: str


class _Limits(Section):
    tools: int | None = None
    tool_name: str | None = None
    dialect: Dialect | None = None
    strict_tools: int | None = None
    strict_optionals: int | None = None
    strict_unions: int | None = None
    image_types: frozenset[ImageType] = IMAGE_TYPES
    names_image_types: bool = False
    image_tokens: int = Field(DEAREST_IMAGE_TOKENS, gt=0)
    continues: bool = True
    least_output_tokens: int = Field(1, gt=0)

    def limits(self, image_tokens: int | None) -> RequestLimits:
        """The same for routing, with what an image costs one model where that is its own."""
        family = RequestLimits(**dict(self))
        return family if image_tokens is None else replace(family, image_tokens=image_tokens)


class _Family(Section):
    platforms: tuple[PlatformName, ...]
    limits: _Limits
    capabilities: frozenset[Capability]
    context_window: int
    max_output_tokens: int
    prior_latency_ms: float


class _Row(Section):
    family: str
    quality: float = Field(ge=0, le=1)
    context_window: int | None = None
    max_output_tokens: int | None = None
    prior_latency_ms: float | None = None
    image_tokens: int | None = Field(None, gt=0)


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What one model can do; `known` is False where careful guesses stand in."""

    capabilities: frozenset[Capability]
    context_window: int
    max_output_tokens: int
    quality: float
    prior_latency_ms: float
    retires_at: str | None = None
    known: bool = True
    limits: RequestLimits = field(default_factory=RequestLimits)


# A model nobody told us about: the limits of a model of 2024, so that we ask for too little
# rather than too much, and no temperature, which most later ones refuse.
_UNKNOWN = ModelFacts(
    capabilities=frozenset(Capability) - {Capability.TEMPERATURE},
    context_window=128_000,
    max_output_tokens=16_384,
    quality=0.5,
    prior_latency_ms=2500.0,
    known=False,
)


class ModelTable(Section):
    """The table of models; see models.yaml for what its parts mean."""

    retired: dict[str, Retirement]
    retiring: dict[str, Retirement]
    families: dict[str, _Family]
    models: dict[str, _Row]

    def current(self, model: str) -> str:
        """The model to ask for when `model` is written."""
        notice = self.retired.get(model)
        return model if notice is None else notice.use

    def successor(self, model: str) -> str | None:
        """What to use in place of a model that was shut down or soon will be, None of another."""
        notice = self.retired.get(model) or self.retiring.get(model)
        return None if notice is None else notice.use

    def sold_on(self, model: str) -> frozenset[str]:
        """The platforms on which `model` is sold, none where it is not in the table."""
        platforms = {name for family in self.families.values() for name in family.platforms}
        return frozenset(name for name in platforms if self._row(name, model) is not None)

    def facts(self, platform: PlatformName, model: str) -> ModelFacts:
        """What `model` (after aliases) can do on `platform`."""
        row = self._row(platform, model)
        retiring = self.retiring.get(model)
        if row is None:
            return replace(_UNKNOWN, limits=self._usual_limits(platform))
        family = self.families[row.family]
        return ModelFacts(
            capabilities=family.capabilities,
            context_window=row.context_window or family.context_window,
            max_output_tokens=row.max_output_tokens or family.max_output_tokens,
            quality=row.quality,
            prior_latency_ms=row.prior_latency_ms or family.prior_latency_ms,
            retires_at=None if retiring is None else retiring.ends,
            limits=family.limits.limits(row.image_tokens),
        )

    def _usual_limits(self, platform: PlatformName) -> RequestLimits:
        """What the platform's wire takes whatever the model; an image may cost the dearest."""
        sold = [family for family in self.families.values() if platform in family.platforms]
        return sold[0].limits.limits(DEAREST_IMAGE_TOKENS)

    def _row(self, platform: PlatformName, model: str) -> _Row | None:
        fitting = [
            name
            for name, row in self.models.items()
            if (model == name or model.startswith((f"{name}-", f"{name}.")))
            and platform in self.families[row.family].platforms
        ]
        return self.models[max(fitting, key=len)] if fitting else None


@cache
def shipped_models() -> ModelTable:
    """The table that ships with this version, read once."""
    document = read_document(_TABLE)
    if document.errors:
        # Ours, not the operator's: still an error with a file and a line.
        raise ConfigError(*document.errors[0].args)
    return TypeAdapter(ModelTable).validate_python(document.data)
