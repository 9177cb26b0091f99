"""Roles, what they inherit and what is withheld: the same answers as Cedar gives to the same policy.

Cedar is another's engine with a semantics that was proved; random policies are written for both, and
whoever asks is allowed by both or by neither.
"""

import ipaddress
from pathlib import Path
from random import Random
from typing import Any

import cedarpy
import pytest
import yaml

from deployments.security.principal import Principal
from deployments.security.rbac import Roles, constrained, load_roles
from routing.clock import ManualClock

NOW = 1_790_000_000
PERMISSIONS = ("chat", "refund", "configure", "erase", "assign")
NETWORKS = ("10.0.0.0/8", "10.1.0.0/16", "192.0.2.0/24", "fd00::/8")
ADDRESSES = ("10.0.0.1", "10.1.255.255", "11.0.0.0", "192.0.2.255", "fd00::1", "fe80::1", None)
ASKED = 60


def some(rng: Random, of: tuple[str, ...], least: int = 0) -> list[str]:
    return rng.sample(of, rng.randint(least, len(of)))


def policy(rng: Random) -> dict[str, Any]:
    """Roles that inherit from those before them, and constraints of every kind."""
    names = [f"role{n}" for n in range(rng.randint(1, 6))]
    roles: dict[str, Any] = {}
    for place, name in enumerate(names):
        may, inherits = some(rng, PERMISSIONS), some(rng, tuple(names[:place]))
        roles[name] = {"may": may, "inherits": inherits} if inherits or rng.random() < 0.5 else may
    # The order in a file means nothing.
    shuffled = dict(rng.sample(sorted(roles.items()), len(roles)))
    constraints = []
    for _ in range(rng.randint(0, 4)):
        written: dict[str, Any] = {"permissions": some(rng, PERMISSIONS, 1)}
        if rng.random() < 0.5:
            written["networks"] = some(rng, NETWORKS)
        if rng.random() < 0.4:
            written["signed_on_within_minutes"] = rng.choice([1, 15, 600])
        if rng.random() < 0.4 or len(written) == 1:
            written["people_only"] = True
        constraints.append(written)
    sentences = dict.fromkeys(PERMISSIONS, "do it")
    return {"permissions": sentences, "roles": shuffled, "constraints": constraints}


def in_cedar(written: dict[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    """The same in Cedar's words: roles are entities, what is withheld is forbidden unless all holds."""
    rules, entities = [], []
    for name, role in written["roles"].items():
        may, inherits = (role, []) if isinstance(role, list) else (role["may"], role["inherits"])
        parents = [{"type": "Role", "id": other} for other in inherits]
        entities.append({"uid": {"type": "Role", "id": name}, "attrs": {}, "parents": parents})
        rules += [
            f'permit(principal in Role::"{name}", action == Action::"{permission}", resource);'
            for permission in may
        ]
    for each in written["constraints"]:
        conditions = []
        if each.get("people_only"):
            conditions.append("context.is_person")
        if "networks" in each:
            within = [f'context.address.isInRange(ip("{n}"))' for n in each["networks"]]
            conditions.append(f"(context has address && ({' || '.join(within) or 'false'}))")
        if "signed_on_within_minutes" in each:
            limit_s = each["signed_on_within_minutes"] * 60
            recent = f"{NOW} - context.signed_on_at < {limit_s}"
            conditions.append(f"(context.is_person && context has signed_on_at && {recent})")
        rules += [
            f'forbid(principal, action == Action::"{permission}", resource) '
            f"unless {{ {' && '.join(conditions)} }};"
            for permission in each["permissions"]
        ]
    return "\n".join(rules), entities


def theirs(
    rules: str,
    entities: list[dict[str, Any]],
    roles: list[str],
    permission: str,
    known: dict[str, Any],
) -> bool:
    parents = [{"type": "Role", "id": role} for role in roles]
    caller = {"uid": {"type": "Caller", "id": "one"}, "attrs": {}, "parents": parents}
    asked = {
        "principal": 'Caller::"one"',
        "action": f'Action::"{permission}"',
        "resource": 'Thing::"it"',
        "context": known,
    }
    result = cedarpy.is_authorized(asked, rules, [*entities, caller])
    assert not result.diagnostics.errors
    return bool(result.allowed)


def ours(roles: Roles, named: list[str], permission: str, known: dict[str, Any]) -> bool:
    granted = frozenset[str]().union(*(roles.grants[role] for role in named))
    subject = "okta:somebody" if known["is_person"] else "key:0123456789"
    address = known.get("address")
    caller = Principal(
        "t", subject, frozenset(named), granted, signed_on_at=known.get("signed_on_at")
    )
    hold_back = constrained(roles.constraints, ManualClock(NOW))
    if hold_back is not None:
        at = None if address is None else ipaddress.ip_address(address["__extn"]["arg"])
        caller = hold_back(caller, at)
    return caller.may(permission)


@pytest.mark.parametrize("seed", range(40))
def test_whoever_asks_is_allowed_by_both_or_by_neither(tmp_path: Path, seed: int) -> None:
    rng = Random(seed)  # noqa: S311  nothing secret hangs on it
    written = policy(rng)
    path = tmp_path / "rbac.yaml"
    path.write_text(yaml.safe_dump(written, sort_keys=False))
    roles = load_roles(path)
    rules, entities = in_cedar(written)
    for _ in range(ASKED):
        named = some(rng, tuple(written["roles"]))
        known: dict[str, Any] = {"is_person": rng.random() < 0.7}
        if (address := rng.choice(ADDRESSES)) is not None:
            known["address"] = {"__extn": {"fn": "ip", "arg": address}}
        if rng.random() < 0.8:
            known["signed_on_at"] = NOW - rng.choice([0, 59, 60, 899, 900, 35_999, 36_000])
        permission = rng.choice(PERMISSIONS)
        expected = theirs(rules, entities, named, permission, known)
        assert ours(roles, named, permission, known) is expected, (named, permission, known)
