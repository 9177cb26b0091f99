"""/v3/users/{user_id}/data and /admin/holds: what is stored about a person, given to them, or ended."""

from starlette.responses import Response, StreamingResponse

from actors.database.legal_holds import LegalHold
from deployments.ingress import user_data_schema as schema
from deployments.ingress.routes import Call, Operation, reply
from deployments.security.reach import may_ask_about
from deployments.user_data.desk import UserDataDesk
from deployments.user_data.erasing import ERASED
from deployments.user_data.exporting import MEDIA_TYPE
from routing.clock import Clock, rfc3339
from routing.errors import AccessError

ERASE, EXPORT_OWN, HOLD = "users:erase", "users:export_own", "users:hold"
# As long as a budget's subject may be.
_USER_MAX = 512


class UserDataRoutes:
    """The routes; whoever is another tenant's is as unknown as nobody."""

    def __init__(self, desk: UserDataDesk, region: str, clock: Clock) -> None:
        self._exporting = desk.exporting
        self._erasing = desk.erasing
        self._holds = desk.holds
        self._region = region
        self._clock = clock

    def operations(self) -> list[Operation]:
        """The rows of the table. Reading is on record before anything is read."""
        data, hold = "/v3/users/{user_id}/data", "/admin/holds/{user_id}"
        return [
            Operation(
                "GET", data, "Everything that is stored about a person, as lines of JSON",
                EXPORT_OWN, "admin", "action", self.export, None, media_type=MEDIA_TYPE,
            ),
            Operation(
                "DELETE", data, "Erase what is stored about a person",
                ERASE, "admin", "action", self.erase, schema.UserErased,
                conflict="The person is under a legal hold",
            ),
            Operation(
                "GET", hold, "Whether a person is under a legal hold",
                HOLD, "admin", "access", self.held, schema.LegalHoldBody,
            ),
            Operation(
                "PUT", hold, "Place a person under a legal hold",
                HOLD, "admin", "action", self.hold, schema.LegalHoldBody,
                conflict="The person is being erased",
            ),
            Operation(
                "DELETE", hold, "End a legal hold",
                HOLD, "admin", "action", self.lift, schema.LegalHoldLifted,
            ),
        ]  # fmt: skip

    async def export(self, call: Call) -> Response:
        """GET /v3/users/{user_id}/data: one's own, or with `users:erase` any customer's."""
        user_id = _named(call)
        if user_id != call.principal.subject and not (
            call.principal.may(ERASE) and may_ask_about(call.principal, user_id)
        ):
            raise _nobody()
        person = self._erasing.person(call.principal.tenant, user_id)
        if not await self._exporting.knows(person):
            raise _nobody()
        return StreamingResponse(self._exporting.lines(person), media_type=MEDIA_TYPE)

    async def erase(self, call: Call) -> Response:
        """DELETE /v3/users/{user_id}/data: all of it, with counts as proof; again tells the same."""
        user_id = _about(call)
        report = await self._erasing.erase(call.principal, user_id)
        if report is None:
            raise _nobody()
        row = report.row
        return reply(
            {
                "user_id": user_id,
                "region": self._region,
                "state": row.state,
                "complete": report.is_complete,
                **report.body,
                "erased_at": None if row.ended_at is None else rfc3339(row.ended_at),
                "settled_at": None if report.settled_at is None else rfc3339(report.settled_at),
                "proof": {
                    "request_id": row.request,
                    "action": ERASED,
                    "sha256": report.digest,
                },
            }
        )

    async def held(self, call: Call) -> Response:
        """GET /admin/holds/{user_id}."""
        found = await self._holds.get(call.principal.tenant, _about(call))
        if found is None:
            raise AccessError("not_found", "There is no such hold.")
        return reply(_shown(found))

    async def hold(self, call: Call) -> Response:
        """PUT /admin/holds/{user_id}: also of somebody of whom nothing is stored yet."""
        asked = LegalHold(_about(call), call.principal.subject, self._clock.now())
        return reply(_shown(await self._holds.place(call.principal.tenant, asked)))

    async def lift(self, call: Call) -> Response:
        """DELETE /admin/holds/{user_id}."""
        user_id = _about(call)
        if not await self._holds.lift(call.principal.tenant, user_id):
            raise AccessError("not_found", "There is no such hold.")
        return reply({"user_id": user_id, "lifted": True})


def _shown(hold: LegalHold) -> dict[str, str]:
    return {
        "user_id": hold.user_id,
        "placed_by": hold.placed_by,
        "placed_at": rfc3339(hold.placed_at),
    }


def _named(call: Call) -> str:
    user_id = str(call.request.path_params["user_id"])
    if len(user_id) > _USER_MAX:
        raise _nobody()
    return user_id


def _about(call: Call) -> str:
    user_id = _named(call)
    if not may_ask_about(call.principal, user_id):
        raise _nobody()
    return user_id


def _nobody() -> AccessError:
    return AccessError("not_found", "There is no such person.")
