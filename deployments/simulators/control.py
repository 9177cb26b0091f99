"""The control routes, `/_simulator/...`: how a test scripts the simulators and reads the journal."""

from collections.abc import Collection

import anyio
import orjson
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from deployments.simulators.exchange import (
    SIMULATOR_HEADER,
    Stage,
    hosted_calls_of,
    list_of_models,
)
from deployments.simulators.faults import EVERY_PLATFORM, ScriptFullError, ScriptOrder

MAX_ORDER = 4 * 1024 * 1024  # bytes
MAX_WAIT_S = 10.0


def control_routes(stage: Stage, platforms: Collection[str]) -> list[Route]:
    """Return the control routes over a stage on which these platforms play."""
    control = _Control(stage, frozenset(platforms))
    return [
        Route("/_simulator", control.describe, methods=["GET"]),
        Route("/_simulator/script", control.append, methods=["POST"]),
        Route("/_simulator/script", control.clear_script, methods=["DELETE"]),
        Route("/_simulator/requests", control.list_requests, methods=["GET"]),
        Route("/_simulator/requests", control.clear_requests, methods=["DELETE"]),
    ]


class _Control:
    def __init__(self, stage: Stage, platforms: frozenset[str]) -> None:
        self._stage = stage
        self._platforms = platforms

    async def describe(self, _: Request) -> Response:
        return _json({"simulator": "supportmax", "platforms": sorted(self._platforms)})

    async def append(self, request: Request) -> Response:
        body = await request.body()
        if len(body) > MAX_ORDER:
            return _json({"error": f"an order has at most {MAX_ORDER} bytes"}, 413)
        try:
            order = ScriptOrder.model_validate_json(body)
        except ValidationError as error:
            return _json({"error": str(error)}, 400)
        lists = map(list_of_models, self._platforms)
        hosted = map(hosted_calls_of, self._platforms)
        if order.platform not in {EVERY_PLATFORM, *self._platforms, *lists, *hosted}:
            return _json({"error": f"no simulator is called {order.platform!r}"}, 400)
        try:
            self._stage.script.append(order)
        except ScriptFullError as full:
            return _json({"error": f"queued {full.args[0]} of at most {full.args[1]}"}, 409)
        return _json({"queued": len(self._stage.script)})

    async def clear_script(self, _: Request) -> Response:
        self._stage.script.clear()
        return _json({"queued": 0})

    async def list_requests(self, request: Request) -> Response:
        """`?settled_within_s=5` waits until no request is under way: a test need not sleep."""
        try:
            patience_s = float(request.query_params.get("settled_within_s", 0))
        except ValueError:
            return _json({"error": "settled_within_s is a number of seconds"}, 400)
        if patience_s > 0:
            with anyio.move_on_after(min(patience_s, MAX_WAIT_S)):
                await self._stage.journal.settled()
        return _json({"requests": self._stage.journal.as_json()})

    async def clear_requests(self, _: Request) -> Response:
        self._stage.journal.clear()
        return _json({"requests": []})


def _json(payload: object, status: int = 200) -> Response:
    return Response(
        orjson.dumps(payload),
        status_code=status,
        media_type="application/json",
        headers={SIMULATOR_HEADER: "control"},
    )
