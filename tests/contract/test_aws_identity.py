"""Whom AWS takes us for: the environment's keys, or the container's own, and nobody strange is asked."""

import os
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from actors.sealing.errors import ProviderRefused, ProviderUnavailable
from deployments.key_management.aws_identity import RENEW_BEFORE_S, AwsIdentity
from routing.clock import ManualClock
from tests.key_worlds import served

pytestmark = pytest.mark.anyio

HOUR_S = 3_600.0


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)


class Container:
    """EKS' Pod Identity agent: credentials for who shows the projected token."""

    def __init__(self, clock: ManualClock, token: str) -> None:
        self._clock = clock
        self._token = token
        self.asked = 0

    async def answer(self, request: Request) -> Response:
        """Credentials for an hour."""
        self.asked += 1
        if request.headers.get("authorization") != self._token:
            return JSONResponse({"message": "no"}, 403)
        ends = datetime.fromtimestamp(self._clock.now() + HOUR_S, UTC)
        return JSONResponse(
            {
                "AccessKeyId": f"ASIA{self.asked}",
                "SecretAccessKey": "secret",
                "Token": "session",
                "Expiration": ends.strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
        )


def identity(http: httpx2.AsyncClient, clock: ManualClock) -> AwsIdentity:
    return AwsIdentity("aws_kms", http, "http://127.0.0.1:9", clock)


async def test_a_containers_credentials_are_had_again_before_they_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    clock, token = ManualClock(), tmp_path / "token"
    token.write_text("projected\n")
    container = Container(clock, "projected")
    app = Starlette(routes=[Route("/v1/credentials", container.answer)])
    async with served(app) as port, httpx2.AsyncClient(trust_env=False) as http:
        address = f"http://127.0.0.1:{port}/v1/credentials"
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", address)
        monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(token))
        found = identity(http, clock)
        first = await found.get()
        assert (first.access_key_id, first.session_token) == ("ASIA1", "session")
        clock.advance(HOUR_S - RENEW_BEFORE_S - 1)
        assert await found.get() is first
        clock.advance(2)
        assert (await found.get()).access_key_id == "ASIA2"
        found.forget()
        assert (await found.get()).access_key_id == "ASIA3"
        token.write_text("another")
        found.forget()
        with pytest.raises(ProviderRefused):
            await found.get()


async def test_a_token_is_shown_to_no_strange_host(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("projected")
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(tmp_path / "token"))
    async with httpx2.AsyncClient(trust_env=False) as http:
        for address in ("http://10.0.0.7/creds", "http://169.254.169.254/x", "ftp://127.0.0.2/x"):
            monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", address)
            with pytest.raises(ProviderRefused):
                await identity(http, ManualClock()).get()


async def test_without_any_identity_it_says_what_is_missing_and_one_that_is_away_is_no_refusal(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with httpx2.AsyncClient(trust_env=False) as http:
        with pytest.raises(ProviderRefused, match="AWS_WEB_IDENTITY_TOKEN_FILE"):
            await identity(http, ManualClock()).get()
        (tmp_path / "token").write_text("projected")
        monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
        monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/supportmax")
        with pytest.raises(ProviderUnavailable):
            await identity(http, ManualClock()).get()
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        found = await identity(http, ManualClock()).get()
        assert (found.access_key_id, found.session_token) == ("AKIA", None)
        assert "secret" not in repr(found)
