"""/scim/v2/Users: people, as their identity provider keeps them here."""

from collections.abc import Iterable, Sequence

from starlette.responses import Response

from actors.database.directory_ends import Ended
from actors.database.directory_rows import UserRow
from actors.database.directory_users import DirectoryUsers, Membership
from deployments.ingress.routes import Call, Operation
from deployments.ingress.scim_desk import (
    ATTEMPTS,
    BASE,
    PERMISSION,
    Directories,
    answer,
    contended,
    id_in,
    is_known,
    must_match,
    unknown,
)
from deployments.ingress.scim_errors import SCIM_ERRORS
from deployments.ingress.scim_schema import MEDIA_TYPE, ScimAnswer, ScimBody
from deployments.scim.discovery import listed
from deployments.scim.models import User
from deployments.scim.people import People, etag
from deployments.scim.search import Asked, asked_of, query_in, shown_of
from deployments.security.principal import Principal
from deployments.security.trail import Deed, Trail
from routing.clock import Clock

SHOWN = {
    "attributes": "The attributes to show, separated by commas",
    "excludedAttributes": "The attributes to leave out, separated by commas",
}
SEARCH = {
    "filter": "Which ones, by RFC 7644, 3.4.2.2",
    "startIndex": "The number of the first one, from 1 on",
    "count": "How many, at most 100",
    "sortBy": "Is refused: nothing is sorted here",
    **SHOWN,
}
IF_MATCH = {"If-Match": "The version that is meant, as ETag said it; another one is left alone"}
IF_NONE_MATCH = {"If-None-Match": "The version that is known already, as ETag said it"}
CHANGED = {"412": "Another version than the one that is meant"}
TAKEN = "Somebody else has the name or the id, or others change it just now"


