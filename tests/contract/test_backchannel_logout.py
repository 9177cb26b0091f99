"""A provider ends sessions behind the browser's back; nobody else does."""

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from actors.database.sessions import SessionRow, SessionStore
from config.settings import Settings
from deployments.security.id_tokens import LOGOUT_EVENT
from deployments.security.sessions import CACHE_S
from tests.contract.sign_on_world import SITE, Site, site
from tests.unit.security.token_world import ISSUER, NEXT, TokenWorld, sign

SETTINGS = {
    "sso": {
        "provider": "oidc",
        "issuer": ISSUER,
        "tenant": "acme",
        "client_id": "web",
        "public_url": SITE,
        "roles": [{"claim": "groups", "equals": "Agents", "role": "agent"}],
    }
}
PATH = "/auth/sso/backchannel-logout"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Site]:
    transport = httpx2.MockTransport(TokenWorld()._answer)
    async with site(tmp_path, Settings.model_validate(SETTINGS), transport) as world:
        yield world


async def session(
    world: Site, subject: str, sid: str | None, tenant: str = "acme"
) -> dict[str, str]:
    """A session as a sign-on leaves it; what the browser sends."""
    secret = secrets.token_urlsafe(32)
    now = world.clock.now()
    row = SessionRow(
        tenant, hashlib.sha256(secret.encode()).hexdigest(), subject, "oidc", sid,
        frozenset({"agent"}), now, now, now + 3600,
    )  # fmt: skip
    await SessionStore(world.database).add(row)
    return {"cookie": f"__Host-supportmax={secret}"}


def token(world: Site, **changed: Any) -> str:
    claims = {
        "iss": ISSUER, "aud": "web", "iat": int(world.clock.now()), "jti": secrets.token_hex(8),
        "sub": "ann", "events": {LOGOUT_EVENT: {}}, **changed,
    }  # fmt: skip
    present = {name: value for name, value in claims.items() if value is not None}
    return sign(present, header={"typ": "logout+jwt"})


async def told(world: Site, text: str) -> httpx2.Response:
    return await world.http.post(PATH, data={"logout_token": text})


async def works(world: Site, cookie: dict[str, str]) -> bool:
    return (await world.http.get("/probe", headers=cookie)).status_code == 200


async def test_one_session_ends_or_all_of_a_person(world: Site) -> None:
    """By the provider's name of the session, or by its name of the person."""
    first, second = await session(world, "oidc:ann", "s-1"), await session(world, "oidc:ann", "s-2")
    bob = await session(world, "oidc:bob", "s-3")
    assert [await works(world, each) for each in (first, second, bob)] == [True] * 3
    assert (await told(world, token(world, sid="s-1"))).json() == {"ended": 1}
    assert [await works(world, each) for each in (first, second, bob)] == [False, True, True]
    assert (await told(world, token(world))).json() == {"ended": 1}
    assert [await works(world, each) for each in (first, second, bob)] == [False, False, True]


async def test_a_logout_token_ends_sessions_once(world: Site) -> None:
    """Replayed, it would end those that were opened since."""
    text = token(world)
    assert (await told(world, text)).status_code == 200
    cookie = await session(world, "oidc:ann", None)
    answer = await told(world, text)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_token")
    world.clock.ahead_s = CACHE_S
    assert await works(world, cookie)


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": "other"},
        {"iss": "https://evil.test/"},
        {"events": {}},
        {"nonce": "n"},
        {"jti": None},
        {"iat": 1},
    ],
)
async def test_what_is_no_logout_token_for_us_ends_nothing(
    world: Site, changed: dict[str, object]
) -> None:
    cookie = await session(world, "oidc:ann", "s-1")
    assert (await told(world, token(world, **changed))).status_code == 400
    world.clock.ahead_s = CACHE_S
    assert await works(world, cookie)


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "eyJhbGciOiJub25lIn0.e30."])
async def test_nonsense_ends_nothing(world: Site, text: str) -> None:
    assert (await told(world, text)).status_code == 400


async def test_a_stranger_ends_nothing(world: Site) -> None:
    """A key the provider does not have, under a name that it has."""
    cookie = await session(world, "oidc:ann", "s-1")
    forged = sign({"iss": ISSUER, "aud": "web"}, NEXT, {"kid": "rsa-1", "typ": "logout+jwt"})
    assert (await told(world, forged)).status_code == 400
    as_json = await world.http.post(PATH, json={"logout_token": token(world)})
    assert as_json.status_code == 415
    twice = f"logout_token={token(world)}&logout_token={token(world)}"
    headers = {"content-type": "application/x-www-form-urlencoded"}
    assert (await world.http.post(PATH, content=twice, headers=headers)).status_code == 400
    assert await works(world, cookie)


async def test_a_provider_ends_sessions_of_its_own_tenant_alone(world: Site) -> None:
    """Of the same name elsewhere, none."""
    store = SessionStore(world.database)
    cookie = await session(world, "oidc:ann", "s-1", tenant="other")
    assert (await told(world, token(world, sid="s-1"))).json() == {"ended": 0}
    secret = cookie["cookie"].partition("=")[2]
    assert await store.end("other", hashlib.sha256(secret.encode()).hexdigest(), world.clock.now())


async def test_whose_session_a_provider_ended_is_on_record_for_their_tenant(world: Site) -> None:
    """Each by the name of its person: an auditor of the tenant sees why it is over."""
    await session(world, "oidc:ann", "s-1")
    await session(world, "oidc:ann", None)
    assert (await told(world, token(world, sid="s-1"))).json() == {"ended": 2}
    async with asyncio.timeout(10):
        while len(found := of_tenant(world)) < 2:  # noqa: ASYNC110  a thread's word
            await asyncio.sleep(0.01)
    assert [(row["action"], row["reason"]) for row in found] == [
        ("auth.sign_off", "by_provider")
    ] * 2


def of_tenant(world: Site) -> list[dict[str, object]]:
    return [row for row in world.audit.records() if row["tenant"] == "acme"]


async def test_a_session_of_a_provider_that_was_taken_away_opens_nothing(
    world: Site, tmp_path: Path
) -> None:
    """Nor does one whose provider is another tenant's now."""
    assert not await works(world, await session(world, "oidc:ann", None, tenant="other"))
    row = await session(world, "oidc:ann", None)
    assert await works(world, row)
    async with site(tmp_path / "next", Settings()) as bare:
        secret = row["cookie"].partition("=")[2]
        found = await SessionStore(world.database).find(hashlib.sha256(secret.encode()).hexdigest())
        assert found is not None
        await SessionStore(bare.database).add(found)
        assert not await works(bare, row)
