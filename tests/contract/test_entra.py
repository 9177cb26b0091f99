"""Keyless Azure: tokens from loopback identity endpoints, by azure-identity itself."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from deployments.platforms.azure.adapter import SCOPES, AzureOpenAIPlatform
from deployments.platforms.azure.entra import EntraToken
from deployments.platforms.base import Connection
from routing.errors import ErrorKind, PlatformError
from routing.exchange import ChatRequest
from routing.message import Message
from tests.servers import Simulators
from tests.tls import CERTIFICATE, certificate

QUESTION = ChatRequest("gpt-6-luna", (Message("user", "Hello."),))
DEADLINE_S = 20.0
DAY_S = 86_400
IDENTITY_HEADER = "secret-of-the-host"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No identity of the machine that runs the tests; only those a deployment may have."""
    for name in ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_CLIENT_SECRET", "MSI_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AZURE_FEDERATED_TOKEN_FILE", "IDENTITY_ENDPOINT", "IDENTITY_HEADER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "prod")


class IdentityEndpoint:
    """The token endpoints of App Service and of a virtual machine; hands out `tokens` in turn."""

    def __init__(self, tokens: Iterator[str]) -> None:
        self._tokens = tokens
        self.resources: list[str] = []

    async def answer(self, request: web.Request) -> web.Response:
        """One token, to whoever knows the host's secret or asks like a machine's own software."""
        is_app_service = request.headers.get("X-IDENTITY-HEADER") == IDENTITY_HEADER
        if not is_app_service and request.headers.get("Metadata") != "true":
            return web.json_response({"error": "forbidden"}, status=403)
        resource = request.query["resource"]
        self.resources.append(resource)
        token = next(self._tokens, None)
        if token is None:
            return web.json_response({"error": "identity not found"}, status=400)
        return web.json_response(
            {
                "access_token": token,
                "expires_in": str(DAY_S),
                "resource": resource,
                "token_type": "Bearer",
            }
        )


@asynccontextmanager
async def identity(
    monkeypatch: pytest.MonkeyPatch, *tokens: str, host: str = "app_service"
) -> AsyncIterator[IdentityEndpoint]:
    """Be a host with an identity, whose endpoint gives these tokens, one after the other."""
    endpoint = IdentityEndpoint(iter(tokens))
    app = web.Application()
    app.router.add_get("/{path:.*}", endpoint.answer)
    async with TestServer(app) as server:
        if host == "app_service":
            monkeypatch.setenv("IDENTITY_ENDPOINT", str(server.make_url("/msi/token")))
            monkeypatch.setenv("IDENTITY_HEADER", IDENTITY_HEADER)
        else:
            address = str(server.make_url("/")).rstrip("/")
            monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", address)
        yield endpoint


@asynccontextmanager
async def keyless(simulators: Simulators, **options: str) -> AsyncIterator[AzureOpenAIPlatform]:
    """The adapter without a key."""
    address = simulators.address("azure_openai")
    platform = AzureOpenAIPlatform(Connection("", address, options={"auth": "entra", **options}))
    try:
        yield platform
    finally:
        await platform.aclose()


async def refused(platform: AzureOpenAIPlatform) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        await platform.complete(QUESTION, DEADLINE_S)
    assert caught.value.kind is ErrorKind.CREDENTIALS
    return caught.value


@pytest.mark.parametrize("host", ["app_service", "virtual_machine"])
@pytest.mark.parametrize(
    "options", [{}, {"api": "legacy", "api_version": "2025-04-01-preview"}], ids=["v1", "legacy"]
)
async def test_a_managed_identitys_token_opens_the_door(
    simulators: Simulators, monkeypatch: pytest.MonkeyPatch, host: str, options: dict[str, str]
) -> None:
    """As Bearer, for the audience of the API, and fetched once for many calls."""
    async with (
        identity(monkeypatch, simulators.key, host=host) as endpoint,
        keyless(simulators, **options) as platform,
    ):
        for _ in range(3):
            assert (await platform.complete(QUESTION, DEADLINE_S)).text
        assert await platform.models()
        head = await platform._wire._head.get()
    assert head.headers["authorization"] == f"Bearer {simulators.key}"
    assert "api-key" not in head.headers
    scope = SCOPES[options.get("api", "v1")]
    assert set(endpoint.resources) <= {scope.removesuffix("/.default")}
    assert len(endpoint.resources) == 1