class ScimUsers:
    """The routes of people."""

    def __init__(
        self, directories: Directories, users: DirectoryUsers, trail: Trail, clock: Clock
    ) -> None:
        self._directories = directories
        self._users = users
        self._trail = trail
        self._clock = clock

    def operations(self) -> list[Operation]:
        """The rows of the table."""
        every, one = f"{BASE}/Users", f"{BASE}/Users/{{id}}"
        return [
            Operation(
                "GET", every, "People of the directory", PERMISSION, "read", "access",
                self.search, ScimAnswer, query=SEARCH, errors=SCIM_ERRORS, media_type=MEDIA_TYPE,
            ),
            Operation(
                "POST", f"{every}/.search", "People of the directory, sought by a body", PERMISSION,
                "read", "access", self.sought, ScimAnswer, ScimBody, errors=SCIM_ERRORS,
                media_type=MEDIA_TYPE,
            ),
            Operation(
                "POST", every, "Let somebody in", PERMISSION, "admin", "action",
                self.create, ScimAnswer, ScimBody, query=SHOWN, conflict=TAKEN,
                errors=SCIM_ERRORS, media_type=MEDIA_TYPE, further={"201": "They are known"},
            ),
            Operation(
                "GET", one, "Somebody of the directory", PERMISSION, "read", "access",
                self.show, ScimAnswer, query=SHOWN, headers=IF_NONE_MATCH,
                errors=SCIM_ERRORS, media_type=MEDIA_TYPE, further={"304": "As it is known"},
            ),
            Operation(
                "PUT", one, "Say anew who somebody is; who is not active any more is put out",
                PERMISSION, "admin", "action", self.replace, ScimAnswer, ScimBody, query=SHOWN,
                headers=IF_MATCH, conflict=TAKEN, errors=SCIM_ERRORS, media_type=MEDIA_TYPE,
                further=CHANGED,
            ),
            Operation(
                "PATCH", one, "Change somebody; who is not active any more is put out",
                PERMISSION, "admin", "action", self.patch, ScimAnswer, ScimBody, query=SHOWN,
                headers=IF_MATCH, conflict=TAKEN, errors=SCIM_ERRORS, media_type=MEDIA_TYPE,
                further=CHANGED,
            ),
            Operation(
                "DELETE", one, "Put somebody out and forget them", PERMISSION, "admin", "action",
                self.delete, None, headers=IF_MATCH, conflict=TAKEN, errors=SCIM_ERRORS,
                media_type=MEDIA_TYPE, further={"204": "They are gone", **CHANGED},
            ),
        ]  # fmt: skip

    async def search(self, call: Call) -> Response:
        """GET /scim/v2/Users."""
        return await self._search(call, asked_of(User, call.request.query_params))

    async def sought(self, call: Call) -> Response:
        """POST /scim/v2/Users/.search."""
        return await self._search(call, asked_of(User, query_in(call.body.model_extra)))

    async def create(self, call: Call) -> Response:
        """POST /scim/v2/Users."""
        people = self._people(call)
        row = people.made(call.body.model_extra, self._clock.now())
        ended = await self._users.create(row, folds=people.rules.folds)
        self._record(call.principal, () if ended is None else (ended,))
        return self._answer(call, row, (), 201)

    async def show(self, call: Call) -> Response:
        """GET /scim/v2/Users/{id}."""
        row = await self._found(call)
        if is_known(call.request, row):
            return answer(None, 304, {"ETag": etag(row.version)})
        return self._answer(call, row, await self._groups(row))

    async def replace(self, call: Call) -> Response:
        """PUT /scim/v2/Users/{id}."""
        return await self._change(call, patches=False)

    async def patch(self, call: Call) -> Response:
        """PATCH /scim/v2/Users/{id}."""
        return await self._change(call, patches=True)

    async def delete(self, call: Call) -> Response:
        """DELETE /scim/v2/Users/{id}."""
        folds = self._directories.of(call).folds
        for _ in range(ATTEMPTS):
            row = must_match(call.request, await self._found(call))
            ended = await self._users.delete(row, self._clock.now(), folds=folds)
            if ended is not None:
                self._record(call.principal, ended)
                return answer(None, 204)
        raise contended()

    async def _search(self, call: Call, asked: Asked[User]) -> Response:
        tenant = self._directories.of(call).tenant
        total, rows = await self._users.search(tenant, asked.condition, asked.start, asked.count)
        groups = await self._users.groups_of(tenant, [row.id for row in rows])
        people = self._people(call)
        shown = [people.dumped(row, groups.get(row.id, ()), asked.shown) for row in rows]
        return answer(listed(shown, total, asked.start))

    async def _change(self, call: Call, *, patches: bool) -> Response:
        people, now = self._people(call), self._clock.now()
        change = people.patched if patches else people.replaced
        for _ in range(ATTEMPTS):
            before = must_match(call.request, await self._found(call))
            after = change(before, call.body.model_extra, now)
            if after == before:
                return self._answer(call, before, await self._groups(before))
            ended = await self._users.replace(before, after, folds=people.rules.folds)
            if ended is not None:
                self._record(call.principal, ended)
                return self._answer(call, after, await self._groups(after))
        raise contended()

    async def _found(self, call: Call) -> UserRow:
        row = await self._users.find(self._directories.of(call).tenant, id_in(call))
        if row is None:
            raise unknown()
        return row

    async def _groups(self, row: UserRow) -> Sequence[Membership]:
        return (await self._users.groups_of(row.tenant, [row.id])).get(row.id, ())

    def _people(self, call: Call) -> People:
        return People(self._directories.of(call), self._directories.base(call))

    def _answer(
        self, call: Call, row: UserRow, groups: Sequence[Membership], status: int = 200
    ) -> Response:
        people = self._people(call)
        body = people.dumped(row, groups, shown_of(User, call.request.query_params))
        headers = {"ETag": etag(row.version), "Location": f"{people.base}/Users/{row.id}"}
        return answer(body, status, headers)

    def _record(self, principal: Principal, ended: Iterable[Ended]) -> None:
        """Put on record what ended with somebody's access; and have this replica know of it."""
        self._directories.changed()
        for each in ended:
            counts = f"sessions:{len(each.sessions)} keys:{len(each.keys)} roles:{len(each.roles)}"
            self._trail.note(principal, Deed("directory.end", "done", each.subject, reason=counts))
            for row in each.sessions:
                who = Principal(row.tenant, row.subject, row.roles)
                self._trail.signed_off(who, row.provider, reason="put_out")
