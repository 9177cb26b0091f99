"""What a start would stop at inside a replica, found before one is started: by `check`, and by `run` itself."""

import ssl
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from actors.audit import read_keys
from actors.audit.anchor import must_take_heads
from config.document import Loc
from config.extras import install
from config.identity import Identities, identities_of, providers_named
from config.loader import error_at
from config.names_check import names_problems
from config.problems import ConfigErrors
from config.quality import quality_of
from config.scim import directories_of
from config.settings import Settings
from config.sign_on_check import files_named, missing_files
from deployments.boot import Boot
from deployments.mcp_gateway.business.approval_queue import DECIDE
from deployments.mcp_gateway.business.resolve import configured_registry
from deployments.mcp_gateway.upstreams.permissions import check_permissions
from deployments.security.addresses import Address
from deployments.security.client_address import networks_of
from deployments.security.network_set import NetworkSet
from deployments.security.rbac import roles_of
from routing.clock import SystemClock
from routing.errors import ConfigError

if TYPE_CHECKING:
    from deployments.security.bearer_tokens import Vouching

# What extras bring that a setting cannot do without.
_MODULES: Mapping[str, str] = {
    "ldap": "ldap3",
    "azure-key-vault": "azure.keyvault.keys",
    "google-kms": "google.cloud.kms",
    "vault": "hvac",
}


def preflight(boot: Boot, settings: Settings) -> None:
    """Return if the policies, tools, files and libraries that the configuration names are there.

    Raises:
        ConfigError: one is not, or a provider would accept what it must not.
    """
    identities = identities_of(settings)
    directories_of(settings, identities)
    if missing := [
        *missing_files(settings, identities, boot.config),
        *names_problems(settings, boot.config),
    ]:
        raise ConfigErrors(missing)
    roles = roles_of(settings.rbac)
    check_permissions(settings, roles.permissions, boot.config)
    configured_registry(settings, boot.config)
    quality_of(settings.routing.adaptive)
    for loc, role in _roles_named(settings):
        if role not in roles.grants:
            message = f"the policy grants nothing to {role}; there are: {', '.join(roles.grants)}"
            raise error_at(boot.config, loc, message)
    for loc, extra in _extras_needed(settings):
        module = _MODULES[extra]
        if not _is_there(module):
            message = f"needs {module}, which is not installed; {install(extra)}"
            raise error_at(boot.config, loc, message)
    for loc, file in _files_named(settings):
        try:
            Path(file).open("rb").close()
        except OSError as error:
            why = error.strerror or type(error).__name__
            message = f"{file} cannot be read: {why}; correct the path"
            raise error_at(boot.config, loc, message) from error
    if settings.audit.signing_keys_file is not None:
        read_keys(Path(settings.audit.signing_keys_file))
    if settings.audit.heads_folder is not None:
        _must_take_heads(boot, settings.audit.heads_folder)
    _must_be_certificates(boot, settings, identities)


def doubts(settings: Settings) -> Iterator[str]:
    """A warning for each thing that works as it is written, and is hardly meant.

    Raises:
        ConfigError: the policy of roles cannot be read.
    """
    served, here = settings.limits.networks, _this_machine(settings.server.host)
    if served is not None and here not in NetworkSet(networks_of(served)):
        yield (
            f"limits.networks has no {here}: whoever calls from this machine is refused, its own probes too; "
            "write 127.0.0.0/8 beside the others unless that is meant"
        )
    yield from _known_twice(settings)


def _this_machine(host: str) -> Address:
    """From where calls come that begin on this machine, by where is listened."""
    try:
        listened = ip_address(host)
    except ValueError:
        return ip_address("127.0.0.1")
    return ip_address("127.0.0.1") if listened.is_unspecified else listened


def _must_take_heads(boot: Boot, folder: str) -> None:
    try:
        must_take_heads(Path(folder))
    except OSError as error:
        why = error.strerror or type(error).__name__
        message = f"{folder} cannot be written: {why}; mount it, or correct the path"
        raise error_at(boot.config, ("audit", "heads_folder"), message) from error


def _must_be_certificates(boot: Boot, settings: Settings, identities: Identities) -> None:
    """Return if what providers sign with is what its name says; raises ConfigError."""
    if identities.saml:
        # It reads XML by C libraries that nobody else here needs.
        from deployments.security.saml.files import read_all  # noqa: PLC0415

        try:
            read_all(identities.saml, SystemClock().now())
        except ConfigError as error:
            for loc, file in files_named(settings, identities):
                if Path(file) == Path(error.path):
                    raise error_at(boot.config, loc, f"{file} {error.message}") from error
            raise
    for directory in identities.directories:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(directory.ca_file)
        except ssl.SSLError as error:
            named = {Path(file): loc for loc, file in files_named(settings, identities)}
            message = f"{directory.ca_file} holds no certificate in PEM"
            raise error_at(boot.config, named[Path(directory.ca_file)], message) from error


def _known_twice(settings: Settings) -> Iterator[str]:
    """A warning for each tenant in which one human, known by two providers, could say yes twice."""
    identities, grants = identities_of(settings), roles_of(settings.rbac).grants
    rules = directories_of(settings, identities)
    # Nobody else of these comes in, so everybody is known by one name.
    has_known = {each.tenant for each in rules if each.require_provisioned}
    gives = {each.provider: [rule.role for rule in each.roles] for each in rules}
    vouching: tuple[Vouching, ...] = (
        *identities.providers,
        *identities.saml,
        *identities.directories,
    )
    able: dict[str, list[str]] = {}
    for provider in vouching:
        roles = [rule.role for rule in provider.roles] + gives.get(provider.name, [])
        if any(DECIDE in grants.get(role, ()) for role in roles):
            able.setdefault(provider.tenant, []).append(provider.name)
    for tenant, names in able.items():
        if len(names) > 1 and tenant not in has_known:
            yield (
                f"whoever is known to {' and to '.join(names)} is two people of tenant {tenant}, and could "
                f"approve their own call: let one of them give roles with {DECIDE}, or keep a directory (scim)"
            )


def _roles_named(settings: Settings) -> Iterator[tuple[Loc, str]]:
    """Every role that a provider's claims or a directory's groups give, and where that is written."""
    for name, sso in providers_named(settings).items():
        where: Loc = ("sso",) if sso is settings.sso else ("sso_providers", name)
        for number, rule in enumerate(sso.roles):
            yield (*where, "roles", number, "role"), rule.role
    for number, directory in enumerate(settings.scim):
        for place, given in enumerate(directory.roles):
            yield ("scim", number, "roles", place, "role"), given.role


def _extras_needed(settings: Settings) -> Iterator[tuple[Loc, str]]:
    for name, sso in providers_named(settings).items():
        if sso.provider == "ldap":
            yield ("sso",) if sso is settings.sso else ("sso_providers", name), "ldap"
    for key in ("azure_key_vault", "google_kms", "vault"):
        if getattr(settings.encryption, key) is not None:
            yield ("encryption", key), key.replace("_", "-")


def _files_named(settings: Settings) -> Iterator[tuple[Loc, str]]:
    """The files that hold keys, where they are the configuration's and not the data directory's."""
    if settings.audit.signing_keys_file is not None:
        yield ("audit", "signing_keys_file"), settings.audit.signing_keys_file
    encryption = settings.encryption
    if encryption.provider == "file" and encryption.file.path is not None:
        yield ("encryption", "file", "path"), encryption.file.path
    for key in ("token_file", "secret_id_file", "ca_file"):
        if file := getattr(encryption.vault, key, None):
            yield ("encryption", "vault", key), file


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        # A package around it is not there either.
        return False
