"""A group as a SCIM client writes it, and as the directory keeps it.

Members are handled apart from the rest: a group of ten thousand is changed by one without reading
the others, and the library would copy and check all of them.
"""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from scim2_models import Context, Meta, PatchOp, PatchOperation, ResponseParameters
from scim2_models.path import AttrPath, CompareOperator, Comparison, FilterNode, LogicalExpr
from scim2_models.path import LogicalOperator as Logical

from actors.database.directory_groups import MEMBERS_MAX, MemberChange
from actors.database.directory_rows import GroupRow
from deployments.scim.errors import ScimError, explained, invalid
from deployments.scim.models import ID_MAX, NAME_MAX, POLICY, Group, GroupMember
from deployments.scim.people import etag, must_be_few

_SCHEMA = Group.__schema__.lower()
_MEMBERS = frozenset({"members", f"{_SCHEMA}:members"})


@dataclass(frozen=True, slots=True)
class Teams:
    """The groups of one tenant's directory, whose resources are at `base`."""

    tenant: str
    base: str

    def made(self, body: Mapping[str, Any], now: float) -> tuple[GroupRow, frozenset[str]]:
        """A new group and who is in it.

        Raises:
            ScimError: it says what cannot be meant.
        """
        members, rest = _apart(body)
        with explained():
            team = Group.model_validate(
                rest, scim_ctx=Context.RESOURCE_CREATION_REQUEST, scim_policy=POLICY
            )
        blank = GroupRow(self.tenant, str(uuid.uuid4()), "", None, 1, now, now)
        return _row(team, blank), members or frozenset()

    def replaced(
        self, row: GroupRow, body: Mapping[str, Any], now: float
    ) -> tuple[GroupRow, MemberChange]:
        """What `row` is after a PUT, which names all members there are.

        Raises:
            ScimError: it says what cannot be meant.
        """
        members, rest = _apart(body)
        with explained():
            team = Group.model_validate(
                rest, scim_ctx=Context.RESOURCE_REPLACEMENT_REQUEST, scim_policy=POLICY
            )
        change = MemberChange(only=members or frozenset())
        return replace(_row(team, row), version=row.version + 1, updated_at=now), change

    def patched(
        self, row: GroupRow, body: Mapping[str, Any], now: float
    ) -> tuple[GroupRow, MemberChange]:
        """What `row` is after a PATCH.

        Raises:
            ScimError: it says what cannot be meant, or what must not change.
        """
        must_be_few(body)
        change, rest = MemberChange(), []
        with explained():
            patch = PatchOp[Group].model_validate(
                dict(body), scim_ctx=Context.RESOURCE_PATCH_REQUEST, scim_policy=POLICY
            )
            for operation in patch.operations or ():
                for kind, wanted in _of_members(operation):
                    change = _folded(change, kind, wanted)
                if (other := _of_others(operation)) is not None:
                    rest.append(other)
            after = row
            if rest:
                team = self._team(row)
                PatchOp[Group](operations=rest).patch(team, POLICY)
                after = _row(team, row)
        if after == row and change.is_none:
            return row, change
        return replace(after, version=row.version + 1, updated_at=now), change

    def shown(
        self, row: GroupRow, members: Sequence[str] | None, asked: ResponseParameters[Any]
    ) -> dict[str, object]:
        """As it is on the wire; `members` are None where nobody asked for them."""
        team = self._team(row)
        if not members:
            return self._dumped(team, asked)
        # One stands for all: which of its attributes are asked for is the same of each.
        team.members = [self._member(members[0])]
        found = self._dumped(team, asked)
        sample: object = found.get("members")
        if isinstance(sample, list) and sample:
            names = sample[0].keys()
            found["members"] = [
                {name: value for name, value in self._written(each).items() if name in names}
                for each in members
            ]
        return found

    def shows_members(self, asked: ResponseParameters[Any]) -> bool:
        """Whether members are among what a client asks for."""
        team = Group(id="x", display_name="x", members=[self._member("x")])
        return "members" in self._dumped(team, asked)

    def _dumped(self, team: Group, asked: ResponseParameters[Any]) -> dict[str, Any]:
        return team.model_dump(scim_ctx=Context.RESOURCE_QUERY_RESPONSE, response_parameters=asked)

    def _member(self, user_id: str) -> GroupMember:
        return GroupMember.model_validate(self._written(user_id))

    def _written(self, user_id: str) -> dict[str, str]:
        return {"value": user_id, "$ref": f"{self.base}/Users/{user_id}", "type": "User"}

    def _team(self, row: GroupRow) -> Group:
        team = Group(id=row.id, display_name=row.display_name, external_id=row.external_id)
        team.meta = Meta(
            resource_type="Group",
            created=datetime.fromtimestamp(row.created_at, UTC),
            last_modified=datetime.fromtimestamp(row.updated_at, UTC),
            location=f"{self.base}/Groups/{row.id}",
            version=etag(row.version),
        )
        return team


