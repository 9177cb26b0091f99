"""/v3/memory/{user_id}: what is remembered of a customer, shown and erased."""

from starlette.responses import Response

from actors.memory import Memory
from deployments.ingress import memory_schema
from deployments.ingress.routes import Call, Operation, reply
from deployments.security.reach import may_ask_about
from routing.clock import Clock, rfc3339
from routing.errors import AccessError

# What a page of a person's data shows of each kind; whoever has more is told so.
_SHOWN_MAX = 1_000
_USER_MAX = 128


class MemoryRoutes:
    """The routes of one tenant's customer at a time."""

    def __init__(self, memory: Memory, clock: Clock) -> None:
        self._memory = memory
        self._clock = clock

    async def show(self, call: Call) -> Response:
        """GET /v3/memory/{user_id}: all of it but the texts of conversations."""
        tenant, user_id = _whose(call)
        facts = await self._memory.facts.history(tenant, user_id, _SHOWN_MAX)
        spoken = await self._memory.conversations.of_user(tenant, user_id, _SHOWN_MAX)
        runs = await self._memory.runbooks.runs_of(tenant, user_id, _SHOWN_MAX)
        return reply(
            {
                "user_id": user_id,
                "facts": [
                    {
                        "id": fact.id,
                        "attribute": fact.attribute,
                        "value": fact.value,
                        "source": fact.source,
                        "source_ref": fact.source_ref,
                        "quote": fact.quote,
                        "stated_by": fact.stated_by,
                        "valid_from": rfc3339(fact.valid_from),
                        "valid_to": _when(fact.valid_to),
                        "recorded_at": rfc3339(fact.recorded_at),
                    }
                    for fact in facts
                ],
                "conversations": [
                    {"id": id_, "turns": turns, "updated_at": rfc3339(at)}
                    for id_, turns, at in spoken
                ],
                "runbook_runs": [
                    {
                        "id": run.id,
                        "runbook": run.name,
                        "version": run.version,
                        "state": run.state,
                        "started_at": rfc3339(run.started_at),
                        "ended_at": _when(run.ended_at),
                    }
                    for run in runs
                ],
                "cut": _SHOWN_MAX in {len(facts), len(spoken), len(runs)},
            }
        )

    async def erase(self, call: Call) -> Response:
        """DELETE /v3/memory/{user_id}: all of it, and what was removed as proof."""
        tenant, user_id = _whose(call)
        erased = await self._memory.erasure.erase(tenant, user_id)
        return reply(
            {
                "user_id": user_id,
                "erased": dict(erased.rows),
                "windows": erased.windows,
                "complete": erased.is_complete,
                "erased_at": rfc3339(self._clock.now()),
            }
        )


def memory_operations(memory: MemoryRoutes) -> list[Operation]:
    """The rows of the table."""
    one = "/v3/memory/{user_id}"
    return [
        Operation(
            "GET", one, "What is remembered of a customer",
            "users:erase", "admin", "action", memory.show, memory_schema.MemoryAnswer,
        ),
        Operation(
            "DELETE", one, "Erase what is remembered of a customer",
            "users:erase", "admin", "action", memory.erase, memory_schema.MemoryErased,
            conflict="The customer is under a legal hold",
        ),
    ]  # fmt: skip


def _whose(call: Call) -> tuple[str, str]:
    user_id = str(call.request.path_params["user_id"])
    if len(user_id) > _USER_MAX or not may_ask_about(call.principal, user_id):
        raise AccessError("not_found", "There is no such customer.")
    return call.principal.tenant, user_id


def _when(at: float | None) -> str | None:
    return None if at is None else rfc3339(at)
