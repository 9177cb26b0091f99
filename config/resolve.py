"""Which platforms can answer: configured, simulated or disabled, and why."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from pydantic import SecretStr

from config.hosted import State, check_hosted, hosted_options
from config.models import COPILOT_MODEL, ModelFacts, shipped_models
from config.modernise import model_name
from config.platforms import (
    AnthropicSettings,
    AzureOpenAISettings,
    CopilotStudioSettings,
    GoogleVertexSettings,
    ModelSettings,
    OpenAISettings,
    PlatformName,
    PlatformSettings,
    Replicas,
)
from config.settings import Profile, Settings
from routing.errors import ConfigError
from routing.money import Price
from routing.platform_profile import PlatformProfile

_USD_PER_CREDIT = Decimal("0.01")
"""Microsoft's pay-as-you-go price of a Copilot Credit, November 2026."""

_SIMULATED_REGIONS = frozenset({"us", "eu"})
"""A simulator's requests stay on this machine: it keeps the residency promises of a demo."""


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """A model as it will be used; `model` is the name after aliases."""

    model: str
    facts: ModelFacts
    quality: float
    max_tokens: int
    price_override: Price | None


@dataclass(frozen=True, slots=True)
class ResolvedPlatform:
    """A platform as it will be run. It holds no credential, so it may cross processes.

    `reason` says why it is not configured; empty when it is. `model` is the name after
    aliases (Azure: the base model; Copilot Studio has none of ours). `base_url` is None for
    the vendor's own address, and for a simulator, which gets its own when it starts.
    """

    name: PlatformName
    state: State
    reason: str
    model: str
    facts: ModelFacts
    quality: float
    regions: frozenset[str]
    max_tokens: int
    temperature: float | None
    timeout_s: float
    max_connections: int
    replicas: Replicas
    base_url: str | None
    options: Mapping[str, str]
    price_override: Price | None
    further_models: tuple[ResolvedModel, ...] = ()


def resolve_platforms(settings: Settings, profile: Profile) -> tuple[ResolvedPlatform, ...]:
    """Every platform of the configuration with its state.

    Raises:
        ConfigError: production was asked to use a simulator.
    """
    resolved: list[ResolvedPlatform] = []
    for name, platform in settings.platforms.present():
        state, reason = _state(settings, name, platform, profile)
        check_hosted(settings, name, platform, state)
        resolved.append(_resolve(settings, name, platform, state, reason))
    return tuple(resolved)


def to_profiles(
    resolved: ResolvedPlatform, list_price: Callable[[str], Price | None]
) -> tuple[PlatformProfile, ...]:
    """What routing needs to know of each model, the platform's own choice first.

    `list_price` gives a model's list price, which a negotiated one replaces.
    """
    own = ResolvedModel(
        resolved.model,
        resolved.facts,
        resolved.quality,
        resolved.max_tokens,
        resolved.price_override,
    )
    return tuple(
        PlatformProfile(
            name=resolved.name,
            model=each.model,
            capabilities=each.facts.capabilities,
            context_window=each.facts.context_window,
            max_output_tokens=each.max_tokens,
            regions=resolved.regions,
            quality=each.quality,
            prior_latency_ms=each.facts.prior_latency_ms,
            price=each.price_override or list_price(each.model),
            simulated=resolved.state == "simulated",
            temperature=resolved.temperature,
            retires_at=each.facts.retires_at,
            limits=each.facts.limits,
        )
        for each in (own, *resolved.further_models)
    )


def credential_of(settings: Settings, name: PlatformName) -> SecretStr | None:
    """The platform's key or secret; call it in the replica that needs it, and pass it nowhere.

    None where the platform takes an identity instead, also when there is a key as well.
    """
    match getattr(settings.platforms, name):
        case platform if _keyless(platform):
            return None
        case OpenAISettings(api_key=key) | AnthropicSettings(api_key=key):
            return key
        case AzureOpenAISettings(api_key=key):
            return key
        case CopilotStudioSettings(secret=key):
            return key
        case _:
            return None


def _resolve(
    settings: Settings,
    name: PlatformName,
    platform: PlatformSettings,
    state: State,
    reason: str,
) -> ResolvedPlatform:
    tunable = platform if isinstance(platform, ModelSettings) else None
    model = COPILOT_MODEL if tunable is None else model_name(tunable)
    facts = shipped_models().facts(name, model)
    limit = _limit(facts, None if tunable is None else tunable.max_tokens)
    regions = frozenset(platform.regions)
    return ResolvedPlatform(
        name=name,
        state=state,
        reason=reason,
        model=model,
        facts=facts,
        quality=facts.quality if platform.quality is None else platform.quality,
        regions=regions or (_SIMULATED_REGIONS if state == "simulated" else regions),
        max_tokens=limit,
        temperature=None if tunable is None else tunable.temperature,
        timeout_s=platform.timeout_s,
        max_connections=platform.max_connections,
        replicas=platform.replicas,
        base_url=None if state == "simulated" else _base_url(platform),
        options=hosted_options(platform, state) | _options(platform, model, state),
        price_override=_price(platform),
        further_models=() if tunable is None else _further(name, tunable, model),
    )


def _limit(facts: ModelFacts, wanted: int | None) -> int:
    if wanted is None:
        return facts.max_output_tokens
    return min(wanted, facts.max_output_tokens) if facts.known else wanted


