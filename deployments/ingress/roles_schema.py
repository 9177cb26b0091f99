"""What is said of roles and of who was given which."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

RoleName = Annotated[str, StringConstraints(min_length=1, max_length=64)]


class RolesBody(BaseModel):
    """The roles somebody is to have beside what their provider claims: these and no others."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    roles: list[RoleName] = Field(min_length=1, max_length=32)


class RoleRow(BaseModel):
    """A role. `permissions` and `limits_usd` have what is inherited in them."""

    name: str
    inherits: list[str]
    permissions: list[str]
    limits_usd: dict[str, float]


class ConstraintRow(BaseModel):
    """When permissions are withheld from whoever has them; all that is not null must hold."""

    permissions: list[str]
    people_only: bool
    networks: list[str] | None
    signed_on_within_minutes: float | None


class RoleList(BaseModel):
    """The roles in force, what each permission is, and when permissions are withheld."""

    roles: list[RoleRow]
    permissions: dict[str, str]
    constraints: list[ConstraintRow]


class AssignmentRow(BaseModel):
    """What a person was given, by whom and when."""

    subject: str
    roles: list[str]
    by: str
    at: str


class AssignmentList(BaseModel):
    """Everybody of the tenant who was given something."""

    assignments: list[AssignmentRow]


class AssignmentDeleted(BaseModel):
    """They have what their provider claims, and nothing else."""

    subject: str
    deleted: bool
