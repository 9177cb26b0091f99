"""One person in two spellings is one person: to approvals, to keys, to roles given here, and to their provider."""

import hashlib
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from starlette.requests import Request

from actors.database import Accounts
from actors.database.role_assignments import Assignment, RoleAssignments
from actors.database.sessions import SessionRow, SessionStore
from config.scim import ScimSettings
from config.settings import Settings
from deployments.mcp_gateway.caller import Caller
from deployments.security.api_keys import CACHE_S
from deployments.security.assigned_roles import FRESH_S
from deployments.security.id_tokens import LOGOUT_EVENT
from deployments.security.pepper import read_pepper
from deployments.security.principal import Principal
from routing.errors import AccessError
from routing.message import Json
from tests.contract import test_saml_sign_off as saml
from tests.contract.sign_on_world import SITE, Site, site
from tests.unit.security.saml_world import NOW
from tests.unit.security.token_world import API, ISSUER, TokenWorld, sign
from tests.unit.tools.desk import desk_over, program

ANN = "oidc:ann@corp.example"
SPELT = "oidc:Ann@Corp.example"
LARGE: dict[str, Json] = {"invoice_id": "INV-2026-0001", "reason": "GOODWILL", "amount_usd": 500}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Site]:
    sso = {
        "provider": "oidc", "issuer": ISSUER, "tenant": "northwind", "client_id": "web",
        "public_url": SITE, "audiences": [API], "token_types": ["at+jwt"],
        "roles": [{"claim": "groups", "equals": "Leads", "role": "supervisor"}],
    }  # fmt: skip
    scim = [{"provider": "oidc", "subject": "userName", "require_provisioned": False}]
    settings = Settings.model_validate({"sso": sso, "scim": scim})
    transport = httpx2.MockTransport(TokenWorld()._answer)
    async with site(tmp_path, settings, transport) as world:
        yield world


def token(world: Site, sub: str) -> dict[str, str]:
    now = int(world.clock.now())
    claims = {"iss": ISSUER, "sub": sub, "aud": API, "iat": now, "exp": now + 3600}
    shown = sign({**claims, "client_id": "cli", "groups": ["Leads"]})
    return {"authorization": f"Bearer {shown}"}


async def session(world: Site, subject: str, *roles: str) -> dict[str, str]:
    """A session of before, in the spelling of its day."""
    secret, now = secrets.token_urlsafe(32), world.clock.now()
    row = SessionRow(
        "northwind", hashlib.sha256(secret.encode()).hexdigest(), subject, "oidc", None,
        frozenset(roles), now, now, now + 3600,
    )  # fmt: skip
    await SessionStore(world.database).add(row)
    return {"cookie": f"__Host-supportmax={secret}"}


async def key(world: Site, owner: str | None, *roles: str) -> dict[str, str]:
    accounts = Accounts(world.database, read_pepper(world.database.path.parent / "api-keys.pepper"))
    made = await accounts.create_key(
        "northwind", "hers", frozenset(roles), world.clock.now(), created_by=owner
    )
    return {"x-api-key": made.secret}


async def caller(world: Site, headers: dict[str, str]) -> Principal:
    """Who the product takes this for."""
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": pairs}
    return await world.entry.authentication(Request(scope))


async def test_whoever_asks_in_one_spelling_does_not_approve_in_another(world: Site) -> None:
    """Nor is both of two people; by a token, a session and a key."""
    every = [
        await caller(world, token(world, "Ann@corp.example")),
        await caller(world, await session(world, "oidc:ANN@corp.example", "supervisor")),
        await caller(world, await key(world, SPELT, "supervisor")),
        await caller(world, token(world, "ann@corp.example")),
    ]
    assert [each.person for each in every] == [ANN] * 4
    assert [each.subject for each in every] == [ANN, ANN, every[2].subject, ANN]
    bob = await caller(world, token(world, "bob@corp.example"))
    desk = await desk_over(world.database)

    async def asked(by: Principal, conversation: str) -> str:
        outcome = await desk.gateway.call(
            Caller(by, "user_128", conversation, True), "tools__refund_invoice", LARGE
        )
        assert outcome.needs_approval is not None
        return outcome.needs_approval.id

    for number, one in enumerate(every):
        approval = await asked(one, f"conv_{number}")
        for other in every:
            with pytest.raises(AccessError, match="Who asks"):
                await desk.gateway.decide(other, approval, approved=True)
        assert (await desk.gateway.decide(bob, approval, approved=True)).state == "approved"
    of_nobody = await asked(program("agent"), "conv_of_nobody")
    for each in every:
        assert (await desk.gateway.decide(each, of_nobody, approved=True)).state == "waiting"
    assert (await desk.gateway.decide(bob, of_nobody, approved=True)).state == "approved"


