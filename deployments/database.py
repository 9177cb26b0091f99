"""The database of a configuration: its address without its password, and who reads that where."""

import os
from dataclasses import dataclass
from pathlib import Path

from actors.database.address import Address, parse_address
from config.loader import error_at, load_settings
from config.settings import Settings
from deployments.boot import Boot


@dataclass(frozen=True, slots=True)
class ConfiguredPassword:
    """Reads the password where it is called, and crosses processes without it."""

    boot: Boot

    def __call__(self) -> str | None:
        """The password as the configuration has it now."""
        settings = load_settings(self.boot.config, os.environ, self.boot.profile).settings
        password = settings.database.password
        return None if password is None else password.get_secret_value()


def address_of(boot: Boot, settings: Settings | None = None, nodes: int = 1) -> Address:
    """Where the rows of `nodes` machines are; `settings` are those of `boot`, if they are loaded already.

    Raises:
        ConfigError: the configuration cannot be meant, lacks a variable (nobody is to start on an
            empty file because one was misspelt), or has a file of one machine for several.
    """
    if settings is None:
        settings = load_settings(boot.config, os.environ, boot.profile).settings
    if unset := settings.unset_below("database"):
        message = f"{', '.join(unset)} not set; set it, or delete the line"
        raise error_at(boot.config, ("database",), message)
    database = settings.database
    ca_file = None if database.ca_file is None else Path(database.ca_file)
    url = database.url or str(boot.database)
    address = parse_address(url, ConfiguredPassword(boot), database.tls, ca_file)
    if isinstance(address, Path) and nodes > 1:
        message = (
            f"is the file {address} of one machine, and this cluster has {nodes}: the others would "
            "each write one of their own; write postgresql://user@host:5432/name"
        )
        raise error_at(boot.config, ("database", "url"), message)
    return address
