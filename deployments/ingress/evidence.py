"""GET /v3/decisions/{id}: what was decided, and why, for whoever is entitled to ask."""

from starlette.responses import Response

from actors.database.decisions import Decisions
from deployments.ingress.routes import Call, reply
from routing.clock import rfc3339
from routing.errors import AccessError


class Evidence:
    """The routes that say why."""

    def __init__(self, decisions: Decisions) -> None:
        self._decisions = decisions

    async def decision(self, call: Call) -> Response:
        """The tenant's decision of that id; somebody else's is as unknown as none."""
        wanted = call.request.path_params["id"]
        kept = await self._decisions.get(call.principal.tenant, wanted)
        if kept is None:
            raise AccessError("not_found", f"There is no decision {wanted[:64]}.")
        return reply({"decision": kept.body, "answer_id": kept.answer_id, "at": rfc3339(kept.at)})
