"""Every key provider with somebody on the other side: a file, moto, and our simulators over HTTP."""

import asyncio
import contextlib
import os
import secrets
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import httpx2
import orjson
import pytest
import uvicorn
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from actors.sealing.provider import KeyProvider
from config.encryption import AwsKms, AzureKeyVault, GoogleKms, VaultTransit
from deployments.key_management.aws import AwsKmsProvider
from deployments.key_management.azure import AzureKeyVaultProvider
from deployments.key_management.file import FileProvider, make_data_keys
from deployments.key_management.google import GoogleKmsProvider
from deployments.key_management.vault import VaultTransitProvider
from deployments.simulators.cloud_kms import cloud_kms
from deployments.simulators.key_service import KeyFault, KeyService, answered
from deployments.simulators.key_vault import key_vault
from deployments.simulators.vault_transit import vault_transit
from routing.clock import SystemClock
from tests.judges.judge import REPOSITORY, program, serving
from tests.ports import free_port
from tests.tls import CERTIFICATE, certificate

REGION = "eu-central-1"
_GOOGLE_KEY = "projects/p/locations/l/keyRings/r/cryptoKeys/k"
MOTO_S = 60.0  # it imports all of AWS when it starts
NAMES = (
    "file",
    "aws_kms",
    "azure_rsa",
    "azure_aes",
    "google_kms",
    "vault_kubernetes",
    "vault_approle",
)


@dataclass(frozen=True, slots=True)
class KeyWorld:
    """A provider; what its other side does next; and its key in a new version, or without an old one."""

    provider: KeyProvider
    set_fault: Callable[[KeyFault], None]
    rotate: Callable[[], None]
    lose_first: Callable[[], None] | None


