"""Keyless OpenAI and Anthropic: projected tokens, exchanged on loopback by the vendors' own SDKs."""

import asyncio
import json
import logging
import os
import ssl
import sys
import time
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from deployments.platforms.anthropic.adapter import AnthropicPlatform
from deployments.platforms.base import Connection
from deployments.platforms.openai.adapter import OpenAIPlatform
from routing.errors import ConfigError, ErrorKind, PlatformError
from routing.exchange import ChatRequest
from routing.message import Message
from tests.servers import REPOSITORY, Simulators
from tests.tls import CERTIFICATE, certificate
from tests.token_exchange import Said, TokenExchange, tunnel

DEADLINE_S = 20.0
SUBJECT = "eyJhbGciOiJSUzI1NiJ9." + "eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQ6c2hvcCJ9" * 8 + ".c2ln"
MODELS = {"openai": "gpt-6.1-terra", "anthropic": "claude-sonnet-5-5"}
OPENAI = {"identity_provider_id": "idp_1", "service_account_id": "sa_1"}
ANTHROPIC = {
    "federation_rule_id": "fdrl_1",
    "organization_id": "00000000-0000-4000-8000-000000000000",
    "workspace_id": "wrkspc_1",
}


@dataclass(frozen=True, slots=True)
class Pod:
    """A process without a key: its adapter, the file it is known by, and who exchanges that."""

    vendor: str
    platform: OpenAIPlatform | AnthropicPlatform
    token_file: Path
    exchange: TokenExchange

    async def ask(self, deadline_s: float = DEADLINE_S) -> str:
        """The answer to a question."""
        question = ChatRequest(MODELS[self.vendor], (Message("user", "Hello."),))
        return (await self.platform.complete(question, deadline_s)).text

    async def refused(self, deadline_s: float = DEADLINE_S) -> PlatformError:
        """The error that comes in place of an answer, which repeats no piece of a token."""
        with pytest.raises(PlatformError) as caught:
            await self.ask(deadline_s)
        told = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
        assert not any(SUBJECT[at : at + 16] in told for at in range(len(SUBJECT) - 15))
        assert "\n" not in caught.value.detail
        return caught.value

    async def authorization(self) -> str:
        """What is sent now."""
        return (await self.platform._wire._head.get()).headers["authorization"]


@pytest.fixture(params=["openai", "anthropic"])
def vendor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both, in an environment without a key of either."""
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return str(request.param)


@asynccontextmanager
async def pod(
    vendor: str,
    simulators: Simulators,
    monkeypatch: pytest.MonkeyPatch,
    directory: Path,
    *answers: str | Said | None,
) -> AsyncIterator[Pod]:
    """A pod whose exchanges get these answers, one after the other."""
    exchange = TokenExchange(answers)
    token_file = directory / "token"
    token_file.write_text(SUBJECT + "\n")
    told = {"auth": "workload_identity", "token_file": str(token_file)}
    platform: OpenAIPlatform | AnthropicPlatform
    if vendor == "openai":
        # OpenAI's SDK exchanges at one address on the Internet; a proxy leads it back here.
        async with (
            served(exchange, simulators, certificate(directory, "auth.openai.com")) as server,
            tunnel(server.port) as (proxy, _),
        ):
            monkeypatch.setenv("HTTPS_PROXY", proxy)
            monkeypatch.setenv("SSL_CERT_FILE", str(directory / CERTIFICATE))
            address = simulators.address("openai")
            platform = OpenAIPlatform(Connection("", address, options={**told, **OPENAI}))
            async with closed(platform, exchange):
                yield Pod(vendor, platform, token_file, exchange)
    else:
        # Anthropic's exchanges where it asks, and takes plain HTTP on loopback.
        async with served(exchange, simulators) as server:
            address = str(server.make_url("")).rstrip("/")
            platform = AnthropicPlatform(Connection("", address, options={**told, **ANTHROPIC}))
            async with closed(platform, exchange):
                yield Pod(vendor, platform, token_file, exchange)


@asynccontextmanager
async def served(
    exchange: TokenExchange, simulators: Simulators, secure: ssl.SSLContext | None = None
) -> AsyncIterator[TestServer]:
    """The exchanges of both vendors; what else is asked of Anthropic, its simulator answers."""

    async def forward(request: web.Request) -> web.Response:
        address = simulators.address("anthropic") + request.path
        kept = {
            name: value
            for name, value in request.headers.items()
            if name.lower() in {"authorization", "x-api-key", "content-type", "anthropic-version"}
        }
        async with aiohttp.ClientSession() as session:
            body = await request.read()
            async with session.request(request.method, address, data=body, headers=kept) as answer:
                return web.Response(body=await answer.read(), status=answer.status)

    app = web.Application()
    app.router.add_post("/oauth/token", exchange.answer)
    app.router.add_post("/v1/oauth/token", exchange.answer)
    app.router.add_route("*", "/{path:.*}", forward)
    server = TestServer(app, scheme="https" if secure else "http")
    await server.start_server(ssl=secure)
    try:
        yield server
    finally:
        await server.close()


@asynccontextmanager
async def closed(
    platform: OpenAIPlatform | AnthropicPlatform, exchange: TokenExchange
) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await platform.aclose()
        exchange.end()


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let so much time have passed on the loop's clock, while nothing is under way."""
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "time", lambda: time.monotonic() + seconds)


