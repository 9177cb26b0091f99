"""People and groups as they are on the wire: what this directory keeps of RFC 7643, and no more.

Who may come in needs a name, an id and whether they are active. Names to show and addresses are kept
for those who look after the directory; telephone numbers, addresses of homes, photographs and
passwords are taken from nobody: what is sent of them is dropped.
"""

from typing import Annotated, Any, ClassVar

from pydantic import Field
from scim2_models import (
    URN,
    CaseExact,
    ComplexAttribute,
    Mutability,
    Reference,
    Required,
    Resource,
    ScimPolicy,
    Uniqueness,
)

ID_MAX = 64
"""Characters of an id of ours; what is longer is none."""
NAME_MAX = 255
"""Characters of the name or the provider's id of somebody: a token's subject has no more either."""

# As Entra ID sends it, too: members to remove in `value`, entries that a filter describes and that
# are not there yet, and attributes of other applications.
POLICY = ScimPolicy(
    unknown=ScimPolicy.Unknown.ignore,
    remove_value_as_filter=ScimPolicy.RemoveValue.apply,
    unmatched_path_filter=ScimPolicy.UnmatchedPathFilter.create,
)

Name = Annotated[str, Field(max_length=NAME_MAX)]


class UserName(ComplexAttribute):
    """The components of a person's name."""

    formatted: Name | None = None
    """The full name as it is shown."""

    family_name: Name | None = None
    """The family name."""

    given_name: Name | None = None
    """The given name."""


class Email(ComplexAttribute):
    """An e-mail address, which nobody sends to: any text, since a company's own need no public name."""

    value: Name | None = None
    """The address."""

    type: Name | None = None
    """What it is for: work, home or other."""

    primary: bool | None = None
    """Whether it is the preferred one."""


class UserGroup(ComplexAttribute):
    """A group a person is in."""

    value: Annotated[str | None, Mutability.read_only, CaseExact.true] = None
    """The group's id."""

    ref: Annotated[Reference["Group"] | None, Mutability.read_only] = Field(
        None, serialization_alias="$ref", validation_alias="$ref"
    )
    """Where the group is."""

    display: Annotated[str | None, Mutability.read_only] = None
    """The group's name."""


class User(Resource[Any]):
    """Somebody. What a resource refers to is called by these classes' names on the wire."""

    __schema__ = URN("urn:ietf:params:scim:schemas:core:2.0:User")

    user_name: Annotated[Name | None, Uniqueness.server, Required.true] = None
    """The name somebody signs on with, which nobody else of the company has."""

    name: UserName | None = None
    """The components of the person's name."""

    display_name: Name | None = None
    """The name as it is shown."""

    active: bool | None = None
    """Whether they may come in."""

    emails: Annotated[list[Email] | None, Field(max_length=20)] = None
    """Their e-mail addresses."""

    groups: Annotated[list[UserGroup] | None, Mutability.read_only] = None
    """The groups they are in."""

    Name: ClassVar[type[ComplexAttribute]] = UserName
    Emails: ClassVar[type[ComplexAttribute]] = Email
    Groups: ClassVar[type[ComplexAttribute]] = UserGroup


class GroupMember(ComplexAttribute):
    """Somebody in a group."""

    value: Annotated[str | None, Mutability.immutable, CaseExact.true] = None
    """The person's id."""

    ref: Annotated[Reference["User"] | None, Mutability.immutable] = Field(
        None, serialization_alias="$ref", validation_alias="$ref"
    )
    """Where the person is."""

    type: Annotated[str | None, Mutability.immutable] = Field(None, examples=["User"])
    """User; groups are in no group here."""


class Group(Resource[Any]):
    """People who belong together."""

    __schema__ = URN("urn:ietf:params:scim:schemas:core:2.0:Group")

    display_name: Annotated[Name | None, Uniqueness.server, Required.true] = None
    """The group's name, by which it gives roles."""

    members: list[GroupMember] | None = None
    """The people in it."""

    Members: ClassVar[type[ComplexAttribute]] = GroupMember
