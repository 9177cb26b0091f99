"""/scim/v2, composed: people, groups, and what the directory says of itself."""

from collections.abc import Callable, Iterable, Mapping

from starlette.responses import Response

from actors.database.directory_groups import DirectoryGroups
from actors.database.directory_users import DirectoryUsers
from actors.database.engine import Database
from config.scim import DirectoryRules
from deployments.ingress.routes import Call, Handler, Operation
from deployments.ingress.scim_desk import BASE, PERMISSION, Directories, answer, unknown
from deployments.ingress.scim_errors import SCIM_ERRORS
from deployments.ingress.scim_groups import ScimGroups
from deployments.ingress.scim_schema import MEDIA_TYPE, ScimAnswer, ScimBody
from deployments.ingress.scim_users import ScimUsers
from deployments.scim.discovery import Discovery, listed
from deployments.scim.errors import ScimError
from deployments.security.trail import Trail
from routing.clock import Clock
from routing.errors import AccessError


class ScimDesk:
    """The directories of one replica, as their identity providers reach them."""

    def __init__(
        self,
        rules: Iterable[DirectoryRules],
        database: Database,
        trail: Trail,
        clock: Clock,
        changed: Callable[[], None],
    ) -> None:
        """`changed` is told after each change; other replicas find out by themselves."""
        self._directories = Directories(rules, changed)
        self._users = ScimUsers(self._directories, DirectoryUsers(database), trail, clock)
        self._groups = ScimGroups(self._directories, DirectoryGroups(database), clock)

    def operations(self) -> list[Operation]:
        """The rows of the table."""
        return [
            *self._users.operations(),
            *self._groups.operations(),
            self._read("/ServiceProviderConfig", "What can be asked of the directory", self.config),
            self._read("/ResourceTypes", "The kinds of resources there are", self.resource_types),
            self._read("/ResourceTypes/{id}", "A kind of resource", self.resource_type),
            self._read("/Schemas", "What is kept of each", self.schemas),
            self._read("/Schemas/{id}", "What is kept of one", self.schema),
            Operation(
                "POST", f"{BASE}/.search", "People and groups at once are not sought here",
                PERMISSION, "read", "access", self.mixed, ScimAnswer, ScimBody, errors=SCIM_ERRORS,
                media_type=MEDIA_TYPE, further={"501": "Seek people, or seek groups"},
            ),
        ]  # fmt: skip

    async def config(self, call: Call) -> Response:
        """GET /scim/v2/ServiceProviderConfig."""
        return answer(self._discovery(call).config())

    async def resource_types(self, call: Call) -> Response:
        """GET /scim/v2/ResourceTypes."""
        return answer(listed(list(self._discovery(call).resource_types().values())))

    async def resource_type(self, call: Call) -> Response:
        """GET /scim/v2/ResourceTypes/{id}."""
        return _one(call, self._discovery(call).resource_types())

    async def schemas(self, call: Call) -> Response:
        """GET /scim/v2/Schemas."""
        return answer(listed(list(self._discovery(call).schemas().values())))

    async def schema(self, call: Call) -> Response:
        """GET /scim/v2/Schemas/{id}."""
        return _one(call, self._discovery(call).schemas())

    async def mixed(self, call: Call) -> Response:
        """POST /scim/v2/.search: what clients ask to learn that it is not done (RFC 7644, 3.12)."""
        raise ScimError(501, "", "Seek at /Users/.search, or at /Groups/.search.")

    def _discovery(self, call: Call) -> Discovery:
        """The documents; raises AccessError for who filters them, as RFC 7644, 4 has it."""
        if "filter" in call.request.query_params:
            raise AccessError("forbidden", "This is not searched.")
        return Discovery(self._directories.base(call))

    def _read(self, path: str, summary: str, handler: Handler) -> Operation:
        return Operation(
            "GET", f"{BASE}{path}", summary, PERMISSION, "read", "access", handler, ScimAnswer,
            errors=SCIM_ERRORS, media_type=MEDIA_TYPE,
        )  # fmt: skip


def _one(call: Call, documents: Mapping[str, dict[str, object]]) -> Response:
    found = documents.get(call.request.path_params["id"])
    if found is None:
        raise unknown()
    return answer(found)
