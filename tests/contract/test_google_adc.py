"""Keyless Google: application default credentials from loopback token servers, by google-auth."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import BaseTestServer, TestServer
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from deployments.platforms.vertex.adapter import VertexPlatform
from deployments.platforms.vertex.adc import SCOPES
from routing.errors import ErrorKind, PlatformError
from routing.exchange import ChatRequest
from routing.message import Message
from tests.servers import REPOSITORY, Simulators
from tests.token_exchange import tunnel

QUESTION = ChatRequest("gemini-3.8-flash", (Message("user", "Hello."),))
DEADLINE_S = 20.0
HOUR_S = 3_600


class TokenEndpoint:
    """Google's token endpoint and a machine's metadata server; hands out `tokens` in turn."""

    def __init__(self, tokens: Iterator[str]) -> None:
        self._tokens = tokens
        self.asked: list[str] = []
        self.forms: list[dict[str, str]] = []

    async def answer(self, request: web.Request) -> web.Response:
        """One token, to a signed assertion or to a machine's own software."""
        flavor = {"metadata-flavor": "Google"}
        if request.method == "GET" and request.headers.get("metadata-flavor") != "Google":
            return web.json_response({"error": "forbidden"}, status=403)
        match request.path.rsplit("/", 1)[-1]:
            case "token":
                self.asked.append(request.method)
                self.forms.append({key: str(text) for key, text in (await request.post()).items()})
                token = next(self._tokens, None)
                if token is None:
                    said = {"error": "invalid_grant", "error_description": "Account not found"}
                    return web.json_response(said, status=400)
                said = {"access_token": token, "token_type": "Bearer"}
                return web.json_response({**said, "expires_in": HOUR_S}, headers=flavor)
            case "project-id":
                return web.Response(text="shop", headers=flavor)
            case "universe-domain" | "universe_domain":
                return web.Response(text="googleapis.com", headers=flavor)
            case _:
                account = {"email": "robot@shop.example", "scopes": [], "aliases": ["default"]}
                return web.json_response(account, headers=flavor)


@asynccontextmanager
async def token_server(*tokens: str) -> AsyncIterator[tuple[TokenEndpoint, BaseTestServer]]:
    endpoint = TokenEndpoint(iter(tokens))
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", endpoint.answer)
    async with TestServer(app) as server:
        yield endpoint, server


@pytest.fixture(scope="module")
def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    kind = serialization.PrivateFormat.PKCS8
    nobody = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, kind, nobody).decode()


@asynccontextmanager
async def service_account(
    monkeypatch: pytest.MonkeyPatch, directory: Path, private_key: str, *tokens: str
) -> AsyncIterator[TokenEndpoint]:
    """Be a process whose environment names a key file; its tokens come one after the other."""
    async with token_server(*tokens) as (endpoint, server):
        file = directory / "account.json"
        account = {
            "type": "service_account",
            "project_id": "shop",
            "private_key_id": "1",
            "private_key": private_key,
            "client_email": "robot@shop.example",
            "token_uri": str(server.make_url("/token")),
        }
        file.write_text(json.dumps(account))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
        yield endpoint


@asynccontextmanager
async def keyless(simulators: Simulators) -> AsyncIterator[VertexPlatform]:
    """The adapter without a credential."""
    platform = VertexPlatform(replace(simulators.connection("google_vertex"), credential=""))
    try:
        yield platform
    finally:
        await platform.aclose()


async def test_a_service_accounts_token_opens_the_door(
    simulators: Simulators, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, private_key: str
) -> None:
    """Looked for at the first call, fetched once for many calls of many kinds."""
    async with (
        service_account(monkeypatch, tmp_path, private_key, simulators.key) as endpoint,
        keyless(simulators) as platform,
    ):
        assert endpoint.asked == []
        for model in ("gemini-3.8-flash", "gemini-3.5-flash"):
            assert (await platform.complete(replace(QUESTION, model=model), DEADLINE_S)).text
        assert [chunk async for chunk in platform.stream(QUESTION, DEADLINE_S)]
        assert await platform.models()
    assert endpoint.asked == ["POST"]


