"""What `supportmax check` prints: every platform and why it can or cannot answer, and findings."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from config.identity import identities_of
from config.loader import Loaded, load_settings
from config.problems import ConfigErrors
from config.resolve import ResolvedPlatform, resolve_platforms
from config.settings import Profile, Settings
from config.upstream_check import upstream_lines
from routing.errors import ConfigError


def run(
    paths: Sequence[Path] | None,
    env: Mapping[str, str],
    profile: Profile,
) -> tuple[int, list[str]]:
    """The exit code, 0 when the configuration can be used and 1 when it has errors, and lines.

    Warnings leave the code 0, and so do platforms without credentials: a pipeline that
    checks a configuration need not know the secrets.
    """
    try:
        loaded = load_settings(paths, env, profile)
        resolved = resolve_platforms(loaded.settings, profile)
        identities_of(loaded.settings)
    except ConfigErrors as errors:
        lines = [f"error: {error}" for error in errors.errors]
        return 1, [*lines, _counted(len(lines), "error")]
    except ConfigError as error:
        return 1, [f"error: {error}", _counted(1, "error")]
    return 0, report(loaded, resolved)


def report(loaded: Loaded, resolved: Sequence[ResolvedPlatform]) -> list[str]:
    """One line a platform and an upstream, sign-on when it lacks something, warnings, a summary."""
    lines = [_platform_line(platform) for platform in resolved]
    lines.extend(upstream_lines(loaded.settings))
    lines.append(f"{'memory':<15} {_memory(loaded.settings)}")
    lines.extend(_sign_on_lines(loaded.settings))
    lines.extend(f"warning: {notice}" for notice in loaded.warnings)
    able = sum(platform.state != "disabled" for platform in resolved)
    if not able:
        lines.append("warning: no platform can answer; every chat will be refused with 503")
    warnings = sum(line.startswith("warning: ") for line in lines)
    lines.append(
        f"{able} of {len(resolved)} platforms can answer; {_counted(warnings, 'warning')}, 0 errors"
    )
    return lines


def _sign_on_lines(settings: Settings) -> list[str]:
    """Providers that are not used, and why; nothing of those that are."""
    if unset := settings.unset_below("sso"):
        return [f"{'sso':<15} not configured: {', '.join(unset)} not set"]
    missing = identities_of(settings).missing
    return [f"{'sso':<15} {name} not configured: {why}" for name, why in missing.items()]


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


def _platform_line(platform: ResolvedPlatform) -> str:
    why = f"  {platform.reason}" if platform.reason else ""
    model = platform.model or "-"
    return f"{platform.name:<15} {platform.state:<10}  {model:<18}{why}".rstrip()


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
