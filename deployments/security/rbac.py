"""Roles and what they may do, read from config/policies/rbac.yaml; nothing is granted by default."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError
from yaml import YAMLError, safe_load

import config
from config.security import RbacSettings
from deployments.security.money_limits import MoneyLimits
from routing.errors import ConfigError

_SHIPPED = Path(config.__file__).parent / "policies" / "rbac.yaml"


class _Policy(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    permissions: dict[str, str]
    roles: dict[str, list[str]]
    limits: dict[str, dict[str, float]] = {}


@dataclass(frozen=True, slots=True)
class Roles:
    """The closed vocabulary of permissions, each role's share of it, and what money it may move."""

    permissions: frozenset[str]
    grants: Mapping[str, frozenset[str]]
    limits: MoneyLimits = field(default_factory=MoneyLimits)


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
    """The policy in `path`.

    Raises:
        ConfigError: it cannot be read, a role is granted what does not exist, or a limit is no
            amount of whole cents or is for a role that does not exist.
    """
    try:
        policy = _Policy.model_validate(safe_load(path.read_text(encoding="utf-8")))
    except (OSError, YAMLError, ValidationError) as error:
        raise ConfigError(str(path), None, "", str(error)) from error
    permissions = frozenset(policy.permissions)
    for role, granted in policy.roles.items():
        for permission in granted:
            if permission not in permissions:
                message = f"{permission} is not among the permissions; add it there or delete it"
                raise ConfigError(str(path), None, f"roles.{role}", message)
    grants = {role: frozenset(granted) for role, granted in policy.roles.items()}
    limits = {
        name: {role: _cents(path, policy, name, role) for role in by_role}
        for name, by_role in policy.limits.items()
    }
    return Roles(permissions, grants, MoneyLimits(limits))


def _cents(path: Path, policy: _Policy, name: str, role: str) -> int:
    key = f"limits.{name}.{role}"
    if role not in policy.roles:
        message = f"there is no such role; there are: {', '.join(policy.roles)}"
        raise ConfigError(str(path), None, key, message)
    cents = Decimal(str(policy.limits[name][role])).scaleb(2)
    if cents < 0 or cents != cents.to_integral_value():
        raise ConfigError(str(path), None, key, "is an amount in USD, 0 or more, in whole cents")
    return int(cents)