async def test_a_token_that_is_refused_is_renewed_once(
    simulators: Simulators, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, private_key: str
) -> None:
    """google-auth would send the same one until it ends; the next call sends a new one."""
    tokens = ("ya29.revoked", simulators.key)
    async with (
        service_account(monkeypatch, tmp_path, private_key, *tokens) as endpoint,
        keyless(simulators) as platform,
    ):
        with pytest.raises(PlatformError) as caught:
            await platform.complete(QUESTION, DEADLINE_S)
        assert caught.value.kind is ErrorKind.CREDENTIALS
        assert (await platform.complete(QUESTION, DEADLINE_S)).text
        await simulators.script("google_vertex", *[{"kind": "status", "status": 401}] * 2)
        for _ in range(2):
            with pytest.raises(PlatformError):
                await platform.complete(QUESTION, DEADLINE_S)
    assert len(endpoint.asked) == 2  # two more within the minute would not help either


async def test_a_token_is_never_repeated(
    simulators: Simulators, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, private_key: str
) -> None:
    """Whatever the vendor says about it."""
    fault = {"kind": "status", "status": 500, "message": f"cannot serve {simulators.key} today"}
    await simulators.script("google_vertex", fault)
    async with (
        service_account(monkeypatch, tmp_path, private_key, simulators.key),
        keyless(simulators) as platform,
    ):
        with pytest.raises(PlatformError) as caught:
            await platform.complete(QUESTION, DEADLINE_S)
    assert caught.value.detail == "INTERNAL: cannot serve <credential> today"


async def test_an_account_that_is_refused_is_ours_to_mend(
    simulators: Simulators, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, private_key: str
) -> None:
    """In google-auth's words; Vertex is not even asked."""
    async with (
        service_account(monkeypatch, tmp_path, private_key),
        keyless(simulators) as platform,
    ):
        with pytest.raises(PlatformError, match="Account not found") as caught:
            await platform.complete(QUESTION, DEADLINE_S)
    assert caught.value.kind is ErrorKind.CREDENTIALS
    assert await simulators.requests() == []


