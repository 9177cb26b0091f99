"""Roles that inherit, and permissions that are withheld: what a policy file may say, and what it comes to."""

from pathlib import Path

import pytest

from deployments.security.constraints import WORDS, Facts, withheld
from deployments.security.principal import Principal
from deployments.security.rbac import Roles, constrained, load_roles
from routing.clock import ManualClock
from routing.errors import AccessError, ConfigError

POLICY = """\
permissions: {chat: say something, refund: give money back, configure: change it}
roles:
  agent: [chat]
  supervisor: {inherits: [agent], may: [refund]}
  admin: {inherits: [supervisor], may: [configure]}
  other: [chat]
limits:
  refunds: {agent: 200, supervisor: 1000}
constraints:
  - permissions: [configure, refund]
    networks: [10.0.0.0/8, "fd00::/8"]
  - permissions: [configure]
    people_only: true
    signed_on_within_minutes: 15
"""
NOW = 1_790_000_000.0


def policy(folder: Path, text: str) -> Roles:
    path = folder / "rbac.yaml"
    path.write_text(text)
    return load_roles(path)


def test_a_role_is_everything_it_inherits_and_moves_what_it_inherits(tmp_path: Path) -> None:
    roles = policy(tmp_path, POLICY)
    assert roles.grants["admin"] == {"chat", "refund", "configure"}
    assert roles.inherits["admin"] == {"agent", "supervisor"}
    assert roles.grants["agent"] == {"chat"}
    cents = {name: roles.limits.of("refunds", [name]) for name in roles.grants}
    assert cents == {"agent": 20_000, "supervisor": 100_000, "admin": 100_000, "other": 0}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("inherits: [agent]", "inherits: [agnt]", "there is no role agnt"),
        ("agent: [chat]", "agent: {inherits: [admin]}", "a role inherits itself: agent > admin"),
        ("agent: [chat]", "agent: {inherits: [agent]}", "a role inherits itself: agent > agent"),
        ("may: [refund]", "may: [refnd]", "refnd is not among the permissions"),
        ("may: [refund]", "mya: [refund]", "roles.supervisor.mya: Extra inputs"),
        ("may: [refund]", "may: refund", "roles.supervisor.may: Input should be a valid list"),
        ("people_only: true", "people_onyl: true", "Extra inputs"),
        ("[configure, refund]", "[configure, refnd]", "refnd is not among the permissions"),
        ("[configure, refund]", "[]", "at least 1"),
        ("10.0.0.0/8", "10.0.0.1/8", "has host bits set"),
        ("minutes: 15", "minutes: 0", "greater than or equal to 1"),
        ('    networks: [10.0.0.0/8, "fd00::/8"]\n', "", "it keeps nothing back"),
    ],
)
def test_a_word_a_role_or_a_circle_that_cannot_be_meant_stops_the_start(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    assert old in POLICY
    with pytest.raises(ConfigError) as caught:
        policy(tmp_path, POLICY.replace(old, new))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("again", "said"),
    [
        ("constraints: [{permissions: [chat], people_only: true}]\n", "rbac.yaml:15: constraints"),
        ("roles: {admin: [configure]}\n", "rbac.yaml:15: roles"),
    ],
)
def test_what_is_written_twice_does_not_take_the_first_away(
    tmp_path: Path, again: str, said: str
) -> None:
    """Of two lists of constraints a lenient reader would keep the last."""
    with pytest.raises(ConfigError, match="twice") as caught:
        policy(tmp_path, POLICY + again)
    assert said in str(caught.value)


def facts(
    *, person: bool = True, address: str | None = "10.1.2.3", signed_on: float | None = NOW - 60
) -> Facts:
    from ipaddress import ip_address  # noqa: PLC0415

    return Facts(NOW, person, None if address is None else ip_address(address), signed_on)


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (facts(), {}),
        (facts(address="fd00::1"), {}),
        (facts(address="192.0.2.1"), {"configure": "network", "refund": "network"}),
        (facts(address="::ffff:10.1.2.3"), {"configure": "network", "refund": "network"}),
        (facts(address=None), {"configure": "network", "refund": "network"}),
        (facts(person=False), {"configure": "not_a_person"}),
        (facts(signed_on=NOW - 899), {}),
        (facts(signed_on=NOW - 900), {"configure": "sign_on_too_old"}),
        (facts(signed_on=None), {"configure": "sign_on_unknown"}),
        (facts(signed_on=NOW + 61), {"configure": "sign_on_too_old"}),
        (facts(signed_on=NOW + 365 * 86_400), {"configure": "sign_on_too_old"}),
        (facts(signed_on=NOW * 1000), {"configure": "sign_on_too_old"}),
        (facts(signed_on=float("inf")), {"configure": "sign_on_too_old"}),
    ],
)
def test_what_is_not_known_of_a_caller_counts_against_them(
    tmp_path: Path, known: Facts, expected: dict[str, str]
) -> None:
    """And a constraint gives nobody anything."""
    roles = policy(tmp_path, POLICY)
    assert withheld(roles.constraints, roles.grants["admin"], known) == expected
    assert withheld(roles.constraints, roles.grants["agent"], known) == {}


def test_a_caller_is_told_what_would_help(tmp_path: Path) -> None:
    roles = policy(tmp_path, POLICY)
    clock = ManualClock(NOW)
    hold_back = constrained(roles.constraints, clock)
    assert hold_back is not None
    admin = frozenset({"admin"})
    known = Principal("t", "okta:1", admin, roles.grants["admin"], signed_on_at=NOW - 3600)
    left = hold_back(known, facts().address)
    assert left.may("refund")
    with pytest.raises(AccessError, match=WORDS["sign_on_too_old"]):
        left.must("configure")
    key = Principal("t", "key:1", admin, roles.grants["admin"], as_of=NOW, signed_on_at=NOW)
    with pytest.raises(AccessError, match="not for keys"):
        hold_back(key, facts().address).must("configure")
    program = Principal("t", "client:okta:1", admin, roles.grants["admin"], signed_on_at=NOW)
    with pytest.raises(AccessError, match="or programs"):
        hold_back(program, facts().address).must("configure")
    assert constrained((), clock) is None
