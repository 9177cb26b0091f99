"""Roles and what they may do, read from config/policies/rbac.yaml; nothing is granted by default."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

import config
from actors.subjects import is_person
from config.document import Document, Loc, Place, read_document
from config.security import RbacSettings
from deployments.security.addresses import Address
from deployments.security.client_address import networks_of
from deployments.security.constraints import Constraint, Facts, withheld
from deployments.security.money_limits import MoneyLimits
from deployments.security.principal import Principal
from routing.clock import Clock
from routing.errors import ConfigError

_SHIPPED = Path(config.__file__).parent / "policies" / "rbac.yaml"


# A policy is read once; what is larger was not written by a person.
_NAMES_MAX = 500
# Two years: a longer sign-on is none, and a number this size was meant in another unit.
_MINUTES_MAX = 60 * 24 * 730
# A company's ladder has a handful of rungs; walking up a hundred roles that all inherit two is no use.
_DEPTH_MAX = 10


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class _Role(_Strict):
    """What a role may do, and the roles it is besides; the bare list of what it may do will do."""

    inherits: list[str] = []
    may: list[str] = []

    @model_validator(mode="before")
    @classmethod
    def _bare_list(cls, written: object) -> object:
        return {"may": written} if isinstance(written, list) else written


class _Constraint(_Strict):
    """When permissions are withheld; all that is written must hold."""

    permissions: list[str] = Field(min_length=1)
    people_only: bool = False
    networks: list[str] | None = None
    signed_on_within_minutes: int | None = Field(default=None, ge=1, le=_MINUTES_MAX)

    @model_validator(mode="after")
    def _asks_for_something(self) -> "_Constraint":
        if not self.people_only and self.networks is None and self.signed_on_within_minutes is None:
            raise ValueError(
                "write people_only: true, networks or signed_on_within_minutes: it keeps nothing back"
            )
        return self


class _Policy(_Strict):
    permissions: dict[str, str] = Field(max_length=_NAMES_MAX)
    roles: dict[str, _Role] = Field(max_length=_NAMES_MAX)
    limits: dict[str, dict[str, float]] = {}
    constraints: list[_Constraint] = Field(default=[], max_length=_NAMES_MAX)


@dataclass(frozen=True, slots=True)
class Roles:
    """The closed vocabulary of permissions, each role's share of it, and what money it may move.

    `grants` and `limits` have what is inherited in them. `inherits` is every role that a role is,
    itself left out; `sentences` say what each permission is.
    """

    permissions: frozenset[str]
    grants: Mapping[str, frozenset[str]]
    limits: MoneyLimits = field(default_factory=MoneyLimits)
    constraints: tuple[Constraint, ...] = ()
    inherits: Mapping[str, frozenset[str]] = field(default_factory=dict)
    sentences: Mapping[str, str] = field(default_factory=dict)


def constrained(
    constraints: tuple[Constraint, ...], clock: Clock
) -> Callable[[Principal, Address | None], Principal] | None:
    """Takes from a caller, seen from their address, what is withheld just now; None if nothing ever is."""
    if not constraints:
        return None

    def hold_back(principal: Principal, address: Address | None) -> Principal:
        facts = Facts(clock.now(), is_person(principal.subject), address, principal.signed_on_at)
        kept = withheld(constraints, principal.permissions, facts)
        if not kept:
            return principal
        left = principal.permissions - kept.keys()
        return replace(principal, permissions=left, withheld=kept)

    return hold_back


def roles_of(rbac: RbacSettings | None) -> Roles:
    """The roles the configuration names, or those that ship.

    A policy file's relative path starts where the packages are installed, as the shipped
    `config/policies/rbac.yaml` does.

    Raises:
        ConfigError: they were switched off, are in several files, or one named is not there.
    """
    if rbac is None:
        return load_roles()
    if not rbac.enabled:
        raise ConfigError("configuration", None, "rbac.enabled", "roles cannot be switched off")
    if len(rbac.policies) > 1:
        raise ConfigError("configuration", None, "rbac.policies", "put them into one file")
    root = Path(config.__file__).parent.parent
    roles = load_roles(*(root / policy.policy_file for policy in rbac.policies))
    for role in rbac.roles:
        if role not in roles.grants:
            message = f"the policy grants nothing to {role}; there are: {', '.join(roles.grants)}"
            raise ConfigError("configuration", None, "rbac.roles", message)
    return roles


def load_roles(path: Path = _SHIPPED) -> Roles:
    """The policy in `path`, in the same small YAML as the configuration: every key once.

    Raises:
        ConfigError: it cannot be read, a role is granted or inherits what does not exist or
            inherits itself, a constraint is for a permission that does not exist, or a limit is
            no amount of whole cents or is for a role that does not exist.
    """
    document = read_document(path)
    if document.errors:
        raise document.errors[0]
    # An empty file has no place of its own, and is named all the same.
    document.places.setdefault((), Place(str(path), 1))
    try:
        policy = _Policy.model_validate(document.data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        message = f"{first['msg']}; a policy file is the whole policy, so begin with a copy of the shipped one"
        raise document.error(first["loc"], message) from error
    permissions = frozenset(policy.permissions)
    own = policy.roles
    for name, role in own.items():
        _must_be_known(document, ("roles", name), role.may, permissions)
    inherits = {name: _ancestors(document, own, name, ()) for name in own}
    grants = {
        name: frozenset(role.may).union(*(own[other].may for other in inherits[name]))
        for name, role in own.items()
    }
    limits = {
        name: _inherited({role: _cents(document, policy, name, role) for role in by_role}, inherits)
        for name, by_role in policy.limits.items()
    }
    constraints = tuple(
        _constraint(document, number, written, permissions)
        for number, written in enumerate(policy.constraints)
    )
    return Roles(
        permissions, grants, MoneyLimits(limits), constraints, inherits, policy.permissions
    )


def _must_be_known(
    document: Document, loc: Loc, named: Iterable[str], permissions: frozenset[str]
) -> None:
    for permission in named:
        if permission not in permissions:
            message = f"{permission} is not among the permissions; add it there or delete it"
            raise document.error(loc, message)


def _ancestors(
    document: Document, own: Mapping[str, _Role], name: str, below: tuple[str, ...]
) -> frozenset[str]:
    """Every role that `name` is besides itself; `below` are those that were walked up from."""
    loc, walked = ("roles", name, "inherits"), (*below, name)
    found = set[str]()
    for other in own[name].inherits:
        if other not in own:
            raise document.error(loc, f"there is no role {other}; there are: {', '.join(own)}")
        if other in walked:
            circle = " > ".join((*walked[walked.index(other) :], other))
            raise document.error(loc, f"a role inherits itself: {circle}")
        if len(walked) > _DEPTH_MAX:
            raise document.error(loc, f"is deeper than {_DEPTH_MAX} roles")
        found |= {other, *_ancestors(document, own, other, walked)}
    return frozenset(found)


def _inherited(cents: Mapping[str, int], inherits: Mapping[str, frozenset[str]]) -> dict[str, int]:
    """Every role's own amount, or the largest it inherits where none is written for it."""
    amounts = {
        role: cents[role] if role in cents else max((cents.get(o, 0) for o in others), default=0)
        for role, others in inherits.items()
    }
    return {role: amount for role, amount in amounts.items() if role in cents or amount}


def _constraint(
    document: Document, number: int, written: _Constraint, permissions: frozenset[str]
) -> Constraint:
    loc = ("constraints", number)
    _must_be_known(document, (*loc, "permissions"), written.permissions, permissions)
    try:
        networks = None if written.networks is None else networks_of(written.networks)
    except ValueError as error:
        raise document.error((*loc, "networks"), str(error)) from error
    minutes = written.signed_on_within_minutes
    return Constraint(
        frozenset(written.permissions),
        written.people_only,
        networks,
        None if minutes is None else minutes * 60.0,
    )


def _cents(document: Document, policy: _Policy, name: str, role: str) -> int:
    loc = ("limits", name, role)
    if role not in policy.roles:
        message = f"there is no such role; there are: {', '.join(policy.roles)}"
        raise document.error(loc, message)
    cents = Decimal(str(policy.limits[name][role])).scaleb(2)
    if cents < 0 or cents != cents.to_integral_value():
        raise document.error(loc, "is an amount in USD, 0 or more, in whole cents")
    return int(cents)