async def test_the_exchanged_token_opens_the_door(
    simulators: Simulators, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, vendor: str
) -> None:
    """As Bearer, fetched when it is first needed and once for many calls."""
    async with pod(vendor, simulators, monkeypatch, tmp_path, simulators.key) as here:
        assert here.exchange.orders == []
        answers = await asyncio.gather(*(here.ask() for _ in range(5)))
        head = await here.platform._wire._head.get()
    assert all(answers)
    assert len(here.exchange.orders) == 1
    assert head.headers["authorization"] == f"Bearer {simulators.key}"
    assert "x-api-key" not in head.headers
    # Anthropic takes such a token from whoever says that they know what it is.
    assert ("oauth-2025-04-20" in head.headers.get("anthropic-beta", "")) == (vendor == "anthropic")


async def test_the_exchanged_token_is_good_for_the_list_of_models_too(
    simulators: Simulators, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, vendor: str
) -> None:
    """And it is the same one."""
    async with pod(vendor, simulators, monkeypatch, tmp_path, simulators.key) as here:
        await here.ask()
        assert await here.platform.models()
    assert len(here.exchange.orders) == 1


async def test_the_exchange_is_the_one_the_vendor_documents(
    simulators: Simulators, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, vendor: str
) -> None:
    """RFC 8693 at OpenAI, RFC 7523 at Anthropic, each with the identifiers of its console."""
    async with pod(vendor, simulators, monkeypatch, tmp_path, simulators.key) as here:
        await here.ask()
    [order] = here.exchange.orders
    if vendor == "openai":
        assert (order.path, order.headers["host"]) == ("/oauth/token", "auth.openai.com")
        assert order.body == {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token": SUBJECT,
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            **OPENAI,
        }
    else:
        assert order.path == "/v1/oauth/token"
        assert "oidc-federation-2026-04-01" in order.headers["anthropic-beta"]
        assert order.body == {
            "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "assertion": SUBJECT,
            **ANTHROPIC,
        }


async def test_a_token_that_is_refused_is_exchanged_anew_from_the_file_of_that_moment(
    simulators: Simulators, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, vendor: str
) -> None:
    """Kubernetes replaces the file in place; the call after the 401 sends what came of it."""
    tokens = ("token-of-yesterday", simulators.key, "never-asked")
    async with pod(vendor, simulators, monkeypatch, tmp_path, *tokens) as here:
        assert (await here.refused()).status == 401
        here.token_file.write_text("replaced-by-the-cluster")
        assert await here.ask()
        assert await here.ask()
        named = "subject_token" if vendor == "openai" else "assertion"
        subjects = [order.body[named] for order in here.exchange.orders]
    assert subjects == [SUBJECT, "replaced-by-the-cluster"]


async def test_an_identity_that_lost_its_rights_does_not_storm_the_exchange(
    simulators: Simulators, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, vendor: str
) -> None:
    """A new token mends a stale one, and nothing else."""
    tokens = [f"worthless-{n}" for n in range(9)]
    async with pod(vendor, simulators, monkeypatch, tmp_path, *tokens) as here:
        for _ in range(5):
            assert (await here.refused()).kind is ErrorKind.CREDENTIALS
    assert len(here.exchange.orders) == 2


async def test_a_token_is_renewed_before_its_end_and_nobody_waits_for_it(
    simulators: Simulators, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, vendor: str
) -> None:
    """Of an hour's token: not at 50 minutes; at 56 in the background; sent by the next head."""
    async with pod(vendor, simulators, monkeypatch, tmp_path, simulators.key, "renewed") as here:
        await here.ask()
        later(monkeypatch, 50 * 60)
        assert await here.authorization() == f"Bearer {simulators.key}"
        assert len(here.exchange.orders) == 1
        later(monkeypatch, 56 * 60)
        assert await here.authorization() == f"Bearer {simulators.key}"
        exchanged = here.platform._exchanged
        assert exchanged is not None
        assert exchanged._task is not None
        await exchanged._task
        later(monkeypatch, 58 * 60)
        assert await here.authorization() == "Bearer renewed"
    assert len(here.exchange.orders) == 2


