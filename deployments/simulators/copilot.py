"""Copilot Studio, simulated: Direct Line 3.0 and Direct-to-Engine, in front of one agent.

Of the behaviours a test may script, `tool_calls`, `refusal` and `length` mean nothing here: an
agent calls its own actions, and how it declines or how long it speaks is no part of its wires.
`error_event` and `content_filter` are what an agent says when it fails. On Direct Line a
`cut` or a `disconnect` ends the line, not the turn.
"""

from typing import NoReturn

from starlette.applications import Starlette
from starlette.routing import Route

from deployments.simulators.copilot_direct_line import direct_line_routes
from deployments.simulators.copilot_engine import engine_routes
from deployments.simulators.copilot_errors import CopilotWireError
from deployments.simulators.copilot_wire import NAME, endpoint
from deployments.simulators.exchange import Exchange, Stage

__all__ = ["NAME", "copilot_app"]

_EVERY_METHOD = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def copilot_app(stage: Stage) -> Starlette:
    """Return the simulator as an application to mount under `/copilot`."""
    nowhere = Route("/{path:path}", endpoint(stage, _no_such_url), methods=_EVERY_METHOD)
    return Starlette(routes=[*direct_line_routes(stage), *engine_routes(stage), nowhere])


def _no_such_url(_: Exchange) -> NoReturn:
    raise CopilotWireError(404, "The requested resource was not found")
