"""What /v3/mcp/context takes and gives."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from deployments.ingress.schema import Identifier, Source
from deployments.mcp_gateway.context import PASSAGES_MAX, TOKENS_MAX

# What the best of three sources of 20 come to; more is an export.
LIMIT_MAX = 50
# A context of this size fills the window of small models.
TOKENS_LIMIT = 32_000

Query = Annotated[str, StringConstraints(min_length=1, max_length=32_768, pattern=r"\S")]


class ContextBody(BaseModel):
    """What is asked, about whom, where it is looked for, and how much of it there is room for."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    query: Query
    user_id: Identifier | None = Field(None, description="the customer this is about")
    sources: list[Source] | None = Field(None, max_length=4, description="all, if not given")
    limit: int = Field(PASSAGES_MAX, ge=1, le=LIMIT_MAX)
    max_tokens: int = Field(TOKENS_MAX, ge=50, le=TOKENS_LIMIT)


class ContextPassage(BaseModel):
    """A passage, where it is from, and who may read it; scores compare within one answer."""

    source: Source
    id: str
    title: str
    text: str
    score: float
    url: str | None
    audience: Literal["public", "agent", "internal"]


class ContextAnswer(BaseModel):
    """Passages, best first. `degraded` names sources that failed; `cut`: some had no room."""

    passages: list[ContextPassage]
    took_ms: float
    degraded: list[str]
    cut: bool