FAILURES = {
    "refuses and repeats what it was sent": Said(
        403, json.dumps({"error": "access_denied", "error_description": f"not for {SUBJECT}"})
    ),
    "says so in HTML that is cut in the middle": Said(403, f"<h1>no</h1>assertion={SUBJECT}" * 3),
    "is broken": Said(500, "internal error"),
    "answers with something else": Said(200, "<html>maintenance</html>"),
    "answers with no object": Said(200, json.dumps([SUBJECT])),
    "gives no token": Said(200, '{"expires_in": 3600}'),
    "gives what cannot be sent": Said(200, '{"access_token": "two words", "expires_in": 3600}'),
    "does not say for how long": Said(200, '{"access_token": "t"}'),
    "gives a token that is over": Said(200, '{"access_token": "t", "expires_in": -1}'),
    "gives a token for ever": Said(200, '{"access_token": "t", "expires_in": Infinity}'),
}


@pytest.mark.parametrize("answer", FAILURES.values(), ids=FAILURES.keys())
async def test_an_exchange_that_fails_is_a_credential_error(
    simulators: Simulators,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    vendor: str,
    answer: Said,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """In the SDK's words, without a token; the model is not even asked."""
    caplog.set_level(logging.DEBUG)
    async with pod(vendor, simulators, monkeypatch, tmp_path, answer, "never-asked") as here:
        error = await here.refused()
        # Not asked again at once: an exchange is throttled, and requests are many.
        assert (await here.refused()).detail == error.detail
    assert (error.kind, error.status) == (ErrorKind.CREDENTIALS, None)
    assert SUBJECT[:24] not in caplog.text
    assert len(here.exchange.orders) == 1
    assert await simulators.requests() == []


async def test_an_exchange_that_is_away_is_a_credential_error(
    simulators: Simulators, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, vendor: str
) -> None:
    """Nothing listens there."""
    async with pod(vendor, simulators, monkeypatch, tmp_path, simulators.key) as here:
        nowhere = f"http://127.0.0.1:{unused_port()}"
        if vendor == "openai":
            monkeypatch.setenv("HTTPS_PROXY", nowhere)
            error = await here.refused()
        else:
            told = {"auth": "workload_identity", "token_file": str(here.token_file), **ANTHROPIC}
            platform = AnthropicPlatform(Connection("", nowhere, options=told))
            error = await Pod(vendor, platform, here.token_file, here.exchange).refused()
            await platform.aclose()
    assert error.kind is ErrorKind.CREDENTIALS
    assert "refused" in error.detail


async def test_an_exchange_that_hangs_holds_nobody_longer_than_agreed(
    simulators: Simulators, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, vendor: str
) -> None:
    """The caller's deadline ends the wait, and so does our own patience; there is one exchange."""
    async with pod(vendor, simulators, monkeypatch, tmp_path, None, "never-asked") as here:
        began = time.monotonic()
        assert (await here.refused(0.3)).kind is ErrorKind.TIMEOUT
        monkeypatch.setattr("deployments.platforms.exchanged.EXCHANGE_S", 0.2)
        both = await asyncio.gather(here.refused(), here.refused())
        took_s = time.monotonic() - began
        assert len(here.exchange.orders) == 1
    assert {error.kind for error in both} == {ErrorKind.CREDENTIALS}
    assert "longer than 0.2 s" in both[0].detail
    assert took_s < 5  # of the ten that the SDKs would have waited


@pytest.mark.parametrize("content", [None, "", "\n"], ids=["missing", "empty", "blank"])
async def test_without_a_projected_token_the_error_names_the_file(
    simulators: Simulators,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    vendor: str,
    content: str | None,
) -> None:
    """The deployment mounted nothing where the configuration points."""
    async with pod(vendor, simulators, monkeypatch, tmp_path, "never-asked") as here:
        here.token_file.unlink()
        if content is not None:
            here.token_file.write_text(content)
        error = await here.refused()
    assert error.kind is ErrorKind.CREDENTIALS
    assert str(here.token_file) in error.detail
    assert here.exchange.orders == []


async def test_an_exchanged_token_in_an_error_is_not_repeated(
    simulators: Simulators, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, vendor: str
) -> None:
    """A token is as secret as a key, for the hour it lives."""
    fault = {"kind": "status", "status": 500, "message": f"cannot serve {simulators.key} today"}
    await simulators.script(vendor, fault)
    async with pod(vendor, simulators, monkeypatch, tmp_path, simulators.key) as here:
        assert "cannot serve <credential> today" in (await here.refused()).detail


@pytest.mark.parametrize(
    ("provider", "told", "asked", "kind"),
    [
        (
            "azure",
            {"audience": "api://shop", "client_id": "client-1"},
            {"resource": "api://shop", "client_id": "client-1"},
            "jwt",
        ),
        ("google", {}, {"audience": "https://api.openai.com/v1"}, "id_token"),
    ],
)
async def test_a_clouds_metadata_server_vouches_for_its_machine(
    simulators: Simulators,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    provider: str,
    told: dict[str, str],
    asked: dict[str, str],
    kind: str,
) -> None:
    """OpenAI's SDK asks the one of Azure or of Google, for the audience the provider expects."""
    seen: list[dict[str, str]] = []

    async def metadata(request: web.Request) -> web.Response:
        mine = "Metadata" if provider == "azure" else "Metadata-Flavor"
        assert mine in request.headers
        seen.append(dict(request.query))
        is_azure = provider == "azure"
        return web.Response(text=json.dumps({"access_token": SUBJECT}) if is_azure else SUBJECT)

    app = web.Application()
    app.router.add_get("/{path:.*}", metadata)
    exchange = TokenExchange([simulators.key])
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    async with (
        TestServer(app) as machine,
        served(exchange, simulators, certificate(tmp_path, "auth.openai.com")) as server,
        tunnel(server.port) as (proxy, _),
    ):
        # The addresses of metadata servers are fixed; proxies lead back here from both.
        monkeypatch.setenv("HTTP_PROXY", str(machine.make_url("/")))
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / CERTIFICATE))
        options = {"auth": "workload_identity", "provider": provider, **OPENAI, **told}
        platform = OpenAIPlatform(Connection("", simulators.address("openai"), options=options))
        async with closed(platform, exchange):
            assert await Pod("openai", platform, tmp_path, exchange).ask()
    [order] = exchange.orders
    assert order.body["subject_token"] == SUBJECT
    assert order.body["subject_token_type"] == f"urn:ietf:params:oauth:token-type:{kind}"
    assert asked.items() <= seen[0].items()


