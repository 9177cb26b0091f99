"""A deployment of the same product with another region's name, as an operator's pipeline would do it.

Run as a process of its own: `python -m tests.integration.redeploy GCS_ADDRESS HOME SIMULATORS`.
"""

import sys
from pathlib import Path

import ray
from ray import serve

from actors import names
from deployments import app, options
from deployments.boot import Boot


def main(address: str, home: str, simulators: str) -> None:
    """Deploy, and come back when every new replica is up."""
    ray.init(address=address, namespace=names.NAMESPACE, log_to_driver=False)
    boot = Boot(Path(home), "development", simulators=simulators, region="elsewhere")
    serve.run(app.build(boot), name=options.APPLICATION, route_prefix="/")


if __name__ == "__main__":
    main(*sys.argv[1:])