@contextlib.asynccontextmanager
async def key_world(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[KeyWorld]:
    """The provider of that name, with its other side up."""
    for variable in [v for v in os.environ if v.startswith(("AWS_", "AZURE_", "GOOGLE_"))]:
        monkeypatch.delenv(variable)
    if name == "file":
        yield _file(folder / "data.keys")
        return
    service = KeyService()
    kind, _, way = name.partition("_")
    worlds = {"aws": _aws, "azure": _azure, "google": _google, "vault": _vault}
    async with worlds[kind](service, way, folder, monkeypatch) as provider:
        try:
            yield KeyWorld(
                provider,
                lambda fault: setattr(service, "fault", fault),
                service.rotate,
                # A key of AWS has no versions to be seen; those of the others come and go.
                None if kind == "aws" else lambda: service.lose(1),
            )
        finally:
            service.let_go.set()
            await provider.aclose()


@contextlib.asynccontextmanager
async def served(app: ASGIApp, folder: Path | None = None) -> AsyncIterator[int]:
    """An application on loopback and its port; with a folder, over TLS with the certificate in it."""
    config = uvicorn.Config(
        app,
        port=0,
        log_level="error",
        lifespan="off",
        timeout_graceful_shutdown=1,
        ssl_certfile=None if folder is None else str(folder / CERTIFICATE),
        ssl_keyfile=None if folder is None else str(folder / "key.pem"),
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    try:
        while not server.started:  # noqa: ASYNC110  uvicorn tells by a flag
            await asyncio.sleep(0.01)
        yield int(server.servers[0].sockets[0].getsockname()[1])
    finally:
        server.should_exit = server.force_exit = True
        await task


def _file(path: Path) -> KeyWorld:
    make_data_keys(path)
    hidden = path.with_suffix(".away")

    def set_fault(fault: KeyFault) -> None:
        if fault == "none" and hidden.exists():
            hidden.rename(path)
        if fault == "fail":
            path.rename(hidden)
        if fault == "refuse":
            path.rename(hidden)
            path.write_text(secrets.token_hex(32) + "\n")

    def lose_first() -> None:
        path.write_text(path.read_text().split()[0] + "\n")

    def rotate() -> None:
        path.write_text(f"{secrets.token_hex(32)}\n{path.read_text()}")

    return KeyWorld(FileProvider(path), set_fault, rotate, lose_first)


@contextlib.asynccontextmanager
async def _aws(
    service: KeyService, _: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[KeyProvider]:
    """moto's KMS and STS behind a door that can misbehave; who we are by a web identity."""
    moto = program(REPOSITORY / ".judges/moto/bin/moto_server")
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with serving([moto, "-p", str(port)], address, folder / "moto.log", within_s=MOTO_S):
        async with httpx2.AsyncClient(trust_env=False) as http:
            made = await http.post(
                address,
                content=b"{}",
                headers={
                    "x-amz-target": "TrentService.CreateKey",
                    "content-type": "application/x-amz-json-1.1",
                    "authorization": f"AWS4-HMAC-SHA256 Credential=a/20260101/{REGION}/kms/aws4_request",
                },
            )
            arn = made.json()["KeyMetadata"]["Arn"]
            (folder / "token").write_text("a.projected.token")
            monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/supportmax")
            monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(folder / "token"))
            async with served(_door(service, http, address)) as door:
                settings = AwsKms(
                    key_arn=arn, endpoint=f"http://127.0.0.1:{door}", sts_endpoint=address
                )
                yield AwsKmsProvider(settings, SystemClock())


def _door(service: KeyService, http: httpx2.AsyncClient, address: str) -> Starlette:
    kinds = {403: "AccessDeniedException", 429: "ThrottlingException"}

    def refusal(status: int, message: str) -> Response:
        kind = kinds.get(status, "KMSInternalException")
        body = {"__type": kind, "message": message}
        # KMS throttles with a 400.
        return JSONResponse(body, 500 if status == 503 else 400)

    async def asked(request: Request) -> Response:
        async def passed() -> Response:
            headers = {k: v for k, v in request.headers.items() if k != "host"}
            answer = await http.post(address, content=await request.body(), headers=headers)
            return Response(answer.content, answer.status_code)

        return await answered(service, refusal, passed)

    return Starlette(routes=[Route("/", asked, methods=["POST"])])


@contextlib.asynccontextmanager
async def _azure(
    service: KeyService, way: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[KeyProvider]:
    """A vault over TLS, and the endpoint of a managed identity."""

    async def token(_: Request) -> Response:
        return JSONResponse(
            {
                "access_token": "a-token",
                "expires_in": "3600",
                "resource": "https://vault.azure.net",
                "token_type": "Bearer",
            }
        )

    certificate(folder)
    context = ssl.create_default_context(cafile=folder / CERTIFICATE)
    # aiohttp makes the machine's trust once, when it is imported.
    monkeypatch.setattr("aiohttp.connector._SSL_CONTEXT_VERIFIED", context)
    identity = Starlette(routes=[Route("/msi/token", token)])
    async with (
        served(key_vault(service, "supportmax"), folder) as port,
        served(identity) as identity_port,
    ):
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://127.0.0.1:{identity_port}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", "secret-of-the-host")
        monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "prod")
        settings = AzureKeyVault(
            vault_url=f"https://127.0.0.1:{port}",
            key_name="supportmax",
            algorithm="A256KW" if way == "aes" else "RSA-OAEP-256",
        )
        yield AzureKeyVaultProvider(settings)


@contextlib.asynccontextmanager
async def _google(
    service: KeyService, _: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[KeyProvider]:
    """Cloud KMS, asked by a service account that signs its own tokens."""
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    account = {
        "type": "service_account",
        "project_id": "p",
        "private_key_id": "1",
        "private_key": pem.decode(),
        "client_email": "supportmax@p.iam.gserviceaccount.com",
        "token_uri": "http://127.0.0.1:9/token",
    }
    path = folder / "account.json"
    path.write_bytes(orjson.dumps(account))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    async with served(cloud_kms(service, _GOOGLE_KEY)) as port:
        yield GoogleKmsProvider(GoogleKms(key=_GOOGLE_KEY, endpoint=f"http://127.0.0.1:{port}"))


@contextlib.asynccontextmanager
async def _vault(
    service: KeyService, way: str, folder: Path, _: pytest.MonkeyPatch
) -> AsyncIterator[KeyProvider]:
    (folder / "shown").write_text("what-is-shown\n")
    app = vault_transit(service, jwt="what-is-shown", secret_id="what-is-shown")  # noqa: S106
    async with served(app) as port:
        address, shown = f"http://127.0.0.1:{port}", str(folder / "shown")
        if way == "kubernetes":
            settings = VaultTransit(
                address=address,
                key="supportmax",
                kubernetes_role="supportmax",
                kubernetes_token_file=shown,
            )
        else:
            settings = VaultTransit(
                address=address, key="supportmax", role_id="a-role", secret_id_file=shown
            )
        yield VaultTransitProvider(settings, SystemClock())
