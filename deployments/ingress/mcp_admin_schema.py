"""What an administrator says of MCP servers that others run, and what is heard back."""

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from config.upstreams import AddedServer, UpstreamName


class ServerBody(AddedServer):
    """A server to be added, or its settings from now on: what is left out has its default.

    `version` is the one you looked at, 0 for a server that is new; with it, nobody's change is lost.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(strict=True)

    name: UpstreamName
    version: int | None = Field(default=None, ge=0)


class ApproveBody(BaseModel):
    """The tool's hash, as it was shown: what is approved is what was looked at."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    hash: str = Field(pattern="^[0-9a-f]{64}$")


class ToolRow(BaseModel):
    """A tool of a server. Only an offered one is seen and called.

    `diff` says what changed since it was approved; for a new tool it is all of it.
    """

    name: str
    state: Literal["offered", "quarantined", "refused"]
    reason: str
    hash: str | None
    side_effect: Literal["read", "write", "money", "egress"] | None
    needs_approval: bool | None
    permission: str | None
    diff: list[str]


class ServerRow(BaseModel):
    """A server. `state` degraded: it cannot be read, and is served from what it said before.

    `version` and `settings` are null for a server of the configuration.
    """

    name: str
    source: Literal["configuration", "administrator"]
    version: int | None
    settings: AddedServer | None
    state: Literal["connecting", "ready", "degraded"]
    problem: str
    breaker: Literal["closed", "open", "half_open"]
    read_at: str | None
    tools: list[ToolRow]


class ServerList(BaseModel):
    """The tenant's servers, as the replica that answers found them; `degraded` names those that ail."""

    servers: list[ServerRow]
    degraded: list[str]


class ServerDeleted(BaseModel):
    """It is gone, with what was approved of it."""

    name: str
    deleted: Literal[True]
