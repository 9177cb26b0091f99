"""The configured key providers, and the store opened with the keys of what is kept in it."""

import os
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from actors.database.address import Address
from actors.database.data_keys import DataKeys
from actors.database.engine import Database, open_database
from actors.sealing.provider import KeyProvider, Providers
from actors.sealing.ring import KeyRing
from config.encryption import EncryptionSettings
from config.loader import load_settings
from deployments.boot import Boot
from deployments.key_management.aws import AwsKmsProvider
from deployments.key_management.azure import AzureKeyVaultProvider
from deployments.key_management.file import FileProvider, make_data_keys
from deployments.key_management.google import GoogleKmsProvider
from deployments.key_management.patient import Patient
from deployments.key_management.vault import VaultTransitProvider
from routing.clock import Clock


def providers_of(boot: Boot, settings: EncryptionSettings, clock: Clock) -> Providers:
    """Every provider that is set up, by name; nobody is asked anything yet."""
    chance = random.Random()  # noqa: S311  spreads tries; nothing secret hangs on it
    by_name: dict[str, KeyProvider] = {
        provider.name: Patient(provider, clock, chance)
        for provider in _set_up(boot, settings, clock)
    }
    return Providers(by_name[settings.provider], by_name)


def open_sealed(
    address: Address, boot: Boot, settings: EncryptionSettings, clock: Clock
) -> tuple[Database, KeyRing]:
    """The store in which texts are sealed, and the keys of them; close the keys before the store."""
    database = open_database(address)
    ring = KeyRing(
        DataKeys(database),
        providers_of(boot, settings, clock),
        clock,
        refuses_clear=settings.refuse_clear,
    )
    database.sealing = ring
    return database, ring


@asynccontextmanager
async def sealed_store(
    address: Address, boot: Boot, settings: EncryptionSettings, clock: Clock
) -> AsyncIterator[Database]:
    """The migrated store of a command, with its keys."""
    database, ring = open_sealed(address, boot, settings, clock)
    try:
        await database.migrate()
        yield database
    finally:
        await ring.aclose()
        await database.aclose()


def make_own_keys(boot: Boot) -> None:
    """At the first start: a key of this machine's own, where nobody named another."""
    settings = load_settings(boot.config, os.environ, boot.profile).settings.encryption
    if settings.provider == "file" and settings.file.path is None:
        make_data_keys(boot.data_keys)


def keys_file(boot: Boot, settings: EncryptionSettings) -> Path:
    """Where the file provider's keys lie."""
    return boot.data_keys if settings.file.path is None else Path(settings.file.path)


def _set_up(boot: Boot, settings: EncryptionSettings, clock: Clock) -> Iterator[KeyProvider]:
    yield FileProvider(keys_file(boot, settings))
    if settings.aws_kms is not None:
        yield AwsKmsProvider(settings.aws_kms, clock)
    if settings.azure_key_vault is not None:
        yield AzureKeyVaultProvider(settings.azure_key_vault)
    if settings.google_kms is not None:
        yield GoogleKmsProvider(settings.google_kms)
    if settings.vault is not None:
        yield VaultTransitProvider(settings.vault, clock)
