"""Settings: the whole tree of the configuration, validated and frozen."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic.json_schema import SkipJsonSchema

from config.assistants import Assistants
from config.audit import AuditSettings
from config.budgets import BudgetSettings, each_once
from config.database import DatabaseSettings
from config.encryption import EncryptionSettings
from config.gateway import McpSettings
from config.limits import LimitSettings
from config.platforms import Platforms
from config.privacy import PrivacySettings
from config.redis_settings import RedisSettings
from config.regions import RegionSettings
from config.retention import RetentionSettings
from config.routing import RoutingSettings
from config.scim import ScimSettings
from config.security import ProviderName, RbacSettings, SsoSettings
from config.values import Cidr, Section, Text, Whole

Profile = Literal["development", "production"]


@dataclass(frozen=True, slots=True)
class Unset:
    """A value left empty because environment variables it names are not set."""

    loc: tuple[str | int, ...]
    key: str
    names: tuple[str, ...]


class ServerSettings(Section):
    """Where HTTP is served, and how large a request may be."""

    # Loopback unless somebody decides otherwise: a service nobody has secured is not published.
    host: Text = Field(default="127.0.0.1", examples=["127.0.0.1"])
    port: Whole = Field(default=8000, ge=1, le=65_535, examples=[8000])
    # 1 MiB: a long conversation is about 100 KB; what is larger is a mistake or an attack.
    max_body_bytes: Whole = Field(default=1_048_576, ge=1024, le=104_857_600, examples=[1_048_576])
    # Whose word on where a caller is (X-Forwarded-For) is believed; a proxy that passes on what
    # callers write there must not be among them.
    trusted_proxies: tuple[Cidr, ...] = Field(default=(), max_length=64, examples=["[10.0.0.0/8]"])
    # Whose administrators may change the platforms of all tenants. None: the one whose key the
    # first start leaves on this machine's disk.
    operator_tenants: tuple[Text, ...] = Field(default=(), max_length=16, examples=["[northwind]"])


class Settings(Section):
    """Everything the configuration files say.

    `unset` is written by the loader, never by a file: the values which are missing because
    a variable is not set.
    """

    platforms: Platforms = Platforms()
    routing: RoutingSettings = RoutingSettings()
    mcp: McpSettings = McpSettings()
    redis: RedisSettings | None = None
    sso: SsoSettings | None = None
    # Of the tenants' own, each for the people of one tenant.
    sso_providers: dict[ProviderName, SsoSettings] = Field(default_factory=dict, max_length=1000)
    # The directories that those providers keep here, each of one tenant.
    scim: tuple[ScimSettings, ...] = Field(default=(), max_length=1000)
    rbac: RbacSettings | None = None
    retention: RetentionSettings = RetentionSettings()
    audit: AuditSettings = AuditSettings()
    server: ServerSettings = ServerSettings()
    limits: LimitSettings = LimitSettings()
    database: DatabaseSettings = DatabaseSettings()
    encryption: EncryptionSettings = EncryptionSettings()
    privacy: PrivacySettings = PrivacySettings()
    regions: RegionSettings | None = None
    assistants: Assistants = Field(default_factory=dict)
    # 1,000: every process reads them once a second, in 3 ms.
    budgets: Annotated[tuple[BudgetSettings, ...], AfterValidator(each_once)] = Field(
        default=(), max_length=1000
    )
    unset: SkipJsonSchema[tuple[Unset, ...]] = Field(default=(), exclude=True)

    def unset_below(self, key: str) -> tuple[str, ...]:
        """Names of the variables missing at or below a dotted key, each once."""
        names = [
            name
            for value in self.unset
            if value.key == key or value.key.startswith((f"{key}.", f"{key}["))
            for name in value.names
        ]
        return tuple(dict.fromkeys(names))
