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
    assert roles.grants["customer"] == {"chat:create", "chat:read_own", "tickets:create"}
    assert roles.grants["admin"] <= roles.permissions


@pytest.mark.parametrize("role", ["agent", "customer", "service", "supervisor"])
def test_only_an_administrator_configures_platforms_or_erases_people(role: str) -> None:
    """The two that cannot be undone belong to one role."""
    assert not load_roles().grants[role] & {"platforms:configure", "users:erase"}


def test_a_role_may_not_be_granted_what_does_not_exist(tmp_path: Path) -> None:
    """A typing error is found when the file is read, not when somebody is refused."""
    path = written(tmp_path, "permissions: {chat:create: talk}\nroles: {agent: [chat:craete]}\n")
    with pytest.raises(ConfigError, match=r"rbac\.yaml: roles\.agent: chat:craete is not among"):
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