async def test_roles_given_in_any_spelling_are_the_person_s_and_their_keys(world: Site) -> None:
    """Shown, replaced and taken away in any; nothing that was written before stays behind."""
    admin, hers = await key(world, None, "admin"), await key(world, SPELT, "admin")
    store, many = RoleAssignments(world.database), "/admin/roles/assignments"

    async def may(headers: dict[str, str]) -> set[str]:
        world.clock.ahead_s += CACHE_S
        return set((await caller(world, headers)).roles)

    await session(world, ANN)  # by which her provider said that she has no roles
    made = await world.http.put(f"{many}/{SPELT}", json={"roles": ["agent"]}, headers=admin)
    assert (made.status_code, made.json()["subject"]) == (200, ANN)
    assert await may(hers) == {"agent"}
    assert await may(token(world, "ANN@corp.example")) == {"agent", "supervisor"}
    before = Assignment("northwind", SPELT, frozenset({"admin"}), "key:1", world.clock.now() + 1)
    assert await store.put(before, None)
    assert await may(hers) == {"admin"}
    assert await may(token(world, "ann@corp.example")) == {"admin", "agent", "supervisor"}
    heir = await world.http.post(
        "/admin/keys", json={"name": "x", "roles": ["admin"]}, headers=hers
    )
    assert (heir.status_code, heir.json()["owner"]) == (200, ANN)
    shown = await world.http.get(f"{many}/oidc:ANN@corp.example", headers=admin)
    assert shown.json()["roles"] == ["admin", "agent"]
    made = await world.http.put(f"{many}/{ANN}", json={"roles": ["service"]}, headers=admin)
    assert made.status_code == 200
    assert [each.subject for each in await store.of("northwind")] == [ANN]
    assert await may(hers) == {"service"}
    assert await store.put(before, None)
    gone = await world.http.delete(f"{many}/oidc:ANN@corp.example", headers=admin)
    assert gone.status_code == 200
    assert await store.of("northwind") == []
    world.clock.ahead_s += FRESH_S
    assert await may(hers) == set()


async def test_what_a_key_is_held_to_is_the_last_sign_on_in_any_spelling(world: Site) -> None:
    """One of before is under the spelling that the key has; one of now under everybody's."""
    hers = await key(world, SPELT, "admin")
    assert (await caller(world, hers)).roles == {"admin"}
    await session(world, SPELT, "supervisor")
    world.clock.ahead_s += CACHE_S
    assert (await caller(world, hers)).roles == {"supervisor"}
    await session(world, ANN, "agent")
    world.clock.ahead_s += CACHE_S
    assert (await caller(world, hers)).roles == {"agent"}


async def test_a_provider_ends_the_sessions_of_whom_it_names_in_any_spelling(world: Site) -> None:
    cookie = await session(world, ANN, "supervisor")
    claims = {
        "iss": ISSUER, "aud": "web", "iat": int(world.clock.now()), "jti": "1",
        "sub": "ANN@Corp.example", "events": {LOGOUT_EVENT: {}},
    }  # fmt: skip
    said = sign(claims, header={"typ": "logout+jwt"})
    told = await world.http.post("/auth/sso/backchannel-logout", data={"logout_token": said})
    assert told.json() == {"ended": 1}
    assert (await world.http.get("/probe", headers=cookie)).status_code == 401


async def test_a_provider_of_saml_ends_them_too(tmp_path: Path) -> None:
    """Signed on in one spelling, known here in the directory's, signed off in a third."""
    scim = ScimSettings(provider="acme", subject="userName", require_provisioned=False)
    settings = saml.settings_in(tmp_path).model_copy(update={"scim": (scim,)})
    async with site(tmp_path, settings) as world:
        world.clock.ahead_s = NOW - world.clock.now()
        cookie = await saml.signed_on(
            world.browser(), lambda text: text.replace(">ann</saml:NameID>", ">Ann</saml:NameID>")
        )
        shown = await world.http.get("/auth/user/permissions", headers=cookie)
        assert shown.json()["subject"] == "acme:ann"
        told = await world.http.post(saml.PATH, data=saml.by_form(saml.logout(name="ANN")))
        assert told.status_code < 400, told.text
        world.clock.ahead_s += CACHE_S
        assert not await saml.works(world, cookie)
