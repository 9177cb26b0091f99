"""Configuration is data: read once, validated with the line number, frozen, passed down.

YAML becomes `Settings` (loader), and the settings become platforms that are configured,
simulated or disabled (resolve). Nothing here calls anybody, and nothing happens at import.
"""

from config.loader import SHIPPED, Loaded, load_settings
from config.platforms import PlatformName
from config.problems import ConfigErrors, Notice
from config.resolve import ResolvedPlatform, credential_of, resolve_platforms, to_profiles
from config.settings import Profile, Settings

__all__ = [
    "SHIPPED",
    "ConfigErrors",
    "Loaded",
    "Notice",
    "PlatformName",
    "Profile",
    "ResolvedPlatform",
    "Settings",
    "credential_of",
    "load_settings",
    "resolve_platforms",
    "to_profiles",
]
