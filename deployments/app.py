"""The composition root: one ingress, one deployment per platform, one coordinator per region.

`build` makes the Serve application; what lives inside an ingress replica meets in
`deployments.ingress.server`.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from ray import serve
from ray.serve import Application

from config.loader import load_settings
from config.resolve import resolve_platforms
from deployments import options
from deployments.boot import Boot
from deployments.ingress.server import Ingress
from deployments.platforms.server import PlatformReplica


def build(boot: Boot) -> Application:
    """SupportMax as a Serve application, every platform that can be asked bound into its ingress.

    Raises:
        ConfigError: the configuration cannot be meant.
    """
    settings = load_settings(boot.config, os.environ, boot.profile).settings
    platforms = {
        platform.name: serve.deployment(**options.platform(platform.name, platform.replicas))(
            PlatformReplica
        ).bind(boot, platform.name)
        for platform in resolve_platforms(settings, boot.profile)
        if platform.state != "disabled"
    }
    ingress = serve.deployment(**options.ingress())(serve.ingress()(Ingress))
    return ingress.bind(boot, platforms)


def application(args: Mapping[str, str]) -> Application:
    """The same for `serve deploy` and KubeRay, whose arguments are plain text.

    Keys: `home`, `profile` (`production` unless it says `development`), `region`, and `config` (paths joined by a colon, optional).
    """
    config = args.get("config")
    return build(
        Boot(
            home=Path(args["home"]),
            profile="development" if args.get("profile") == "development" else "production",
            config=None if config is None else tuple(Path(p) for p in config.split(":")),
            region=args.get("region", "local"),
        )
    )
