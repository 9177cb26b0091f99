"""What `supportmax check` prints: every platform and why it can or cannot answer, and findings."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from config.encryption import EncryptionSettings
from config.identity import Identities, identities_of
from config.limits import LimitSettings
from config.loader import Loaded, load_settings, located
from config.names_check import names_problems
from config.privacy import KINDS, PrivacySettings
from config.problems import ConfigErrors
from config.resolve import ResolvedPlatform, resolve_platforms
from config.retention import RetentionDays, RetentionSettings
from config.scim import DirectoryRules, directories_of
from config.settings import Profile, Settings
from config.sign_on_check import directory_lines, missing_files, sign_on_lines
from config.upstream_check import upstream_lines
from routing.errors import ConfigError


def run(
    paths: Sequence[Path] | None,
    env: Mapping[str, str],
    profile: Profile,
    doubts: Callable[[Settings], Iterable[str]] = lambda _: (),
) -> tuple[int, list[str]]:
    """The exit code, 0 when the configuration can be used and 1 when it has errors, and lines.

    `doubts` are warnings by what else is known than the configuration, as the policy of roles.
    Warnings leave the code 0, and so do platforms without credentials: a pipeline that
    checks a configuration need not know the secrets. Files of sign-on have to be there: the
    start stops at one that is not.
    """
    try:
        loaded = load_settings(paths, env, profile)
        resolved = resolve_platforms(loaded.settings, profile)
        identities = identities_of(loaded.settings)
        rules = directories_of(loaded.settings, identities)
    except ConfigErrors as errors:
        return _refused(errors.errors)
    except ConfigError as error:
        return _refused([located(paths, error)])
    missing = list(missing_files(loaded.settings, identities, paths))
    missing.extend(names_problems(loaded.settings, paths))
    if missing:
        return _refused(missing)
    return 0, _report(loaded, resolved, identities, rules, doubts(loaded.settings))


def _refused(errors: Sequence[ConfigError]) -> tuple[int, list[str]]:
    lines = [f"error: {error}" for error in errors]
    return 1, [*lines, _counted(len(lines), "error")]


def _report(
    loaded: Loaded,
    resolved: Sequence[ResolvedPlatform],
    identities: Identities,
    rules: Sequence[DirectoryRules],
    doubts: Iterable[str],
) -> list[str]:
    """One line a platform, an upstream, a provider and a directory, warnings, a summary."""
    settings = loaded.settings
    lines = [_platform_line(platform) for platform in resolved]
    lines.extend(upstream_lines(settings))
    lines.append(f"{'memory':<15} {_memory(settings)}")
    lines.append(f"{'encryption':<15} {_encryption(settings.encryption)}")
    lines.append(f"{'personal data':<15} {_personal_data(settings.privacy)}")
    lines.append(f"{'retention':<15} {_retention(settings.retention)}")
    if settings.audit.heads_folder is None:
        lines.append(f"{'audit':<15} heads lie beside the log; set audit.heads_folder")
    lines.append(f"{'limits':<15} {_limits(settings.limits, has_redis=settings.redis is not None)}")
    lines.extend(sign_on_lines(settings, identities))
    lines.extend(directory_lines(rules, identities))
    lines.extend(f"warning: {notice}" for notice in (*loaded.warnings, *doubts))
    able = sum(platform.state != "disabled" for platform in resolved)
    if not able:
        lines.append("warning: no platform can answer; every chat will be refused with 503")
    warnings = sum(line.startswith("warning: ") for line in lines)
    lines.append(
        f"{able} of {len(resolved)} platforms can answer; {_counted(warnings, 'warning')}, 0 errors"
    )
    return lines


def _memory(settings: Settings) -> str:
    """Where memory is: the database always, and what holds conversations at hand."""
    backend, redis = settings.mcp.servers.memory.backend, settings.redis
    if backend == "in_process":
        return "database; windows in each process"
    if redis is None:
        return (
            f"database; windows in each process, for {backend} is asked for and no redis is named"
        )
    what = f"Redis Cluster, {_counted(len(redis.urls), 'node')} named" if redis.cluster else "Redis"
    tls = ", TLS" if redis.urls[0].startswith("rediss://") else ""
    return f"database; windows in {what}{tls}"


def _personal_data(settings: PrivacySettings) -> str:
    """What platforms are told of people."""
    if settings.pii == "off":
        return "not sealed: platforms are told everything"
    left = [kind for kind in KINDS if kind not in settings.kinds]
    told = "sealed" if not left else f"sealed, but not {', '.join(left)}"
    if settings.names is None:
        return told
    return f"{told}; names of others by {_counted(len(settings.names.pipelines), 'pipeline')}"


def _retention(settings: RetentionSettings) -> str:
    """After how long what people said goes, and everything else."""
    others = [settings.days(kind) for kind in RetentionDays.model_fields if kind != "conversations"]
    fewer = f"; fewer for {_counted(len(settings.tenants), 'tenant')}" if settings.tenants else ""
    return (
        f"conversations go after {settings.conversations} days, other kinds after {min(others)} to "
        f"{max(others)}{fewer}"
    )


def _limits(settings: LimitSettings, *, has_redis: bool) -> str:
    """Who is served at all, and whether replicas count together."""
    networks = settings.networks
    only = (
        "any network"
        if networks is None
        else f"{_counted(len(networks), 'network')} served and no other"
    )
    count = "one count over Redis" if has_redis else "no redis: each replica has a part of each"
    return f"{only}; {count}"


def _encryption(settings: EncryptionSettings) -> str:
    """Who wraps tenants' keys, and who else still unwraps them."""
    others = [
        name for name in ("aws_kms", "azure_key_vault", "google_kms", "vault")
        if name != settings.provider and getattr(settings, name) is not None
    ]  # fmt: skip
    also = f"; {', '.join(others)} can still unwrap" if others else ""
    also += "; texts in clear are refused" if settings.refuse_clear else "; texts in clear are read"
    if settings.provider != "file":
        return f"tenants' keys are wrapped by {settings.provider}{also}"
    where = settings.file.path or "data.keys in the data directory"
    note = "whoever has it and the database reads everything; a key service is safer"
    return f"tenants' keys are wrapped by the file {where}{also}; {note}"


def _platform_line(platform: ResolvedPlatform) -> str:
    why = f"  {platform.reason}" if platform.reason else ""
    model = platform.model or "-"
    return f"{platform.name:<15} {platform.state:<10}  {model:<18}{why}".rstrip()


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
