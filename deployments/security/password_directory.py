"""A directory of people, as far as signing on needs one; `ldap_visit` is the one there is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Protocol, cast

from config.directories import LdapProvider
from config.extras import install
from routing.errors import ConfigError, SupportMaxError

_MODULE = "deployments.security.ldap_visit"


class DirectoryAway(SupportMaxError):
    """A directory cannot be asked just now."""

    code = "directory_away"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Found:
    """Somebody the directory knows. `account` is its own number of them, `entry` all it said."""

    account: str
    dn: str = field(repr=False)
    entry: Any = field(repr=False)


class Visit(Protocol):
    """One connection for one sign-on; see `ldap_visit.Visit`. It waits: in a thread."""

    @property
    def was_tried(self) -> bool:
        """Whether a password may have reached the directory."""
        ...

    def find(self, username: str) -> Found | None:
        """Raises DirectoryAway."""
        ...

    def proves(self, found: Found | None, password: str) -> bool:
        """Raises DirectoryAway."""
        ...

    def is_open(self, found: Found, now: float) -> bool:
        """Whether the account may be used."""
        ...

    def groups(self, found: Found) -> list[str]:
        """Raises DirectoryAway."""
        ...

    def close(self) -> None:
        """Go."""
        ...

    def abort(self) -> None:
        """End it from another thread."""
        ...


class PasswordDirectory(Protocol):
    """One directory of the configuration."""

    def visit(self) -> Visit:
        """A connection that is not open yet."""
        ...


def open_directories(providers: tuple[LdapProvider, ...]) -> Mapping[str, PasswordDirectory]:
    """Every directory of the configuration; the library is loaded only where there is one.

    Raises:
        ConfigError: a file cannot be read, or the library is not installed.
    """
    if not providers:
        return {}
    try:
        module = import_module(_MODULE)
    except ModuleNotFoundError as error:
        message = f"provider: ldap needs ldap3, which is not installed; {install('ldap')}"
        raise ConfigError("configuration", None, "sso_providers", message) from error
    return {each.name: cast("PasswordDirectory", module.LdapDirectory(each)) for each in providers}
