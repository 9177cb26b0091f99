"""Which coordinator a replica talks to: whoever asks first begins it, so all have to mean the same one."""

from actors.coordinator.actor import CoordinatorOptions
from actors.database.address import Address
from config.settings import Settings
from deployments.boot import Boot


def coordinator_options(boot: Boot, settings: Settings, address: Address) -> CoordinatorOptions:
    """The one of this region: by the configuration's name, or the one the process was started with."""
    region = boot.region if settings.regions is None else settings.regions.name
    return CoordinatorOptions(region, address)