def _row(team: Group, row: GroupRow) -> GroupRow:
    name, external_id = team.display_name or "", team.external_id or None
    for attribute, text in (("displayName", name), ("externalId", external_id)):
        if text is None:
            continue
        if not 0 < len(text) <= NAME_MAX or not text.isprintable():
            raise invalid(f"{attribute} has 1 to {NAME_MAX} printable characters.")
    return replace(row, display_name=name, external_id=external_id)


def _apart(body: Mapping[str, Any]) -> tuple[frozenset[str] | None, dict[str, Any]]:
    """The members a body names, None where it names none, and the rest of it.

    They may stand in an object under the schema's URN, as the attributes of extensions do.
    """
    members: frozenset[str] | None = None
    rest: dict[str, Any] = {}
    for name, value in _unfolded(body):
        if name.lower() not in _MEMBERS:
            rest[name] = value
        elif members is not None:
            raise ScimError(400, "invalidSyntax", "Members are named twice.")
        else:
            members = _ids(value)
    return members, rest


def _unfolded(body: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The attributes of a body, with those that it nests under the schema's own URN."""
    for name, value in body.items():
        if name.lower() != _SCHEMA:
            yield name, value
        elif not isinstance(value, dict):
            raise ScimError(400, "invalidSyntax", f"{name} is an object of attributes.")
        else:
            yield from value.items()


def _of_members(
    operation: PatchOperation[Group],
) -> Iterator[tuple[PatchOperation.Op, frozenset[str] | None]]:
    """What an operation does with members; None is all of them."""
    op, path, value = operation.op, operation.path, operation.value
    if path is not None and path.lower() == _SCHEMA:
        raise ScimError(400, "invalidPath", "A path names an attribute.")
    if path is None:
        members, _ = _apart(value) if isinstance(value, dict) else (None, {})
        if members is not None:
            yield op, members
    elif path.parts[0].lower() == "members":
        if len(path.parts) > 1:
            raise ScimError(400, "mutability", "A member is put in and taken out, not changed.")
        chosen = path.value_filter
        if chosen is None:
            all_of_them = op is PatchOperation.Op.remove and value is None
            yield op, None if all_of_them else _ids(value)
        elif op is PatchOperation.Op.remove:
            yield op, frozenset(_chosen(chosen))
        else:
            raise ScimError(400, "mutability", "A member is put in and taken out, not changed.")


def _of_others(operation: PatchOperation[Group]) -> PatchOperation[Group] | None:
    """What is left of an operation without its members."""
    if operation.path is not None:
        return None if operation.path.parts[0].lower() == "members" else operation
    if not isinstance(operation.value, dict):
        return operation
    _, rest = _apart(operation.value)
    return PatchOperation[Group](op=operation.op, value=rest) if rest else None


def _folded(
    change: MemberChange, kind: PatchOperation.Op, ids: frozenset[str] | None
) -> MemberChange:
    """One change after another, as one."""
    match kind:
        case PatchOperation.Op.add if ids is not None:
            return replace(change, added=change.added | ids, removed=change.removed - ids)
        case PatchOperation.Op.remove if ids is not None:
            return replace(change, added=change.added - ids, removed=change.removed | ids)
        case _:
            return MemberChange(only=ids or frozenset())


def _chosen(node: FilterNode) -> Iterator[str]:
    """The ids that a filter of members names, one by one."""
    match node:
        case LogicalExpr(op=Logical.or_, terms=terms):
            for term in terms:
                yield from _chosen(term)
        case Comparison(
            attr_path=AttrPath(attr=attr, sub_attr=None), op=CompareOperator.eq, value=str(value)
        ) if attr.lower() == "value":
            yield value
        case _:
            raise ScimError(400, "invalidFilter", "Members are chosen by: value eq …")


def _ids(value: object) -> frozenset[str]:
    """The ids of members as they are sent: a list of them, or one."""
    if value is None:
        return frozenset()
    every = value if isinstance(value, list) else [value]
    if len(every) > MEMBERS_MAX:
        raise invalid(f"A group has {MEMBERS_MAX} members at most.")
    return frozenset(_id(each) for each in every)


def _id(member: object) -> str:
    said = {name.lower(): each for name, each in member.items()} if isinstance(member, dict) else {}
    found = said.get("value")
    if not isinstance(found, str) or not 0 < len(found) <= ID_MAX or not found.isprintable():
        raise invalid('A member is {"value": the id of a User}.')
    if str(said.get("type") or "User").lower() != "user":
        raise invalid("Groups are in no group here.")
    return found
