"""The MCP project's own judges at the running gateway: its conformance suite, and its Inspector.

The suite sends no credentials, so a relay on loopback adds the key. It asks for tools of certain
names, which `mcp_fixture` has.
"""

import json
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import anyio
import pytest
import yaml

from tests.judges.judge import HERE as JUDGES
from tests.judges.judge import node, program
from tests.judges.relay import relayed
from tests.product import Product

# Of each revision, the scenarios a server is required to pass.
REQUIRED = {"2026-07-28": 37, "2025-11-25": 30}
BASELINE = Path(__file__).with_name("mcp_conformance_2025-11-25.yaml")
SUITE = JUDGES / "node_modules/@modelcontextprotocol/conformance/dist/index.js"
INSPECTOR = JUDGES / "node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js"
WARNED = "server-sse-multiple-streams"
EXCUSED = frozenset(yaml.safe_load(BASELINE.read_text(encoding="utf-8"))["server"])
# 10 s on a quiet machine.
SUITE_S = 200.0
INSPECTOR_S = 60.0
_LINE = re.compile(r"^([✓✗]) ([a-z0-9-]+): \d+ passed, (\d+) failed", re.MULTILINE)


@pytest.fixture
async def without_key(product: Product, judged_gateway: str) -> AsyncIterator[str]:
    """The gateway at an address that needs no key."""
    there = urlsplit(judged_gateway)
    assert there.port is not None
    key = f"Authorization: Bearer {product.key}\r\n".encode()
    async with relayed(there.port, lambda path: path, headers=key) as relay:
        yield f"{relay}{there.path}"


@pytest.mark.parametrize(
    ("revision", "excused"),
    [("2026-07-28", frozenset[str]()), ("2025-11-25", EXCUSED - {WARNED})],
)
async def test_the_gateway_does_what_the_specification_requires(
    without_key: str, revision: str, excused: frozenset[str], tmp_path: Path
) -> None:
    """Every required scenario; of the older revision without those that need a way back.

    Those eight have the server ask its client while a call is under way, or keep what an earlier
    request said. Without sessions there is neither; a baseline that has become too long fails too.
    """
    baseline = ["--expected-failures", str(BASELINE)] if excused else []
    with anyio.fail_after(SUITE_S):
        ended = await anyio.run_process(
        [
            node(), program(SUITE), "server", "--url", without_key,
            "--requirements", revision, "-o", str(tmp_path), *baseline,
        ],
        check=False,
        cwd=tmp_path,
    )  # fmt: skip
    said = ended.stdout.decode() + ended.stderr.decode()
    assert ended.returncode == 0, said[-8000:]
    scenarios = _LINE.findall(said)[: REQUIRED[revision]]
    assert len(scenarios) == REQUIRED[revision], said[-8000:]
    failing = {name for mark, name, _ in scenarios if mark == "✗"}
    assert failing == excused


@pytest.mark.parametrize("era", ["modern", "legacy"])
@pytest.mark.parametrize("path", ["/mcp", "/judged/mcp"])
async def test_every_model_can_be_given_the_tools_schemas(
    product: Product,
    judged_gateway: str,
    era: Literal["modern", "legacy"],
    path: str,
    tmp_path: Path,
) -> None:
    """The Inspector finds nothing in them that a platform would refuse, and finds tools."""
    address = f"{product.address}{path}"
    environment = {**os.environ, "MCP_CATALOG_PATH": str(tmp_path / "catalog.json")}
    with anyio.fail_after(INSPECTOR_S):
        ended = await anyio.run_process(
            [
                node(), program(INSPECTOR), "--cli", address, "--transport", "http",
                "--protocol-era", era, "--header", f"Authorization: Bearer {product.key}",
                "--method", "tools/list", "--strict",
            ],
            check=False,
            cwd=tmp_path,
            env=environment,
        )  # fmt: skip
    assert ended.returncode == 0, ended.stderr.decode()[-4000:]
    assert json.loads(ended.stdout)["tools"]
