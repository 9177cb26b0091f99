"""/scim/v2/Groups: who belongs together, as the identity provider has it."""

from starlette.responses import Response

from actors.database.directory_groups import DirectoryGroups, MemberChange
from actors.database.directory_rows import GroupRow
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
from deployments.scim.models import Group
from deployments.scim.people import etag
from deployments.scim.search import Asked, asked_of, query_in, shown_of
from deployments.scim.teams import Teams
from routing.clock import Clock

_WORDS = Words(
    search="Groups of the directory",
    sought="Groups of the directory, sought by a body",
    create="Make a group",
    made="It is made",
    show="A group and who is in it",
    replace="Say anew who is in a group",
    patch="Put people into a group, or take them out",
    delete="Forget a group",
    gone="It is gone",
)


class ScimGroups:
    """The routes of groups."""

    def __init__(self, directories: Directories, groups: DirectoryGroups, clock: Clock) -> None:
        self._directories = directories
        self._groups = groups
        self._clock = clock

    def operations(self) -> list[Operation]:
        """The rows of the table."""
        return resource_operations("Groups", _WORDS, self)

    async def search(self, call: Call) -> Response:
        """GET /scim/v2/Groups."""
        return await self._search(call, asked_of(Group, call.request.query_params))

    async def sought(self, call: Call) -> Response:
        """POST /scim/v2/Groups/.search."""
        return await self._search(call, asked_of(Group, query_in(call.body.model_extra)))

    async def create(self, call: Call) -> Response:
        """POST /scim/v2/Groups."""
        teams = self._teams(call)
        row, members = teams.made(call.body.model_extra, self._clock.now())
        await self._groups.create(row, members)
        call.words.extend([f"group:{row.id}", f"members:{len(members)}"])
        self._directories.changed()
        return await self._answer(call, row, 201)

    async def show(self, call: Call) -> Response:
        """GET /scim/v2/Groups/{id}."""
        row = await self._found(call)
        if is_known(call.request, row):
            return answer(None, 304, {"ETag": etag(row.version)})
        return await self._answer(call, row)

    async def replace(self, call: Call) -> Response:
        """PUT /scim/v2/Groups/{id}."""
        return await self._answer(call, await self._changed(call, patches=False))

    async def patch(self, call: Call) -> Response:
        """PATCH /scim/v2/Groups/{id}."""
        return await self._answer(call, await self._changed(call, patches=True))

    async def delete(self, call: Call) -> Response:
        """DELETE /scim/v2/Groups/{id}."""
        for _ in range(ATTEMPTS):
            row = must_match(call.request, await self._found(call))
            if await self._groups.delete(row):
                self._directories.changed()
                return answer(None, 204)
        raise contended()

    async def _search(self, call: Call, asked: Asked[Group]) -> Response:
        tenant, teams = self._directories.of(call).tenant, self._teams(call)
        total, rows = await self._groups.search(tenant, asked.condition, asked.start, asked.count)
        if not teams.shows_members(asked.shown):
            shown = [teams.shown(row, None, asked.shown) for row in rows]
            return answer(listed(shown, total, asked.start))
        members = await self._groups.members_of(tenant, [row.id for row in rows])
        # A page has fewer groups where they have many members.
        rows = [row for row in rows if row.id in members]
        shown = [teams.shown(row, members[row.id], asked.shown) for row in rows]
        return answer(listed(shown, total, asked.start))

    async def _changed(self, call: Call, *, patches: bool) -> GroupRow:
        teams, now = self._teams(call), self._clock.now()
        change = teams.patched if patches else teams.replaced
        for _ in range(ATTEMPTS):
            before = must_match(call.request, await self._found(call))
            after, members = change(before, call.body.model_extra, now)
            if after == before:
                return before
            if await self._groups.replace(before, after, members):
                call.words.extend(_counts(members))
                self._directories.changed()
                return after
        raise contended()

    async def _found(self, call: Call) -> GroupRow:
        row = await self._groups.find(self._directories.of(call).tenant, id_in(call))
        if row is None:
            raise unknown()
        return row

    def _teams(self, call: Call) -> Teams:
        return Teams(self._directories.of(call).tenant, self._directories.base(call))

    async def _answer(self, call: Call, row: GroupRow, status: int = 200) -> Response:
        teams, shown = self._teams(call), shown_of(Group, call.request.query_params)
        members: list[str] | None = None
        if teams.shows_members(shown):
            members = (await self._groups.members_of(row.tenant, [row.id]))[row.id]
        headers = {"ETag": etag(row.version), "Location": f"{teams.base}/Groups/{row.id}"}
        return answer(teams.shown(row, members, shown), status, headers)


def _counts(change: MemberChange) -> list[str]:
    """How many the provider named; whom, is in the directory."""
    words = [] if change.only is None else [f"only:{len(change.only)}"]
    words += [f"added:{len(change.added)}"] if change.added else []
    return [*words, f"removed:{len(change.removed)}"] if change.removed else words
