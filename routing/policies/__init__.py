"""The strategies by name."""

from collections.abc import Mapping
from types import MappingProxyType

from routing.learned import Learned
from routing.policies.adaptive import Adaptive
from routing.policies.balanced import Balanced, Weights
from routing.policies.capability import rank_by_capability
from routing.policies.cost import rank_by_cost
from routing.policies.latency import rank_by_latency
from routing.policy import Policy, Strategy


def make_policies(weights: Weights) -> Mapping[Strategy, Policy]:
    """The table from strategy to policy, with an operator's weights for balanced.

    Its adaptive has learned nothing: `decide` gives it what the snapshot knows.
    """
    return MappingProxyType(
        {
            Strategy.COST_OPTIMIZED: rank_by_cost,
            Strategy.LATENCY: rank_by_latency,
            Strategy.CAPABILITY: rank_by_capability,
            Strategy.BALANCED: Balanced(weights),
            Strategy.ADAPTIVE: Adaptive(Learned()),
        }
    )


POLICIES = make_policies(Weights())
"""The table with the weights as shipped."""
