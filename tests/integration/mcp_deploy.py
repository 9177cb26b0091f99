"""The MCP gateway once more beside the product's, in two replicas and with the suite's fixture mounted.

Run as a process of its own: `python -m tests.integration.mcp_deploy GCS_ADDRESS HOME`.
"""

import sys
from pathlib import Path
from typing import Any

import ray
from ray import serve

from actors import names
from config.gateway import GatewaySettings
from deployments import options
from deployments.boot import Boot
from deployments.ingress.mcp_entry import McpEntry
from deployments.knowledge.embedders import indexer_options
from deployments.mcp_gateway.server import McpGateway
from tests.integration import mcp_fixture
from tests.product import REPOSITORY

APPLICATION = "judged-mcp"
PATH = "/judged/mcp"


def main(address: str, home: str) -> None:
    """Deploy, and come back when both replicas are up."""
    ray.init(address=address, namespace=names.NAMESPACE, log_to_driver=False)
    # The replicas have the product and not its tests.
    tests = {"runtime_env": {"env_vars": {"PYTHONPATH": str(REPOSITORY)}}}
    given: dict[str, Any] = {
        **options.mcp_gateway(GatewaySettings().max_connections),
        "ray_actor_options": {"num_cpus": 0.1, **tests},
        "num_replicas": 2,
    }
    del given["autoscaling_config"]
    gateway = serve.deployment(**given)(serve.ingress()(McpGateway))
    boot = Boot(Path(home), "development")
    application = gateway.bind(boot, McpEntry, indexer_options, mcp_fixture.servers)
    serve.run(application, name=APPLICATION, route_prefix=PATH)


if __name__ == "__main__":
    main(*sys.argv[1:])