async def test_a_scope_of_ones_own_is_asked_for(
    simulators: Simulators, monkeypatch: pytest.MonkeyPatch
) -> None:
    """National clouds have other audiences."""
    async with (
        identity(monkeypatch, simulators.key) as endpoint,
        keyless(simulators, scope="https://ai.azure.us/.default") as platform,
    ):
        await platform.complete(QUESTION, DEADLINE_S)
    assert endpoint.resources == ["https://ai.azure.us"]


async def test_a_token_that_is_refused_is_renewed_once(
    simulators: Simulators, monkeypatch: pytest.MonkeyPatch
) -> None:
    """azure-identity would send the same one until it ends; the next call sends a new one."""
    async with (
        identity(monkeypatch, "token-of-yesterday", simulators.key, "never-asked") as endpoint,
        keyless(simulators) as platform,
    ):
        assert (await refused(platform)).status == 401
        assert (await platform.complete(QUESTION, DEADLINE_S)).text
        assert (await platform.complete(QUESTION, DEADLINE_S)).text
    assert len(endpoint.resources) == 2


async def test_an_identity_that_lost_its_rights_does_not_storm_its_endpoint(
    simulators: Simulators, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new token mends a stale one, and nothing else."""
    async with (
        identity(monkeypatch, *(f"worthless-{n}" for n in range(9))) as endpoint,
        keyless(simulators) as platform,
    ):
        for _ in range(5):
            await refused(platform)
    assert len(endpoint.resources) == 2


async def test_a_token_in_an_error_is_not_repeated(
    simulators: Simulators, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token is as secret as a key, for the hour it lives."""
    fault = {"kind": "status", "status": 500, "message": f"cannot serve {simulators.key} today"}
    await simulators.script("azure_openai", fault)
    async with identity(monkeypatch, simulators.key), keyless(simulators) as platform:
        with pytest.raises(PlatformError, match="cannot serve <credential> today"):
            await platform.complete(QUESTION, DEADLINE_S)


async def test_an_identity_endpoint_that_refuses_is_a_credential_error(
    simulators: Simulators, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In azure-identity's words, on one line; Azure is not even asked."""
    async with identity(monkeypatch), keyless(simulators) as platform:
        error = await refused(platform)
    assert error.status is None
    assert "\n" not in error.detail
    assert "identity not found" in error.detail
    assert await simulators.requests() == []


async def test_half_a_workload_identity_is_a_credential_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A projected token names the identity that is meant: there is no search for another."""
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", "/var/run/secrets/azure/tokens/identity")
    token = EntraToken("azure_openai", SCOPES["v1"])
    with pytest.raises(PlatformError, match="tenant_id") as caught:
        await token.get()
    await token.aclose()
    assert caught.value.kind is ErrorKind.CREDENTIALS


async def test_a_projected_service_account_is_exchanged_for_a_token(tmp_path: Path) -> None:
    """Workload identity on Kubernetes: no key, no metadata endpoint, only a file and Entra."""
    asked: list[dict[str, object]] = []

    async def exchange(request: web.Request) -> web.Response:
        asked.append({"path": request.path, **await request.post()})
        return web.json_response(
            {"access_token": "token-of-a-pod", "expires_in": DAY_S, "token_type": "Bearer"}
        )

    app = web.Application()
    app.router.add_post("/{path:.*}", exchange)
    projected = tmp_path / "service-account"
    projected.write_text("signed-by-the-cluster")
    secure = TestServer(app, scheme="https")
    await secure.start_server(ssl=certificate(tmp_path))
    try:
        printed = await run_pod(
            {
                "AZURE_AUTHORITY_HOST": f"https://127.0.0.1:{secure.port}",
                "AZURE_CLIENT_ID": "client-1",
                "AZURE_TENANT_ID": "tenant-1",
                "AZURE_FEDERATED_TOKEN_FILE": str(projected),
                "SSL_CERT_FILE": str(tmp_path / CERTIFICATE),
            }
        )
    finally:
        await secure.close()
    assert printed == "token-of-a-pod"
    [order] = asked
    assert order["path"] == "/tenant-1/oauth2/v2.0/token"
    assert order["client_assertion"] == "signed-by-the-cluster"
    assert (order["client_id"], order["scope"]) == ("client-1", SCOPES["v1"])


async def run_pod(environment: dict[str, str]) -> str:
    """What a process in this environment prints for a token; TLS trust is fixed at its start."""
    program = (
        "import asyncio\n"
        "from deployments.platforms.azure.entra import EntraToken\n"
        "async def main():\n"
        f"    token = EntraToken('azure_openai', {SCOPES['v1']!r})\n"
        "    print(await token.get(), end='')\n"
        "    await token.aclose()\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program),
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await process.communicate()
    return printed.decode()
