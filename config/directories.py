"""Directories that are asked for passwords by LDAPS, where nothing federates them."""

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from config.security import RoleRule, SsoSettings
from routing.errors import ConfigError

_PORT = 636


@dataclass(frozen=True, slots=True)
class LdapProvider:
    """A directory as it will be used. Its people belong to `tenant`.

    A person may be tried `tries` times, and again when nobody tried for `window_s`.
    """

    name: str
    tenant: str
    host: str
    port: int
    ca_file: Path
    bind_dn: str
    password_file: Path = field(repr=False)
    base_dn: str
    is_active_directory: bool
    tries: int
    window_s: float
    public_url: str
    roles: tuple[RoleRule, ...] = ()


def lacking(sso: SsoSettings) -> list[str]:
    """The settings without which a directory means nothing."""
    return [name for name in ("tenant", "public_url", "directory") if not getattr(sso, name)]


def ldap_provider_of(name: str, sso: SsoSettings) -> LdapProvider:
    """One directory whose settings lack nothing.

    Raises:
        ConfigError: passwords would travel in the clear.
    """
    directory = sso.directory
    if directory is None:
        raise ConfigError("configuration", None, "sso.directory", "is needed")
    parts = urlsplit(directory.url)
    if parts.scheme != "ldaps" or not parts.hostname or parts.path not in {"", "/"}:
        message = "is ldaps://host or ldaps://host:port; passwords travel no other way"
        raise ConfigError("configuration", None, "sso.directory.url", message)
    return LdapProvider(
        name=name,
        tenant=sso.tenant or "",
        host=parts.hostname,
        port=parts.port or _PORT,
        ca_file=Path(directory.ca_file),
        bind_dn=directory.bind_dn,
        password_file=Path(directory.password_file),
        base_dn=directory.base_dn,
        is_active_directory=directory.kind == "active_directory",
        tries=directory.tries,
        window_s=directory.window_minutes * 60.0,
        public_url=sso.public_url or "",
        roles=sso.roles,
    )
