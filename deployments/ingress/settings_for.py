"""What the objects of an ingress replica are given of the configuration, in their own words."""

from collections.abc import Iterable

from actors.coordinator.client import CoordinatorClient
from actors.database.budgets import BudgetDefinitions
from config.models import shipped_models
from config.quality import quality_of
from config.regions import BudgetLeases, RegionSettings
from config.routing import RoutingSettings
from config.settings import Settings
from deployments.agent.road import RoadOptions
from deployments.demo import TENANT
from deployments.ingress.lending import Lending
from deployments.ingress.peers import PeerAddress, Peers
from deployments.ingress.regions import Home, Homes
from deployments.ingress.retirement import Configured
from routing.budget_home import BudgetHomes
from routing.learned import Terms
from routing.platform_profile import PlatformProfile
from routing.policies import make_policies
from routing.policies.balanced import Weights
from routing.policy import Strategy


def models_in_use(profiles: Iterable[PlatformProfile]) -> dict[str, list[Configured]]:
    """The models in use by platform, with what the shipped table says of their ends."""
    table, configured = shipped_models(), dict[str, list[Configured]]()
    for profile in profiles:
        successor = table.successor(profile.model)
        row = Configured(profile.model, profile.retires_at, successor)
        configured.setdefault(profile.name, []).append(row)
    return configured


def operators(settings: Settings) -> frozenset[str]:
    """The tenants whose administrators change what all tenants use.

    Who holds the key that the first start left on the disk could as well edit the files beside it.
    """
    return frozenset(settings.server.operator_tenants) or frozenset({TENANT})


def addresses(regions: RegionSettings | None) -> dict[str, PeerAddress]:
    """Where the other regions are, and the key each takes."""
    others = {} if regions is None else regions.peers
    return {
        name: PeerAddress(peer.url, peer.api_key.get_secret_value())
        for name, peer in others.items()
    }


def lending(
    regions: RegionSettings | None,
    coordinator: CoordinatorClient,
    definitions: BudgetDefinitions,
    homes: BudgetHomes,
) -> Lending:
    """Who lends what is left of a budget that is at home here."""
    peers = frozenset[str]() if regions is None else frozenset(regions.peers)
    leases = BudgetLeases() if regions is None else regions.budgets
    return Lending(coordinator, definitions, homes, peers, leases.lease_s)


def homes(regions: RegionSettings | None, peers: Peers) -> Homes:
    """Which region each tenant is at home in."""
    if regions is None:
        return Homes("", {}, peers)
    by_tenant = {tenant: Home(at.home, at.failover) for tenant, at in regions.tenants.items()}
    return Homes(regions.name, by_tenant, peers)


def weights(routing: RoutingSettings) -> Weights:
    """How much a dollar, a second and quality count."""
    of = routing.weights
    return Weights(of.cost, of.latency, of.quality)


def road_options(routing: RoutingSettings) -> RoadOptions:
    """What a request is answered by that names nothing itself."""
    return RoadOptions(
        strategy=Strategy(routing.strategy),
        policies=make_policies(weights(routing)),
        fallback_platforms=tuple(routing.fallback_platforms),
        max_attempts=routing.max_attempts,
        deadline_s=routing.deadline_s,
        max_deadline_s=routing.max_deadline_s,
        quality=quality_of(routing.adaptive),
    )


def terms(routing: RoutingSettings) -> Terms:
    """What `adaptive` learns towards."""
    adaptive = routing.adaptive
    return Terms(adaptive.quality_per_usd, adaptive.target_cost_usd, adaptive.exploration)
