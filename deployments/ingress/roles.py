"""/admin/roles: which roles there are, and who of the tenant was given which beside what a provider claims."""

import re
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from starlette.responses import Response

from actors.database.role_assignments import (
    ASSIGNED_MAX,
    EMPTIED_MAX,
    Assignment,
    RoleAssignments,
)
from actors.subjects import API_KEY, MACHINE
from deployments.ingress import roles_schema as schema
from deployments.ingress.routes import Call, Operation, reply
from deployments.security.naming import AS_SAID, Names
from routing.clock import Clock, rfc3339
from routing.errors import AccessError, ConflictError, RequestError, Violation

if TYPE_CHECKING:
    from deployments.security.principal import Principal
    from deployments.security.rbac import Roles

READ, ASSIGN = "roles:read", "roles:assign"
# A provider by its name here, and what it calls somebody: `okta:00u1a2b3`.
_SUBJECT = re.compile(r"[a-z][a-z0-9-]{0,31}:[^\x00-\x1f\x7f]{1,255}")
# A key's roles are its own, and nobody signs on as the machine.
_NO_PEOPLE = (API_KEY, MACHINE)


class RoleRoutes:
    """The routes. Nobody gives, or takes away, more than they have; nobody gives themselves anything."""

    def __init__(
        self, roles: "Roles", given: RoleAssignments, clock: Clock, names: Names = AS_SAID
    ) -> None:
        self._roles = roles
        self._names = names
        self._given = given
        self._clock = clock

    def operations(self) -> list[Operation]:
        """The rows of the table."""
        many = "/admin/roles/assignments"
        one = f"{many}/{{subject}}"
        changed = "Somebody has changed it meanwhile"
        return [
            Operation(
                "GET", "/admin/roles", "Roles, what each may do and move, and when that is withheld",
                READ, "read", "access", self.every, schema.RoleList,
            ),
            Operation(
                "GET", many, "Who of the tenant was given roles",
                READ, "read", "access", self.assignments, schema.AssignmentList,
            ),
            Operation(
                "GET", one, "Which roles somebody was given",
                READ, "read", "access", self.one, schema.AssignmentRow,
            ),
            Operation(
                "PUT", one, "Give somebody roles beside what their provider claims of them",
                ASSIGN, "admin", "action", self.put, schema.AssignmentRow, schema.RolesBody,
                conflict=changed, intent=self.intent,
            ),
            Operation(
                "DELETE", one, "Take away what somebody was given",
                ASSIGN, "admin", "action", self.delete, schema.AssignmentDeleted, conflict=changed,
            ),
        ]  # fmt: skip

    def intent(self, call: Call) -> list[str]:
        """Of a PUT: the roles that are to be had afterwards."""
        body: schema.RolesBody = call.body
        return [f"gives:{role}" for role in sorted(self._roles.grants.keys() & set(body.roles))]

    async def every(self, call: Call) -> Response:
        """GET /admin/roles."""
        roles = self._roles
        rows = [
            {
                "name": name,
                "inherits": sorted(roles.inherits.get(name, ())),
                "permissions": sorted(granted),
                "limits_usd": {
                    limit: float(Decimal(roles.limits.of(limit, (name,))).scaleb(-2))
                    for limit in roles.limits.cents
                },
            }
            for name, granted in roles.grants.items()
        ]
        constraints = [
            {
                "permissions": sorted(each.permissions),
                "people_only": each.people_only,
                "networks": None if each.networks is None else [str(n) for n in each.networks],
                "signed_on_within_minutes": None
                if each.signed_on_within_s is None
                else each.signed_on_within_s / 60,
            }
            for each in roles.constraints
        ]
        permissions = dict(roles.sentences)
        return reply({"roles": rows, "permissions": permissions, "constraints": constraints})

    async def assignments(self, call: Call) -> Response:
        """GET /admin/roles/assignments."""
        rows = await self._given.of(call.principal.tenant)
        return reply({"assignments": [_row(row) for row in rows]})

    async def one(self, call: Call) -> Response:
        """GET: somebody's; another tenant's is as unknown as none."""
        theirs = await self._found(call)
        roles = frozenset[str]().union(*(each.roles for each in theirs))
        return reply(_row(replace(theirs[-1], roles=roles)))

    async def put(self, call: Call) -> Response:
        """PUT: these roles and no others; every replica knows it within two seconds."""
        body: schema.RolesBody = call.body
        principal = call.principal
        subject = self._names.of(principal.tenant, _subject(call))
        if unknown := [role for role in body.roles if role not in self._roles.grants]:
            there = f"There is no {unknown[0][:64]}; there are: {', '.join(self._roles.grants)}."
            raise RequestError("unknown_role", there, (Violation("/roles", there),))
        self._must_be_another(principal, subject)
        theirs = await self._theirs(principal.tenant, subject)
        for each in theirs:
            self._must_have(principal, each.roles)
        before = next((each for each in theirs if each.subject == subject), None)
        roles = frozenset(body.roles)
        self._must_have(principal, roles)
        now = self._clock.now()
        made = Assignment(principal.tenant, subject, roles, principal.subject, now)
        match await self._given.put(made, before):
            case False:
                raise _changed()
            case None:
                message = (
                    f"{ASSIGNED_MAX} people have roles from here already: let the provider claim them. Or "
                    f"{EMPTIED_MAX} lost theirs today or have open keys: revoke those, or wait a day."
                )
                raise RequestError("too_many_assignments", message)
            case _:
                await self._take(each for each in theirs if each is not before)
                call.words.extend(_had(theirs))
                return reply(_row(made))

    async def delete(self, call: Call) -> Response:
        """DELETE: they have what their provider claims, and nothing else."""
        theirs = await self._found(call)
        for each in theirs:
            self._must_have(call.principal, each.roles)
        await self._take(theirs)
        call.words.extend(_had(theirs))
        return reply({"subject": theirs[-1].subject, "deleted": True})

    async def _found(self, call: Call) -> list[Assignment]:
        theirs = await self._theirs(call.principal.tenant, call.request.path_params["subject"])
        if not theirs:
            raise AccessError("not_found", "Nobody of this name was given a role.")
        return theirs

    async def _theirs(self, tenant: str, subject: str) -> list[Assignment]:
        """Somebody's, the newest last: several where names were not written in one spelling yet."""
        named = self._names.of(tenant, subject)
        rows = await self._given.of(tenant)
        theirs = [each for each in rows if self._names.of(tenant, each.subject) == named]
        return sorted(theirs, key=lambda each: each.at)

    async def _take(self, rows: Iterable[Assignment]) -> None:
        for each in rows:
            if not await self._given.delete(each, self._clock.now()):
                raise _changed()

    def _must_be_another(self, principal: "Principal", subject: str) -> None:
        """Providers differ in whether they tell capitals apart; here nobody is somebody else by them."""
        known = {principal.subject.casefold(), principal.person.casefold()}
        if subject.casefold() in known:
            raise AccessError("forbidden", "Nobody gives themselves a role; ask a colleague.")

    def _must_have(self, principal: "Principal", roles: Iterable[str]) -> None:
        """Return if these roles can do and move nothing that the caller cannot."""
        named = tuple(roles)
        granted = frozenset[str]().union(*(self._roles.grants.get(role, ()) for role in named))
        if beyond := sorted(granted - principal.permissions):
            message = f"A role that may do what you may not is not yours to give or take: {', '.join(beyond)}."
            raise AccessError("forbidden", message)
        limits = self._roles.limits
        for name in limits.cents:
            if limits.of(name, named) > limits.of(name, principal.roles):
                message = (
                    f"A role that moves more than you may is not yours to give or take: {name}."
                )
                raise AccessError("forbidden", message)


def _subject(call: Call) -> str:
    subject: str = call.request.path_params["subject"]
    if not _SUBJECT.fullmatch(subject) or subject.startswith(_NO_PEOPLE):
        message = "Name somebody as GET /auth/user/permissions does: the provider, a colon, and its id of them."
        raise RequestError("invalid_request", message, (Violation("/subject", message),))
    return subject


def _had(theirs: Iterable[Assignment]) -> list[str]:
    return [f"had:{role}" for role in sorted({role for each in theirs for role in each.roles})]


def _row(row: Assignment) -> dict[str, object]:
    return {
        "subject": row.subject,
        "roles": sorted(row.roles),
        "by": row.author,
        "at": rfc3339(row.at),
    }


def _changed() -> ConflictError:
    return ConflictError(
        "assignment_changed", "It was changed meanwhile; look at it and ask again."
    )
