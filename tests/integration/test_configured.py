"""A product with a real credential, from its start to Ctrl-C in the middle of its work."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.integration.talk import MESSAGE, Heard, listen_into
from tests.integration.test_surface import status_of
from tests.product import Product, running, wait_until_gone
from tests.servers import Simulators, simulators

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]

# What must be found nowhere: unlike any other text on this machine.
CREDENTIAL = "sk-canary-7f3a9c51e8d24b06"
# The first list of models comes within a second of the start; a busy machine needs longer.
LISTED_S = 60.0
UNUSED = "canary-azure-0b6d42e8c915"


@pytest.fixture(scope="module")
def vendor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulators]:
    """A server that speaks OpenAI's wire, and takes that one credential."""
    with simulators(tmp_path_factory.mktemp("vendor"), CREDENTIAL) as server:
        yield server


CONFIGURATION = """\
platforms:
  openai:
    api_key: ${OPENAI_API_KEY}
    base_url: ${OPENAI_BASE_URL}
    model: gpt-5
  anthropic:
    simulated: true
  azure_openai:
    enabled: false
    api_key: ${AZURE_OPENAI_KEY}
    endpoint: ${AZURE_OPENAI_ENDPOINT}
"""


@pytest.fixture(scope="module")
def configured(vendor: Simulators, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A product that knows the credential; these tests end it themselves."""
    path = tmp_path_factory.mktemp("configuration") / "supportmax.yaml"
    path.write_text(CONFIGURATION)
    environment = {
        "OPENAI_API_KEY": CREDENTIAL,
        "OPENAI_BASE_URL": vendor.address("openai"),
        "AZURE_OPENAI_KEY": UNUSED,
        "AZURE_OPENAI_ENDPOINT": "https://azure.example.com",
    }
    with running(path, environment=environment) as product:
        yield product


async def test_a_platform_with_a_credential_is_the_real_one(
    configured: Product, vendor: Simulators
) -> None:
    """`simulated` is false, and the vendor was asked with the key (it takes no other)."""
    async with configured.http() as http:
        answer = await http.post("/v3/openai/chat", json={"message": MESSAGE})
        status = (await http.get("/v3/platforms/status")).json()["platforms"]
    assert answer.status_code == 200, answer.text
    assert answer.json()["simulated"] is False
    assert [request.method for request in await vendor.requests() if request.body] == ["POST"]
    rows = {row["name"]: row for row in status}
    assert (rows["openai"]["configured"], rows["openai"]["simulated"]) == (True, False)
    assert (rows["anthropic"]["configured"], rows["anthropic"]["simulated"]) == (False, True)


async def test_a_model_that_ends_is_warned_about_with_the_vendors_own_date(
    configured: Product, vendor: Simulators
) -> None:
    """The list comes from the vendor, in the background: no request waited for it."""
    async with configured.http() as http, asyncio.timeout(LISTED_S):
        while (row := await status_of(http, "openai"))["models"] is None:  # noqa: ASYNC110  another process
            await asyncio.sleep(0.1)
    assert {"id": "gpt-5", "retires_at": "2026-12-11"}.items() <= {
        key: value
        for model in row["models"]
        if model["id"] == "gpt-5"
        for key, value in model.items()
    }.items()
    end = row["retirement"]
    assert (end["model"], end["retires_at"], end["source"]) == ("gpt-5", "2026-12-11", "platform")
    assert end["warning"].endswith("use gpt-6.1-sol instead")
    assert row["options"] == {"base_url": vendor.address("openai")}
    assert CREDENTIAL not in str(row)


@pytest.mark.parametrize(
    ("asked", "pointer"),
    [
        ({"platform": "azure_openai"}, "/platform"),
        ({"fallback_platforms": ["openai", "azure_openai"]}, "/fallback_platforms/1"),
    ],
)
async def test_a_platform_that_is_disabled_is_refused_and_the_others_named(
    configured: Product, asked: dict[str, object], pointer: str
) -> None:
    """It exists in the contract, not in this configuration."""
    async with configured.http() as http:
        answer = await http.post("/v3/chat", json={"message": MESSAGE, **asked})
    assert (answer.status_code, answer.json()["code"]) == (422, "platform_unknown")
    [error] = answer.json()["errors"]
    assert error["pointer"] == pointer
    assert "anthropic, openai" in error["message"]


async def test_no_secret_is_in_what_ray_shows(configured: Product) -> None:
    """runtime_env, init args, user_config, job: the dashboard shows them all, so none may be there."""
    token = (configured.home / "ray.token").read_text().strip()
    shown = ""
    async with httpx2.AsyncClient(base_url=configured.dashboard, verify=False, timeout=30) as ray:
        for path in (
            "/api/serve/applications/",
            "/api/jobs/",
            "/api/v0/actors?detail=true",
            "/api/v0/runtime_envs?detail=true",
            "/api/v0/workers?detail=true",
        ):
            answer = await ray.get(path, headers={"authorization": f"Bearer {token}"})
            assert answer.status_code == 200, (path, answer.text)
            shown += answer.text
    assert "platform-openai" in shown
    for secret in (CREDENTIAL, UNUSED, configured.key, token):
        assert secret not in shown


async def test_the_dashboard_refuses_whoever_has_no_token(configured: Product) -> None:
    """Whoever may submit a job owns the machine."""
    async with httpx2.AsyncClient(base_url=configured.dashboard, verify=False, timeout=30) as ray:
        for headers in ({}, {"authorization": "Bearer wrong"}):
            for path in ("/api/serve/applications/", "/api/jobs/"):
                answer = await ray.get(path, headers=headers)
                assert answer.status_code in {401, 403}, (path, answer.status_code)


def test_no_secret_is_in_a_command_line_a_log_or_a_file_others_may_read(
    configured: Product,
) -> None:
    """What `ps` shows, what was printed, what Ray logged, what lies in the data directory."""
    secrets = [CREDENTIAL.encode(), UNUSED.encode(), configured.key.encode()]
    titles = "\n".join(process.title for process in configured.processes()).encode()
    files = [*logs_of(configured), *configured.home.rglob("*")]
    for secret in secrets:
        assert secret not in titles
        holders = [f for f in files if f.is_file() and secret in f.read_bytes()]
        allowed = {configured.home / "admin.key"} if secret == configured.key.encode() else set()
        assert set(holders) == allowed
    assert ((configured.home / "admin.key").stat().st_mode & 0o777) == 0o600


def logs_of(product: Product) -> list[Path]:
    """The files Ray writes for this product."""
    [raylet] = product.processes("--raylet_socket_name=")
    session = Path(raylet.title.partition("--session_dir=")[2].split()[0])
    found = [f for f in (session / "logs").rglob("*") if f.is_file()]
    assert found
    return found


async def test_ctrl_c_in_the_middle_of_streams_ends_them_honestly_and_leaves_no_process(
    configured: Product, vendor: Simulators
) -> None:
    """Every reader knows how his answer ended, and `ps` knows nothing of us any more."""
    await vendor.clear()
    await vendor.script("openai", {"kind": "slow", "chunk_delay_ms": 700, "times": -1})
    async with configured.http() as http:
        heard = [Heard() for _ in range(10)]
        listening = [
            asyncio.create_task(listen_into(one, http, {"platform": "openai"})) for one in heard
        ]
        async with asyncio.timeout(60):
            while not all(one.text for one in heard):  # noqa: ASYNC110  other tasks' progress
                await asyncio.sleep(0.05)
        configured.press_ctrl_c()
        await asyncio.to_thread(configured.wait)
        await asyncio.gather(*listening)
    for one in heard:
        # A process that ends may break a connection; it may not make half an answer look whole.
        if one.done is not None or one.error is not None:
            one.assert_honest()
        else:
            assert "done" not in one.names
    assert configured.process.returncode == 0, configured.said
    await asyncio.to_thread(wait_until_gone, configured)
