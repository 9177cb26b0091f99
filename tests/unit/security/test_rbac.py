"""Roles: nothing is granted that is not written, and nothing is written that does not exist."""

from pathlib import Path

import pytest

from deployments.security.rbac import load_roles
from routing.errors import ConfigError


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "rbac.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_shipped_policy_grants_a_customer_no_more_than_his_own() -> None:
    """A customer talks and opens tickets; everything else is somebody's work."""
    roles = load_roles()
    assert roles.grants["customer"] == {
        "chat:create", "chat:read_own", "tickets:create", "users:export_own",
    }  # fmt: skip
    assert roles.grants["admin"] <= roles.permissions


@pytest.mark.parametrize("role", ["agent", "customer", "service", "supervisor"])
def test_only_an_administrator_configures_platforms_or_erases_people(role: str) -> None:
    """The two that cannot be undone belong to one role."""
    assert not load_roles().grants[role] & {"platforms:configure", "users:erase"}


def test_a_role_may_not_be_granted_what_does_not_exist(tmp_path: Path) -> None:
    """A typing error is found when the file is read, not when somebody is refused."""
    path = written(tmp_path, "permissions: {chat:create: talk}\nroles: {agent: [chat:craete]}\n")
    with pytest.raises(ConfigError, match=r"rbac\.yaml:2: roles\.agent: chat:craete is not among"):
        load_roles(path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "permissions: {}\n",
        "permissions: {a: b}\nroles: {x: [a]}\nextra: 1\n",
        "permissions: [a]\nroles: {}\n",
        "permissions: {a: b}\nroles: {x: a}\n",
        "permissions: {a: b\n",
    ],
)
def test_a_policy_of_another_shape_is_refused_with_its_file_named(
    tmp_path: Path, text: str
) -> None:
    """An operator reads which file it is."""
    with pytest.raises(ConfigError, match=r"rbac\.yaml"):
        load_roles(written(tmp_path, text))


def test_a_missing_policy_is_a_configuration_error(tmp_path: Path) -> None:
    """No file is no policy, and no policy is no start."""
    with pytest.raises(ConfigError, match=r"rbac\.yaml"):
        load_roles(tmp_path / "rbac.yaml")


def test_the_shipped_limits_are_those_of_the_companys_own_article() -> None:
    """Up to $200 a customer and month the agent, up to $1,000 the duty lead; a program nothing."""
    limits = load_roles().limits
    name = "refunds_usd_per_customer_month"
    assert [limits.of(name, [role]) for role in ("agent", "supervisor", "service", "customer")] == [
        20_000, 100_000, 0, 0,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        ("{ghost: 1}", r"limits\.refunds\.ghost: there is no such role; there are: agent"),
        ("{agent: -1}", r"limits\.refunds\.agent: is an amount in USD"),
        ("{agent: 0.001}", r"limits\.refunds\.agent: is an amount in USD"),
        ("{agent: .inf}", "limits"),
        ("{agent: .nan}", "limits"),
        ("{agent: many}", "limits"),
        ("{agent: true}", "limits"),
        ("{agent: }", "limits"),
        ("7", "limits"),
    ],
)
def test_a_limit_that_is_no_amount_of_a_role_is_refused(
    tmp_path: Path, limit: str, said: str
) -> None:
    text = f"permissions: {{a: b}}\nroles: {{agent: [a]}}\nlimits: {{refunds: {limit}}}\n"
    with pytest.raises(ConfigError, match=said):
        load_roles(written(tmp_path, text))


def test_a_policy_without_limits_lets_nothing_go_alone(tmp_path: Path) -> None:
    roles = load_roles(written(tmp_path, "permissions: {a: b}\nroles: {agent: [a]}\n"))
    assert roles.limits.of("refunds", ["agent"]) == 0


def test_a_policy_without_permissions_names_the_key_and_the_cure(tmp_path: Path) -> None:
    path = tmp_path / "rbac.yaml"
    path.write_text("roles: {admin: []}")
    with pytest.raises(ConfigError, match=r"permissions.*begin with a copy of the shipped one"):
        load_roles(path)
