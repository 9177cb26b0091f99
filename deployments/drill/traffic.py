"""Who asks when, and how quickly platforms answer: from CSV files, or synthetic and seeded."""

import csv
import gzip
import io
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO, cast

from routing.errors import ConfigError

# A year of minutes is half of it; more is a load test, and no drill.
ARRIVALS_MAX = 1_000_000
LATENCIES_MAX = 100_000

DEFAULT_TOKENS = (900, 120)
"""Of an arrival that names none: a grounded question, and a paragraph for an answer."""

# Where nothing was measured: medians and spreads of about what hosted models show in 2026.
_FIRST_BYTE_S = (0.35, 0.45)
_PER_TOKEN_S = (0.008, 0.25)


@dataclass(frozen=True, slots=True)
class Asked:
    """One question: when, in seconds from the start, and how long it and its answer are."""

    second: float
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Latency:
    """One answer as measured: the wait for its first byte, and each token's after it, in seconds."""

    first_byte_s: float
    per_token_s: float


def read_arrivals(path: Path) -> tuple[Asked, ...]:
    """Questions of a CSV file: seconds or a timestamp, then maybe input and output tokens.

    Timestamps count from the first row. A first row of titles is passed over.

    Raises:
        ConfigError: a row is not like that, or comes before the one above it.
    """
    found: list[tuple[float, int, int]] = []
    for line, row in _rows(path, ARRIVALS_MAX):
        try:
            tokens = [int(cell) for cell in row[1:3]]
            at = (_seconds(row[0]), *tokens, *DEFAULT_TOKENS[len(tokens) :])
        except ValueError:
            if line == 1:
                continue
            message = "is no `seconds[,input tokens,output tokens]` or timestamp"
            raise ConfigError(str(path), line, "", message) from None
        if found and at[0] < found[-1][0]:
            raise ConfigError(str(path), line, "", "comes before the row above; sort the file")
        found.append(cast("tuple[float, int, int]", at))
    if not found:
        raise ConfigError(str(path), None, "", "holds no arrivals")
    # Seconds count from zero by themselves; of a date only differences mean something.
    zero = found[0][0] if found[0][0] > _A_YEAR_S else 0.0
    return tuple(Asked(at - zero, max(i, 1), max(o, 1)) for at, i, o in found)


def read_latencies(path: Path) -> dict[str, tuple[Latency, ...]]:
    """Measured answers of a CSV file by platform: platform, first byte and each token in seconds.

    Raises:
        ConfigError: a row is not like that.
    """
    found: dict[str, list[Latency]] = {}
    for line, row in _rows(path, LATENCIES_MAX):
        try:
            platform, first_byte_s, per_token_s = row[0], float(row[1]), float(row[2])
        except (ValueError, IndexError):
            if line == 1:
                continue
            message = "is no `platform,first byte in seconds,seconds a token`"
            raise ConfigError(str(path), line, "", message) from None
        if not (0 <= first_byte_s < _A_YEAR_S and 0 <= per_token_s < _A_YEAR_S):
            raise ConfigError(str(path), line, "", "holds a time that cannot be")
        found.setdefault(platform.strip(), []).append(Latency(first_byte_s, per_token_s))
    return {platform: tuple(rows) for platform, rows in found.items()}


def make_arrivals(seed: int, a_second: float, seconds: float) -> tuple[Asked, ...]:
    """Questions that come independently of each other, `a_second` on average."""
    rng = random.Random(f"arrivals/{seed}")  # noqa: S311  a drill is to be repeatable
    arrivals: list[Asked] = []
    at = rng.expovariate(a_second)
    while at < seconds and len(arrivals) < ARRIVALS_MAX:
        question = int(rng.lognormvariate(6.8, 0.4))
        arrivals.append(Asked(at, question, int(rng.lognormvariate(4.8, 0.5)) + 1))
        at += rng.expovariate(a_second)
    return tuple(arrivals)


def make_latencies(
    seed: int, platforms: Sequence[str], rows: int = 500
) -> dict[str, tuple[Latency, ...]]:
    """Answers of every platform: one pace for each, and around it a lognormal spread."""
    made: dict[str, tuple[Latency, ...]] = {}
    for platform in platforms:
        rng = random.Random(f"latencies/{seed}/{platform}")  # noqa: S311
        pace = rng.uniform(0.8, 1.3)
        made[platform] = tuple(
            Latency(pace * _lognormal(rng, _FIRST_BYTE_S), pace * _lognormal(rng, _PER_TOKEN_S))
            for _ in range(rows)
        )
    return made


def for_every(
    platforms: Sequence[str], measured: Mapping[str, Sequence[Latency]], path: Path
) -> None:
    """Check that every platform has been measured.

    Raises:
        ConfigError: one has not.
    """
    if missing := [name for name in platforms if not measured.get(name)]:
        there = ", ".join(sorted(measured)) or "none"
        message = f"holds no row of {', '.join(missing)}; there are: {there}"
        raise ConfigError(str(path), None, "", message)


_A_YEAR_S = 366 * 86_400.0


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        at = datetime.fromisoformat(text.strip())
        return at.replace(tzinfo=at.tzinfo or UTC).timestamp()
    if not 0 <= seconds < math.inf:
        raise ValueError(text)
    return seconds


def _lognormal(rng: random.Random, shape: tuple[float, float]) -> float:
    median, sigma = shape
    return median * rng.lognormvariate(0.0, sigma)


def _rows(path: Path, at_most: int) -> Iterator[tuple[int, list[str]]]:
    try:
        with _open(path) as stream:
            for line, row in enumerate(csv.reader(stream), start=1):
                if line > at_most:
                    raise ConfigError(str(path), line, "", f"has more than {at_most} rows")
                if row:
                    yield line, row
    except OSError as error:
        reason = error.strerror or "is no gzip file"
        raise ConfigError(str(path), None, "", f"cannot be read: {reason}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(str(path), None, "", f"is no CSV text: {error}") from None


def _open(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return io.TextIOWrapper(gzip.open(path), encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")
