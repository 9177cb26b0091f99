"""Recorded outcomes from files: ours, ParetoBandit's K3 and RouteLLM's benchmarks, told apart by shape.

Ours is one JSON object a line: `{"prompt": "…", "targets": {"openai/gpt-6-luna": {"reward":
0.9, "cost_usd": 0.0002, "latency_ms": 900}, …}}`, every row with the same targets. Where
only one target's outcome is known it is `{"prompt": "…", "target": "…", "reward": 0.9,
"cost_usd": 0.0002, "propensity": 0.95}`.
"""

import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from routing.errors import ConfigError

ROWS_MAX = 200_000
"""Of one file: 200,000 prompts are half a gigabyte of memory."""

_CHARS_PER_TOKEN = 4
# USD per million tokens, input and output, when RouteLLM's answers were made: OpenAI's list
# price of gpt-4-1106-preview, Anyscale's of Mixtral 8x7B.
_ROUTELLM = {"gpt-4-1106-preview": (10.0, 30.0), "mixtral-8x7b-instruct": (0.5, 0.5)}

_Reward = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
_Cost = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Row(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class TargetOutcome(_Row):
    """What one target's answer was worth, and cost."""

    reward: _Reward
    cost_usd: _Cost
    latency_ms: _Cost | None = None


class Row(_Row):
    """A question with every target's outcome."""

    prompt: str
    targets: Annotated[Mapping[str, TargetOutcome], Field(min_length=2)]


class LoggedRow(_Row):
    """A question with the outcome of the one target that was asked, and how likely that was."""

    prompt: str = ""
    target: str
    reward: _Reward
    cost_usd: _Cost
    propensity: Annotated[float, Field(gt=0, le=1)]


class _K3Arm(_Row):
    reward: _Reward
    cost: _Cost


class _K3Row(_Row):
    prompt: str
    arms: Mapping[str, _K3Arm]


class _RouteLLMRow(_Row):
    prompt: str
    benchmark: str
    weak: Literal[0, 1]
    strong: Literal[0, 1]
    weak_chars: int = 1  # a letter, where none is told
    strong_chars: int = 1


@dataclass
class Recorded:
    """What was read, by data set; `left_out` says which files had nothing of use."""

    full: dict[str, list[Row]] = field(default_factory=dict)
    logged: dict[str, list[LoggedRow]] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


def read_recorded(path: Path) -> Recorded:
    """Everything in a file, or in the `.jsonl` and `.jsonl.gz` files of a folder.

    Raises:
        ConfigError: there is nothing, or a line cannot be read; it says which.
    """
    if not path.exists():
        raise ConfigError(str(path), None, "", "there is no such file or folder")
    files = sorted([*path.glob("*.jsonl"), *path.glob("*.jsonl.gz")]) if path.is_dir() else [path]
    found = Recorded()
    for file in files:
        name = file.name.removesuffix(".gz").removesuffix(".jsonl")
        if path.is_dir():
            name = f"{path.name}/{name}"
        _read_file(file, name, found, must=not path.is_dir())
    if not found.full and not found.logged:
        raise ConfigError(str(path), None, "", "there are no recorded outcomes in it")
    for name, rows in found.full.items():
        if any(row.targets.keys() != rows[0].targets.keys() for row in rows):
            raise ConfigError(str(path), None, name, "every row must have the same targets")
    return found


def _read_file(file: Path, name: str, found: Recorded, *, must: bool) -> None:
    for number, plain in _lines(file):
        if number > ROWS_MAX:
            raise ConfigError(str(file), number, "", f"more than {ROWS_MAX} rows; split the file")
        try:
            match plain:
                case {"targets": _}:
                    found.full.setdefault(name, []).append(Row.model_validate(plain))
                case {"target": _}:
                    found.logged.setdefault(name, []).append(LoggedRow.model_validate(plain))
                case {"arms": _}:
                    found.full.setdefault(name, []).append(_of_k3(_K3Row.model_validate(plain)))
                case {"weak": _, "strong": _}:
                    row = _RouteLLMRow.model_validate(plain)
                    benchmark = row.benchmark.partition("_")[0]
                    found.full.setdefault(f"{name}/{benchmark}", []).append(_of_routellm(row))
                case _ if must:
                    message = 'neither "targets" nor "target" in it; see `supportmax simulate -h`'
                    raise ConfigError(str(file), number, "", message)
                case _:
                    found.left_out.append(f"{file.name}: no prompts with outcomes")
                    return
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise ConfigError(str(file), number, where, first["msg"]) from None


def _lines(file: Path) -> Iterator[tuple[int, object]]:
    number = 0
    try:
        with gzip.open(file, "rt") if file.suffix == ".gz" else file.open() as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield number, json.loads(line)
    except (OSError, EOFError) as error:
        raise ConfigError(str(file), None, "", str(error)) from error
    except ValueError as error:  # no JSON, or no UTF-8
        raise ConfigError(str(file), max(number, 1), "", f"no JSON: {error}") from error


def _of_k3(row: _K3Row) -> Row:
    targets = {
        name: TargetOutcome(reward=arm.reward, cost_usd=arm.cost) for name, arm in row.arms.items()
    }
    return Row(prompt=row.prompt, targets=targets)


def _of_routellm(row: _RouteLLMRow) -> Row:
    targets = {}
    answers = ((row.strong, row.strong_chars), (row.weak, row.weak_chars))
    for (name, (in_rate, out_rate)), (reward, chars) in zip(
        _ROUTELLM.items(), answers, strict=True
    ):
        tokens_usd = (len(row.prompt) * in_rate + chars * out_rate) / _CHARS_PER_TOKEN / 1e6
        targets[name] = TargetOutcome(reward=reward, cost_usd=tokens_usd)
    return Row(prompt=row.prompt, targets=targets)
