"""A key is held to what its maker may do now: who is known by what, and what is left of a key."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.security import RoleRule
from deployments.security.key_makers import MEETS_MAX, KeyMakers
from deployments.security.money_limits import MoneyLimits
from deployments.security.principal import Principal

GRANTS = {
    "admin": frozenset({"read", "write", "keys"}),
    "lead": frozenset({"read", "write"}),
    "agent": frozenset({"read"}),
    "service": frozenset({"read", "batch"}),
}
LIMITS = MoneyLimits({"refunds": {"admin": 500, "lead": 100, "agent": 20}})


@dataclass
class Vouch:
    """A provider whose word can make an agent."""

    name: str = "okta"
    tenant: str = "acme"
    roles: tuple[RoleRule, ...] = (RoleRule(claim="groups", equals="Agents", role="agent"),)


@dataclass
class Given:
    """Roles by person; whoever is there is known."""

    roles: dict[tuple[str, str], frozenset[str]] = field(default_factory=dict)

    def roles_of(self, tenant: str, subject: str) -> frozenset[str]:
        return self.roles.get((tenant, subject), frozenset())

    def knows(self, tenant: str, subject: str) -> bool:
        return (tenant, subject) in self.roles


class SignOns:
    """Nobody signed on."""

    async def last_roles(self, tenant: str, subject: str) -> frozenset[str] | None:
        return None


def makers(given: Mapping[str, set[str]]) -> KeyMakers:
    roles = {("acme", name): frozenset(each) for name, each in given.items()}
    return KeyMakers([Vouch()], GRANTS, LIMITS, [Given(), Given(roles)], SignOns())


def key(*roles: str, owner: str | None = "okta:ann") -> Principal:
    granted = frozenset[str]().union(*(GRANTS[role] for role in roles))
    return Principal("acme", "key:1", frozenset(roles), granted, owner=owner)


@pytest.mark.parametrize(
    ("has", "claimed", "roles", "permissions"),
    [
        ({"admin"}, set(), {"admin"}, {"read", "write", "keys"}),
        ({"lead"}, set(), {"lead"}, {"read", "write"}),
        (set(), {"lead"}, {"lead"}, {"read", "write"}),
        ({"service"}, set(), set(), {"read"}),
        (set(), set(), set(), set()),
        # Never signed on: what the provider could say of them.
        (set(), None, {"agent"}, {"read"}),
    ],
)  # fmt: skip
def test_a_key_has_the_lesser_of_what_it_was_given_and_what_its_maker_has(
    has: set[str], claimed: set[str] | None, roles: set[str], permissions: set[str]
) -> None:
    """Of permissions and of money, which goes by the roles."""
    said = None if claimed is None else frozenset(claimed)
    left = makers({"okta:ann": has}).held(key("admin"), said)
    assert left.roles - {"agent"} == roles - {"agent"}
    assert left.permissions == permissions
    mine = frozenset(has) | (said if said is not None else {"agent"})
    assert LIMITS.of("refunds", left.roles) <= LIMITS.of("refunds", mine)


def test_a_maker_whom_nothing_here_knows_holds_a_key_to_nothing() -> None:
    """Nor does a key behind which nobody is known; another tenant's person of that name is another."""
    held = makers({"okta:ann": set()})
    for owner in (None, "key:2", "okta:bob", "elsewhere:ann"):
        assert held.held(key("admin", owner=owner), None) == key("admin")
    elsewhere = Principal("other", "key:1", frozenset({"admin"}), GRANTS["admin"], owner="okta:ann")
    assert held.held(elsewhere, None) is elsewhere


def test_what_a_scope_took_away_does_not_come_back() -> None:
    """By a role that its maker has and the key had, were it not for its scopes."""
    narrow = Principal(
        "acme", "key:1", frozenset({"admin"}), frozenset({"keys", "read"}), owner="okta:ann"
    )
    assert makers({"okta:ann": {"lead"}}).held(narrow, frozenset()).permissions == {"read"}


_ROLES = st.frozensets(st.sampled_from(sorted(GRANTS)))


@given(_ROLES, _ROLES, _ROLES)
def test_no_key_ever_does_or_moves_more_than_either(
    given_to_it: frozenset[str], has: frozenset[str], claimed: frozenset[str]
) -> None:
    """Whatever the roles."""
    made = key(*given_to_it)
    left = makers({"okta:ann": set(has)}).held(made, claimed)
    maker = frozenset[str]().union(*(GRANTS[role] for role in has | claimed))
    assert left.permissions == made.permissions & maker
    for whose in (given_to_it, has | claimed):
        assert LIMITS.of("refunds", left.roles) <= LIMITS.of("refunds", whose)


def test_comparisons_that_are_kept_are_bounded() -> None:
    """A policy with many roles, and people with all kinds of them."""
    names = [f"role-{number}" for number in range(MEETS_MAX + 100)]
    grants = {name: frozenset({name}) for name in names}
    given_to = Given({("acme", "okta:ann"): frozenset()})
    held = KeyMakers([Vouch()], grants, MoneyLimits(), [given_to], SignOns())
    for name in names:
        made = Principal("acme", "key:1", frozenset({name}), grants[name], owner="okta:ann")
        assert not held.held(made, frozenset()).permissions
    assert len(held._meets) <= MEETS_MAX
