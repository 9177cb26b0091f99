"""Registries of a company, as its own package would hold them."""

from dataclasses import replace

from deployments.mcp_gateway.business.declaration import (
    Arguments,
    BusinessTool,
    Call,
    Limit,
    Result,
    ToolRegistry,
)


class Where(Arguments):
    """A place."""

    place: str


class Found(Result):
    """A place."""

    place: str


def find(_: object, call: Call, asked: Where) -> Found:
    return Found(place=asked.place)


_TOOL = BusinessTool("find", "Find", "Finds.", Where, Found, "read", "mcp:tools", work=find)

registry = ToolRegistry((_TOOL,))
unknown_permission = ToolRegistry((replace(_TOOL, permission="stars:move"),))
unlimited = ToolRegistry(
    (replace(_TOOL, side_effect="money", limit=Limit("stars_usd", lambda *_: 0)),)
)