def _further(name: PlatformName, platform: ModelSettings, own: str) -> tuple[ResolvedModel, ...]:
    """The models beside the platform's own; one that is named twice counts once."""
    table = shipped_models()
    found: dict[str, ResolvedModel] = {}
    for further in platform.models:
        model = table.current(further.model)
        facts, override = table.facts(name, model), further.price_override
        found[model] = ResolvedModel(
            model,
            facts,
            facts.quality if further.quality is None else further.quality,
            _limit(facts, further.max_tokens or platform.max_tokens),
            None if override is None else override.price(),
        )
    return tuple(resolved for model, resolved in found.items() if model != own)


def _state(
    settings: Settings, name: PlatformName, platform: PlatformSettings, profile: Profile
) -> tuple[State, str]:
    """The state and its reason."""
    if platform.simulated and profile == "production":
        message = "production does not simulate; delete the line or write `simulated: false`"
        raise ConfigError("configuration", None, f"platforms.{name}.simulated", message)
    if not platform.enabled:
        return "disabled", "enabled: false"
    reason = "simulated: true" if platform.simulated else _not_configured(settings, name, platform)
    if not reason:
        return "configured", ""
    return ("disabled" if profile == "production" else "simulated"), reason


def _not_configured(settings: Settings, name: PlatformName, platform: PlatformSettings) -> str:
    """Why the platform cannot be reached, or nothing."""
    unset = settings.unset_below(f"platforms.{name}")
    if _keyless(platform):
        # A key that nobody reads may well be missing: the shipped file names one.
        unread = settings.unset_below(f"platforms.{name}.api_key")
        unset = tuple(variable for variable in unset if variable not in unread)
    if unset:
        return f"{', '.join(unset)} not set"
    missing = [key for key in _needed(platform) if getattr(platform, key) is None]
    cures = [
        f"{key}: {(type(platform).model_fields[key].examples or ['...'])[0]}" for key in missing
    ]
    return f"no {' and no '.join(missing)}; write {', '.join(cures)}" if missing else ""


def _needed(platform: PlatformSettings) -> tuple[str, ...]:
    match platform:
        case OpenAISettings() | AnthropicSettings():
            return ("workload_identity" if _keyless(platform) else "api_key",)
        case AzureOpenAISettings(auth="entra"):
            return ("endpoint", "deployment")
        case AzureOpenAISettings():
            return ("api_key", "endpoint", "deployment")
        case GoogleVertexSettings(agent_engine=agent):
            return () if agent else ("project_id",)
        case CopilotStudioSettings(token_endpoint=str()):
            return ("bot_id",)
        case CopilotStudioSettings():
            return ("bot_id", "secret")
        case _:
            raise TypeError(f"{type(platform).__name__} has no row here")


def _keyless(platform: PlatformSettings) -> bool:
    """Whether the platform is told to take an identity; its key is then not read."""
    return getattr(platform, "auth", "key") != "key"


def _base_url(platform: PlatformSettings) -> str | None:
    match platform:
        case OpenAISettings(base_url=address) | AnthropicSettings(base_url=address):
            return address
        case AzureOpenAISettings(endpoint=address):
            return address
        case _:
            return None


def _options(platform: PlatformSettings, model: str, state: State) -> dict[str, str]:
    """What this vendor alone needs to be told, without what is not set."""
    if state == "simulated":
        return _simulated_options(platform, model)
    names: tuple[str, ...] = ()
    match platform:
        case OpenAISettings(auth="workload_identity") | AnthropicSettings(auth="workload_identity"):
            identity = platform.workload_identity
            described = {} if identity is None else identity.model_dump(exclude_none=True)
            return {"auth": platform.auth, **described}
        case AzureOpenAISettings(models=models):
            further = {f"deployment:{m.model}": m.deployment or m.model for m in models}
            return further | _set(platform, "deployment", "auth", "api", "api_version")
        case GoogleVertexSettings(agent_engine=str()):
            names = ("agent_engine",)
        case GoogleVertexSettings():
            names = ("project_id", "location")
        case CopilotStudioSettings():
            names = ("bot_id", "token_endpoint", "environment_id", "schema_name")
        case _:
            pass
    return _set(platform, *names)


def _set(platform: PlatformSettings, *names: str) -> dict[str, str]:
    return {name: value for name in names if (value := getattr(platform, name)) is not None}


def _simulated_options(platform: PlatformSettings, model: str) -> dict[str, str]:
    """What a simulator is told: it knows deployments by their models, and any project."""
    match platform:
        case AzureOpenAISettings():
            return {"deployment": model} | {
                f"deployment:{further.model}": further.model for further in platform.models
            }
        case GoogleVertexSettings(agent_engine=str(agent)):
            return {"agent_engine": agent}
        case GoogleVertexSettings():
            return {"project_id": "simulated", "location": "global"}
        case _:
            return {}


def _price(platform: PlatformSettings) -> Price | None:
    """The price that only the configuration knows; list prices are looked up elsewhere."""
    if platform.price_override is not None:
        price = platform.price_override.price()
        is_agent = isinstance(platform, GoogleVertexSettings) and platform.agent_engine
        # An agent's tokens are not its whole price: Google bills its processors by the hour.
        return replace(price, is_estimate=True) if is_agent else price
    if not isinstance(platform, CopilotStudioSettings):
        return None
    each = Decimal(str(platform.credits_per_message))
    return Price(
        input=Decimal(0),
        output=Decimal(0),
        per_call=each * _USD_PER_CREDIT,
        is_estimate=True,
        source=f"{each} Copilot Credits a message, estimated",
    )