async def test_a_key_file_that_is_not_there_is_ours_to_mend(
    simulators: Simulators, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The deployment mounted nothing where its environment points."""
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "missing.json"))
    async with keyless(simulators) as platform:
        with pytest.raises(PlatformError, match=r"missing\.json") as caught:
            await platform.complete(QUESTION, DEADLINE_S)
    assert caught.value.kind is ErrorKind.CREDENTIALS


@asynccontextmanager
async def federated(
    monkeypatch: pytest.MonkeyPatch, directory: Path, *tokens: str
) -> AsyncIterator[tuple[TokenEndpoint, list[str]]]:
    """Be a pod outside Google with a projected token; also what is asked for on the Internet."""
    async with token_server(*tokens) as (endpoint, server), tunnel(None) as (proxy, beyond):
        (directory / "projected").write_text("signed-by-the-cluster")
        pool = "//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/shop"
        description = {
            "type": "external_account",
            "audience": f"{pool}/providers/cluster",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": str(server.make_url("/v1/token")),
            "credential_source": {"file": str(directory / "projected")},
        }
        file = directory / "federation.json"
        file.write_text(json.dumps(description))
        for name in ("GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT", "HTTP_PROXY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        yield endpoint, beyond


@pytest.mark.parametrize("named", [None, "shop"], ids=["ours", "GOOGLE_CLOUD_PROJECT"])
async def test_a_pod_outside_google_exchanges_its_projected_token(
    simulators: Simulators, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, named: str | None
) -> None:
    """RFC 8693, once; the configured project is not looked up, whoever else names one."""
    async with federated(monkeypatch, tmp_path, simulators.key) as (endpoint, beyond):
        if named is not None:
            monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", named)
        async with keyless(simulators) as platform:
            for _ in range(2):
                assert (await platform.complete(QUESTION, DEADLINE_S)).text
    [form] = endpoint.forms
    pool = "//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/shop"
    order = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": "signed-by-the-cluster",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "audience": f"{pool}/providers/cluster",
        "scope": SCOPES[0],
    }
    assert order.items() <= form.items()
    assert beyond == []
    [first, _] = await simulators.requests()
    assert "/projects/shop/" in first.path


async def test_a_pods_refused_token_is_exchanged_anew_from_the_file_of_that_moment(
    simulators: Simulators, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Kubernetes replaces the file in place."""
    async with (
        federated(monkeypatch, tmp_path, "ya29.revoked", simulators.key) as (endpoint, _),
        keyless(simulators) as platform,
    ):
        with pytest.raises(PlatformError) as caught:
            await platform.complete(QUESTION, DEADLINE_S)
        assert caught.value.kind is ErrorKind.CREDENTIALS
        (tmp_path / "projected").write_text("replaced-by-the-cluster")
        assert (await platform.complete(QUESTION, DEADLINE_S)).text
    subjects = [form["subject_token"] for form in endpoint.forms]
    assert subjects == ["signed-by-the-cluster", "replaced-by-the-cluster"]


async def test_a_projected_token_that_is_not_there_is_ours_to_mend(
    simulators: Simulators, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The volume is missing; nobody is asked, and the error names the file."""
    async with (
        federated(monkeypatch, tmp_path, "never-asked") as (endpoint, _),
        keyless(simulators) as platform,
    ):
        (tmp_path / "projected").unlink()
        with pytest.raises(PlatformError, match="projected") as caught:
            await platform.complete(QUESTION, DEADLINE_S)
    assert caught.value.kind is ErrorKind.CREDENTIALS
    assert endpoint.forms == []


@pytest.mark.parametrize("said", ["<html>", "{}", "[1]", '{"access_token": "t"}'])
async def test_an_exchange_that_answers_with_no_token_is_a_credential_error(
    simulators: Simulators, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: str
) -> None:
    """With status 200, which google-auth believes."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=said, content_type="application/json")

    app = web.Application()
    app.router.add_post("/{path:.*}", answer)
    async with federated(monkeypatch, tmp_path), TestServer(app) as server:
        file = tmp_path / "federation.json"
        elsewhere = {"token_url": str(server.make_url("/v1/token"))}
        file.write_text(json.dumps(json.loads(file.read_text()) | elsewhere))
        async with keyless(simulators) as platform:
            with pytest.raises(PlatformError) as caught:
                await platform.complete(QUESTION, DEADLINE_S)
    assert caught.value.kind is ErrorKind.CREDENTIALS
    assert await simulators.requests() == []


ON_A_MACHINE = """
import asyncio, sys
from deployments.platforms.base import Connection
from deployments.platforms.vertex.adapter import VertexPlatform
from routing.exchange import ChatRequest
from routing.message import Message

async def main():
    place = {"project_id": "shop", "location": "us-central1"}
    platform = VertexPlatform(Connection("", sys.argv[1], options=place))
    question = ChatRequest("gemini-3.8-flash", (Message("user", "Hello."),))
    print((await platform.complete(question, 20)).finish_reason)
    await platform.aclose()

asyncio.run(main())
print(sorted({"vertexai", "agentplatform", "google.cloud.aiplatform"} & sys.modules.keys()))
"""


async def test_a_machines_own_account_opens_the_door(
    simulators: Simulators, tmp_path: Path
) -> None:
    """google-auth reads the metadata server's address when it is imported: a process of its own."""
    async with token_server(simulators.key) as (endpoint, server):
        host = f"{server.host}:{server.port}"
        environment = {
            **{key: value for key, value in os.environ.items() if "GOOGLE" not in key},
            "HOME": str(tmp_path),
            "GCE_METADATA_HOST": host,
            "GCE_METADATA_IP": host,
            "GCE_METADATA_MTLS_MODE": "none",
        }
        command = [sys.executable, "-c", ON_A_MACHINE, simulators.address("google_vertex")]
        done = await asyncio.to_thread(
            subprocess.run,
            command,
            cwd=REPOSITORY,
            env=environment,
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
    assert done.stdout.splitlines() == ["stop", "[]"], done.stderr
    assert endpoint.asked == ["GET"]
