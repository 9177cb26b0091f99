"""Deploy into the cluster of a running product, as an operator's pipeline would."""

import subprocess
import sys
from pathlib import Path

from tests.product import REPOSITORY, Product

DEPLOY_S = 300.0


def deploy(product: Product, program: str, *arguments: str) -> None:
    """Run a module of the tests as a process of its own, with the cluster's address before `arguments`."""
    [raylet] = product.processes("--raylet_socket_name=")
    address = raylet.title.partition("--gcs-address=")[2].split()[0]
    # Ray's own environment: the same switches, the same token.
    raw = Path(f"/proc/{raylet.pid}/environ").read_bytes().decode().split("\0")
    environment = dict(line.split("=", 1) for line in raw if "=" in line)
    ended = subprocess.run(
        [sys.executable, "-m", program, address, *arguments],
        cwd=REPOSITORY,
        env=environment,
        check=False,
        timeout=DEPLOY_S,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr[-4000:]
