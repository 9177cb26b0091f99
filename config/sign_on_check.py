"""Who signs on and which directories there are, as `supportmax check` prints it, and files they lack."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from config.document import Loc
from config.identity import Identities, providers_named
from config.loader import error_at
from config.scim import DirectoryRules
from config.security import SsoSettings
from config.settings import Settings
from routing.errors import ConfigError

_FILES = (
    "certificate_files", "key_file", "key_certificate_file", "metadata_file",
    "metadata_certificate_file",
)  # fmt: skip
_DIRECTORY_FILES = ("ca_file", "password_file")
_WITHOUT_CLIENT = frozenset({"saml", "adfs", "ldap"})


def sign_on_lines(settings: Settings, identities: Identities) -> Iterator[str]:
    """One line a provider: whose people it knows and where they sign on, or why it is not used."""
    for name, sso in providers_named(settings).items():
        unset = ", ".join(settings.unset_below("sso")) if sso is settings.sso else ""
        if name not in identities.missing:
            yield f"{f'sso {name}':<15} {_configured(name, sso)}"
        elif unset:
            yield f"{'sso':<15} not configured: {unset} not set"
        else:
            yield f"{'sso':<15} {name} not configured: {identities.missing[name]}"


def directory_lines(rules: Sequence[DirectoryRules], identities: Identities) -> Iterator[str]:
    """One line a directory that a provider keeps here by SCIM, and one a provider whom it shuts out."""
    used = [(each.name, each.tenant) for each in identities.providers]
    used += [(each.name, each.tenant) for each in identities.saml]
    used += [(each.name, each.tenant) for each in identities.directories]
    for each in rules:
        who = "known people alone" if each.require_provisioned else "people it does not know too"
        name = f"scim {each.provider}"
        yield f"{name:<15} tenant {each.tenant}, subject is {each.subject}; {who}"
        others = [n for n, tenant in used if tenant == each.tenant and n != each.provider]
        if each.require_provisioned and others:
            yield (
                f"warning: nobody of {', '.join(others)} comes in: tenant {each.tenant} has the directory of "
                f"{each.provider}, which knows none of them; see scim.require_provisioned"
            )


def missing_files(
    settings: Settings, identities: Identities, paths: Sequence[Path] | None
) -> Iterator[ConfigError]:
    """Every file of a provider in use that cannot be read here; the start would stop at it."""
    for key, file in files_named(settings, identities):
        try:
            with Path(file).open("rb"):
                continue
        except OSError as error:
            why = error.strerror or type(error).__name__
        yield error_at(paths, key, f"{file} cannot be read: {why}; correct the path")


def files_named(settings: Settings, identities: Identities) -> Iterator[tuple[Loc, str]]:
    """Every file of a provider in use, and where it is named."""
    for name, sso in providers_named(settings).items():
        if name not in identities.missing:
            where: Loc = ("sso",) if sso is settings.sso else ("sso_providers", name)
            yield from _named(sso, where)


def _configured(name: str, sso: SsoSettings) -> str:
    signs_on = sso.public_url and (sso.client_id or sso.provider in _WITHOUT_CLIENT)
    entry = f"{sso.public_url}/auth/sso/login?provider={name}"
    ways = [f"people sign on at {entry}"] if signs_on else []
    if sso.audiences:
        ways.append("programs show its tokens")
    return f"{sso.provider}, tenant {sso.tenant}, {' and '.join(ways) or 'nobody signs on yet'}"


def _named(sso: SsoSettings, where: Loc) -> Iterator[tuple[Loc, str]]:
    """Where each file is named, and its path."""
    for key in _FILES:
        match getattr(sso, key):
            case str(file):
                yield (*where, key), file
            case tuple(files):
                yield from (((*where, key, place), file) for place, file in enumerate(files))
            case _:
                continue
    if sso.provider == "ldap" and sso.directory is not None:
        for key in _DIRECTORY_FILES:
            yield (*where, "directory", key), getattr(sso.directory, key)
