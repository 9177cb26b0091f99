"""What is wrong between an upstream and the rest of the configuration, and how each is reached."""

import ipaddress
import re
from collections.abc import Iterator

from config.document import Document
from config.settings import Profile, Settings
from config.upstreams import PersonalCredential, Upstream
from routing.errors import ConfigError

_HOST = re.compile(r"(?=.{1,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)*[a-z][a-z0-9-]*")


def check_upstreams(
    settings: Settings, document: Document, profile: Profile
) -> Iterator[ConfigError]:
    """Every upstream that cannot be meant as it is written."""
    for place, entry in enumerate(settings.mcp.outbound.allow_private):
        if not _is_network(entry) and not _HOST.fullmatch(entry.lower()):
            where = ("mcp", "outbound", "allow_private", place)
            yield document.error(
                where, "write a name like crm.internal, or a network like 10.20.0.0/16"
            )
    for name, upstream in settings.mcp.upstreams.items():
        key = ("mcp", "upstreams", name)
        if upstream.command and profile == "production":
            message = (
                "a command is for development; run the server beside SupportMax and write its url"
            )
            yield document.error((*key, "command"), message)
        authority = _authority(upstream)
        if authority is None or authority in settings.mcp.authorities:
            continue
        if not settings.unset_below(f"mcp.authorities.{authority}"):
            there = ", ".join(settings.mcp.authorities) or "none"
            message = f"there is no authority {authority}; there are: {there}"
            yield document.error((*key, "credential", "authority"), message)


def upstream_lines(settings: Settings) -> Iterator[str]:
    """One line an upstream, as `supportmax check` prints it."""
    for name, upstream in settings.mcp.upstreams.items():
        authority = _authority(upstream)
        if authority is not None and authority not in settings.mcp.authorities:
            missing = ", ".join(settings.unset_below(f"mcp.authorities.{authority}"))
            yield f"mcp {name:<11} off         {missing} not set"
            continue
        where = upstream.url or upstream.command[0]
        whose = ", ".join(upstream.tenants) or "every tenant"
        yield f"mcp {name:<11} configured  {where}  for {whose}"


def _authority(upstream: Upstream) -> str | None:
    said = upstream.credential
    return said.authority if isinstance(said, PersonalCredential) else None


def _is_network(entry: str) -> bool:
    try:
        ipaddress.ip_network(entry)
    except ValueError:
        return False
    return True
