"""Names for platforms' credentials: another key has another name, and no name tells its key."""

import hashlib
import json
from collections.abc import Iterable, Mapping

from config.resolve import ResolvedPlatform, credential_of
from config.settings import Settings

# 48 bits tell the few keys of one platform apart, and are too few to find a password by.
_BYTES = 6


def fingerprints(settings: Settings, resolved: Iterable[ResolvedPlatform]) -> Mapping[str, str]:
    """By platform, what it is addressed with: its key, or who it is where there is none."""
    return {each.name: _fingerprint(settings, each) for each in resolved}


def _fingerprint(settings: Settings, platform: ResolvedPlatform) -> str:
    secret = credential_of(settings, platform.name)
    parts = [
        platform.name,
        platform.state,
        "" if secret is None else secret.get_secret_value(),
        platform.base_url,
        *sorted(platform.options.items()),
    ]
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=_BYTES).hexdigest()
