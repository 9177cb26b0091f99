"""/scim/v2/Users: people, as their identity provider keeps them here."""

from collections.abc import Iterable, Sequence

from starlette.responses import Response

from actors.database.directory_ends import Ended
from actors.database.directory_rows import UserRow
from actors.database.directory_users import DirectoryUsers, Membership
from deployments.ingress.routes import Call, Operation
from deployments.ingress.scim_desk import (
    ATTEMPTS,
    Directories,
    answer,
    contended,
    id_in,
    is_known,
    must_match,
    unknown,
)
from deployments.ingress.scim_resource import Words, resource_operations
from deployments.scim.discovery import listed
from deployments.scim.models import User
from deployments.scim.people import People, etag
from deployments.scim.search import Asked, asked_of, query_in, shown_of
from deployments.security.principal import Principal
from deployments.security.trail import Deed, Trail
from routing.clock import Clock

_WORDS = Words(
    search="People of the directory",
    sought="People of the directory, sought by a body",
    create="Let somebody in",
    made="They are known",
    show="Somebody of the directory",
    replace="Say anew who somebody is; who is not active any more is put out",
    patch="Change somebody; who is not active any more is put out",
    delete="Put somebody out and forget them",
    gone="They are gone",
)


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
        return resource_operations("Users", _WORDS, self)

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
        call.words.extend([f"user:{row.id}", _activity(row)])
        self._record(call.principal, () if ended is None else (ended,), _active(row))
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
                call.words.append(_activity(after))
                self._record(call.principal, ended, _active(after))
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

    def _record(
        self, principal: Principal, ended: Iterable[Ended], active: str | None = None
    ) -> None:
        """Put on record what ended with somebody's access; and have this replica know of it.

        Of `active`, the subject of whoever has access now, only what there was to end: where they
        come back, and nothing was left of before, nothing ends.
        """
        self._directories.changed()
        for each in ended:
            if each.subject == active and not (each.sessions or each.keys or each.roles):
                continue
            counts = f"sessions:{len(each.sessions)} keys:{len(each.keys)} roles:{len(each.roles)}"
            self._trail.note(principal, Deed("directory.end", "done", each.subject, reason=counts))
            for row in each.sessions:
                who = Principal(row.tenant, row.subject, row.roles)
                self._trail.signed_off(who, row.provider, reason="put_out")


def _active(row: UserRow) -> str | None:
    return row.subject if row.active else None


def _activity(row: UserRow) -> str:
    return "active:true" if row.active else "active:false"
