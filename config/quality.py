"""The weights of `routing.quality` as a file: `config/quality.json` as shipped, or a company's own."""

import json
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from config.routing import AdaptiveSettings
from routing.errors import ConfigError
from routing.quality import STYLE, Arm, QualityModel

SHIPPED = Path(__file__).parent / "quality.json"

TERMS_MAX = 50_000
"""Ten times what training keeps; each takes half a kilobyte of memory."""


class _Arm(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: str
    mean: float = Field(ge=0, le=1)
    style: tuple[float, ...] = Field(min_length=len(STYLE), max_length=len(STYLE))


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    source: str
    arms: tuple[_Arm, ...] = Field(min_length=1, max_length=64)
    centre: tuple[float, ...] = Field(min_length=len(STYLE), max_length=len(STYLE))
    scale: tuple[float, ...] = Field(min_length=len(STYLE), max_length=len(STYLE))
    terms: dict[str, tuple[float, ...]] = Field(max_length=TERMS_MAX)

    @model_validator(mode="after")
    def _fits_together(self) -> "_File":
        width = 1 + len(self.arms)
        if any(len(row) != width for row in self.terms.values()):
            raise ValueError(f"every term has {width} figures: its rarity, and one for each arm")
        if not all(self.scale):
            raise ValueError("a scale is 0")
        return self


@cache
def read_quality(path: Path = SHIPPED) -> QualityModel:
    """The weights in `path`, read once.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        file = _File.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigError(str(path), None, "", str(error)) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ConfigError(str(path), None, where, first["msg"]) from error
    arms = tuple(Arm(arm.name, arm.mean, arm.style) for arm in file.arms)
    return QualityModel(file.source, arms, file.centre, file.scale, file.terms)


def quality_of(settings: AdaptiveSettings) -> QualityModel:
    """The weights that are configured, the shipped ones where none are.

    Raises:
        ConfigError: the file cannot be read.
    """
    chosen = settings.quality_file
    return read_quality(SHIPPED if chosen is None else Path(chosen))


def write_quality(model: QualityModel, path: Path) -> None:
    """Write weights that `read_quality` reads.

    Raises:
        ConfigError: the file cannot be written.
    """
    plain = {
        "source": model.source,
        "arms": [{"name": arm.name, "mean": arm.mean, "style": arm.style} for arm in model.arms],
        "centre": model.centre,
        "scale": model.scale,
        "terms": model.terms,
    }
    try:
        path.write_text(json.dumps(plain, separators=(",", ":")) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(str(path), None, "", str(error)) from error
