"""Two judges of SCIM servers, each with rules of its own, ask a replica over HTTP what RFC 7644 asks."""

import asyncio
import json
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette

from tests.judges.judge import HERE, REPOSITORY, program
from tests.scim_world import directory, directory_settings

pytestmark = pytest.mark.timeout(300)
JUDGE_S = 240.0  # 15 s on an idle machine

# What a judge finds fault with, and we mean: who has no `active` any more is not active, and is
# shown so, rather than as somebody of whom it is not known.
MEANT = {"PATCH modify() did not remove attribute 'active'"}
# It puts an id that it made up into a group, which is somebody nobody knows: 400.
MEANT_OF_SANITY = {"PATCH /Groups/{id} add member"}


@dataclass(frozen=True)
class Served:
    """Where the directory is, and a key of the role provisioner."""

    address: str
    key: str


@asynccontextmanager
async def on_a_port(app: Starlette) -> AsyncIterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        options = uvicorn.Config(app, log_level="warning", lifespan="off")
        server = uvicorn.Server(options)
        serving = asyncio.ensure_future(server.serve(sockets=[listening]))
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    settings = directory_settings()
    async with directory(tmp_path, settings) as world, on_a_port(world.app) as where:
        key = (await world.key("provisioner"))["authorization"].removeprefix("Bearer ")
        yield Served(f"{where}/scim/v2", key)


async def run(*command: str) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=JUDGE_S, check=False
    )


async def test_scim2_tester_finds_no_fault(served: Served) -> None:
    python = program(REPOSITORY / ".judges/scim/bin/python")
    done = await run(python, str(HERE / "scim_tester_client.py"), served.address, served.key)
    assert done.returncode == 0, done.stderr[-3000:]
    results: list[dict[str, Any]] = json.loads(done.stdout)
    passing = {"SUCCESS", "COMPLIANT", "ACCEPTABLE", "SKIPPED"}
    faults = [result for result in results if result["status"] not in passing]
    assert {fault["reason"] for fault in faults} == MEANT, json.dumps(faults, indent=1)
    passed = sum(result["status"] != "SKIPPED" for result in results)
    assert passed > 50, results


async def test_scim_sanity_finds_no_fault(served: Served) -> None:
    sanity = program(REPOSITORY / ".judges/scim/bin/scim-sanity")
    done = await run(
        sanity, "probe", served.address, "--token", served.key, "--json-output",
        "--i-accept-side-effects",
    )  # fmt: skip
    results = json.loads(done.stdout)["results"]
    faults = {each["name"] for each in results if each["status"] in {"fail", "error", "warn"}}
    assert faults == MEANT_OF_SANITY, done.stdout[-5000:] + done.stderr[-3000:]
    assert sum(each["status"] == "pass" for each in results) > 20
