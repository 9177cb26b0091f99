"""Whether the permissions that upstreams are put under exist: under one that nobody can have, nobody has them."""

from collections.abc import Collection, Sequence
from pathlib import Path

from config.loader import error_at
from config.settings import Settings


def check_permissions(
    settings: Settings, known: Collection[str], config: Sequence[Path] | None
) -> None:
    """Look through the configuration's upstreams.

    Raises:
        ConfigError: one asks for a permission that does not exist.
    """
    for name, said in settings.mcp.upstreams.items():
        asked = {said.permission, *(rule.permission for rule in said.tools.values())}
        unknown = sorted(one for one in asked if one is not None and one not in known)
        if unknown:
            message = f"there is no permission {unknown[0]}; see config/policies/rbac.yaml"
            raise error_at(config, ("mcp", "upstreams", name), message)
