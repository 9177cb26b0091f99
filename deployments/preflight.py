"""What a start would stop at inside a replica, found before one is started: by `check`, and by `run` itself."""

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

from actors.audit import read_keys
from config.document import Loc
from config.extras import install
from config.identity import identities_of, providers_named
from config.loader import error_at
from config.names_check import names_problems
from config.problems import ConfigErrors
from config.quality import quality_of
from config.scim import directories_of
from config.settings import Settings
from config.sign_on_check import missing_files
from deployments.boot import Boot
from deployments.mcp_gateway.business.resolve import configured_registry
from deployments.mcp_gateway.upstreams.permissions import check_permissions
from deployments.security.rbac import roles_of

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
