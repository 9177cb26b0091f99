"""A region's figures as they are published to its peers: numbers, and names of models."""

from pydantic import BaseModel


class SketchBody(BaseModel):
    """Counts of latencies: each bucket is an index and a count, 4 % wide."""

    relative_error: float
    buckets: list[tuple[int, int]]


class TargetFiguresBody(BaseModel):
    """One target; `latencies` are of small, medium and large requests."""

    latencies: list[SketchBody]


class FiguresBody(BaseModel):
    """Every target of this region; a higher version is newer."""

    region: str
    version: int
    at: float
    targets: dict[str, TargetFiguresBody]
