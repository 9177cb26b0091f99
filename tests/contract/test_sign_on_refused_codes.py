"""A provider that does not exchange a code: whoever administers the tenant, or the machine, learns why."""

import logging
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from config.settings import Settings
from tests.contract.sign_on_world import SITE, site

ISSUER = "https://login.acme.test"
FREE_TEXT = "The secret hunter2 of Sue is not ours"
SETTINGS = Settings.model_validate(
    {
        "sso": {
            "provider": "oidc", "issuer": ISSUER, "tenant": "acme", "client_id": "web",
            "client_secret": "hunter2", "public_url": SITE, "roles": [],
        }
    }
)  # fmt: skip


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("invalid_client", "invalid_client"), ("invalid_grant", "invalid_grant"),
        (FREE_TEXT, "code_refused"), (["invalid_client"], "code_refused"), (None, "code_refused"),
    ],
)  # fmt: skip
async def test_why_a_code_was_refused_is_on_record_in_one_of_oauths_words_and_no_others(
    said: object, reason: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """For the provider's tenant; a client that is refused keeps everybody out, so the log says it too."""
    document: dict[str, Any] = {
        "issuer": ISSUER,
        "authorization_endpoint": f"{ISSUER}/authorize",
        "token_endpoint": f"{ISSUER}/token",
        "jwks_uri": f"{ISSUER}/keys",
    }

    def provider(request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/token":
            told = {"error": said, "error_description": FREE_TEXT}
            return httpx2.Response(401 if reason == "invalid_client" else 400, json=told)
        return httpx2.Response(200, json=document)

    transport = httpx2.MockTransport(provider)
    with caplog.at_level(logging.INFO, logger="deployments"):
        async with site(tmp_path, SETTINGS, transport) as world, world.browser() as browser:
            begun = (await browser.post("/auth/sso/login")).json()["redirect"]
            [state] = parse_qs(urlsplit(begun).query)["state"]
            back = {"state": state, "code": "of-ann"}
            answer = await browser.get("/auth/sso/callback", params=back)
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
            assert "hunter2" not in answer.text
    [found] = [row for row in world.audit.records() if row["action"] == "auth.sign_on"]
    told = {name: found[name] for name in ("tenant", "outcome", "object", "reason")}
    assert told == {"tenant": "acme", "outcome": "denied", "object": "oidc", "reason": reason}
    assert b"hunter2" not in world.audit.everything()
    logged = [
        row.getMessage() for row in caplog.records if row.name.startswith("deployments.security")
    ]
    assert len(logged) == (reason == "invalid_client"), logged
    assert all(
        "oidc" in line and "client_id" in line and "client_secret" in line for line in logged
    )
    assert "hunter2" not in caplog.text
