"""Serve's options of every deployment: replicas, queues, draining."""

from typing import TypedDict

import ray
from ray.serve.config import AutoscalingConfig, AutoscalingPolicy, BackpressureConfig

from config.limits import REPLICAS_MAX
from config.platforms import Replicas

APPLICATION = "supportmax"
INGRESS = "ingress"
MCP_APPLICATION = "supportmax-mcp"
"""The MCP gateway is an application of its own: HAProxy sends a path to an application."""
MCP_GATEWAY = "mcp-gateway"

# Young objects die young; the default thresholds cost 30 % of the throughput (Ray 2.60,
# 1,725 -> 2,259 requests/s, November 2026).
GC_THRESHOLDS = (100_000, 50, 1000)

# A request in flight when its replica is told to stop has this long to finish: twice
# the default deadline of an answer.
DRAIN_S = 60.0
# Requests one ingress replica works on at once: at 1.3 s an answer and 1,300/s it is full
# of waiting, not of work.
INGRESS_ONGOING_MAX = 2000
# Beyond those, one second's worth may wait; then 429 is kinder than a queue.
INGRESS_QUEUED_MAX = 1000
# Batches, of up to 64 requests each; the replica bounds the requests themselves.
PLATFORM_ONGOING_MAX = 1000


class DeploymentOptions(TypedDict, total=False):
    """What `serve.deployment` is given."""

    name: str
    ray_actor_options: dict[str, float]
    max_ongoing_requests: int
    max_queued_requests: int
    backpressure_config: BackpressureConfig
    autoscaling_config: AutoscalingConfig
    graceful_shutdown_timeout_s: float
    max_surge_percent: int


def nodes_alive() -> int:
    """How many machines this cluster has just now."""
    return sum(bool(node["Alive"]) for node in ray.nodes())  # type: ignore[no-untyped-call]


def deployment_name(platform: str) -> str:
    """The Serve deployment of a platform."""
    return f"platform-{platform.replace('_', '-')}"


def ingress() -> DeploymentOptions:
    """The ingress: bound by CPU, so it grows with what it is asked at once."""
    return {
        "name": INGRESS,
        "ray_actor_options": {"num_cpus": 0.1},
        "max_ongoing_requests": INGRESS_ONGOING_MAX,
        "max_queued_requests": INGRESS_QUEUED_MAX,
        "backpressure_config": BackpressureConfig(status_code=429, retry_after_s=1),
        "autoscaling_config": AutoscalingConfig(
            min_replicas=1, max_replicas=REPLICAS_MAX, target_ongoing_requests=100
        ),
        "graceful_shutdown_timeout_s": DRAIN_S,
        # A new replica is up before an old one goes.
        "max_surge_percent": 100,
    }


def mcp_gateway(max_connections: int) -> DeploymentOptions:
    """The gateway: as the ingress bound by CPU, but a call may wait long for its tool."""
    return {
        "name": MCP_GATEWAY,
        "ray_actor_options": {"num_cpus": 0.1},
        "max_ongoing_requests": max_connections,
        # As long as a tenth of them may wait; a client that is told 429 comes again.
        "max_queued_requests": max(1, max_connections // 10),
        "backpressure_config": BackpressureConfig(status_code=429, retry_after_s=1),
        "autoscaling_config": AutoscalingConfig(
            min_replicas=1,
            max_replicas=REPLICAS_MAX,
            target_ongoing_requests=max(1, max_connections // 10),
        ),
        "graceful_shutdown_timeout_s": DRAIN_S,
        "max_surge_percent": 100,
    }


def platform(name: str, replicas: Replicas) -> DeploymentOptions:
    """A platform: bound by waiting for its vendor, so it grows with requests in flight."""
    return {
        "name": deployment_name(name),
        "ray_actor_options": {"num_cpus": 0.1},
        "max_ongoing_requests": PLATFORM_ONGOING_MAX,
        "max_queued_requests": PLATFORM_ONGOING_MAX,
        "autoscaling_config": AutoscalingConfig(
            min_replicas=replicas.min,
            max_replicas=replicas.max,
            policy=AutoscalingPolicy(  # type: ignore[no-untyped-call]
                policy_function="deployments.platforms.autoscaling:InFlightPolicy",
                policy_kwargs={"target_in_flight": replicas.target_in_flight},
            ),
        ),
        "graceful_shutdown_timeout_s": DRAIN_S,
        "max_surge_percent": 100,
    }