async def test_anthropics_exchange_is_never_in_the_clear(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The SDK sends a pod's token to an http address on loopback only."""
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    (tmp_path / "token").write_text(SUBJECT)
    told = {"auth": "workload_identity", "token_file": str(tmp_path / "token"), **ANTHROPIC}
    platform = AnthropicPlatform(Connection("", "http://gateway.example.com", options=told))
    error = await Pod("anthropic", platform, tmp_path, TokenExchange([])).refused()
    await platform.aclose()
    assert error.kind is ErrorKind.CREDENTIALS
    assert "must use https" in error.detail


@pytest.mark.parametrize(
    ("adapter", "options", "key"),
    [
        (OpenAIPlatform, {"identity_provider_id": "idp_1"}, "openai.*service_account_id"),
        (OpenAIPlatform, {**OPENAI, "provider": "aws"}, "openai.*provider"),
        (AnthropicPlatform, {"token_file": "/token"}, "anthropic.*federation_rule_id"),
    ],
)
def test_half_a_workload_identity_is_a_mistake_in_the_configuration(
    adapter: type[OpenAIPlatform | AnthropicPlatform], options: dict[str, str], key: str
) -> None:
    """Also where the settings did not come from our files."""
    with pytest.raises(ConfigError, match=key):
        adapter(Connection("", options={"auth": "workload_identity", **options}))


POD = """
import asyncio, sys
from deployments.platforms.anthropic.adapter import AnthropicPlatform
from deployments.platforms.base import Connection
from routing.exchange import ChatRequest
from routing.message import Message

async def main():
    address, token_file = sys.argv[1:]
    options = {
        "auth": "workload_identity",
        "token_file": token_file,
        "federation_rule_id": "fdrl_1",
        "organization_id": "00000000-0000-4000-8000-000000000000",
    }
    platform = AnthropicPlatform(Connection("", address, options=options))
    question = ChatRequest("claude-sonnet-5-5", (Message("user", "Hello."),))
    print((await platform.complete(question, 20)).finish_reason)
    await platform.aclose()

asyncio.run(main())
"""


async def test_a_pod_that_trusts_the_authority_of_its_gateway_reaches_it(
    simulators: Simulators, tmp_path: Path
) -> None:
    """TLS all the way; what is trusted is fixed when a process starts, hence one of its own."""
    exchange = TokenExchange([simulators.key])
    (tmp_path / "token").write_text(SUBJECT)
    async with served(exchange, simulators, certificate(tmp_path)) as server:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", POD, str(server.make_url("")), str(tmp_path / "token")),
            cwd=REPOSITORY,
            env={
                **{k: v for k, v in os.environ.items() if "ANTHROPIC" not in k},
                "SSL_CERT_FILE": str(tmp_path / CERTIFICATE),
            },
            stdout=asyncio.subprocess.PIPE,
        )
        printed, _ = await process.communicate()
    assert printed.decode().strip() == "stop"
    [order] = exchange.orders
    assert order.body["assertion"] == SUBJECT
