"""Who is put out by SCIM is out: sessions, tokens and keys, in every replica, within seconds."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest

from actors.database import DatabaseUnavailable
from deployments.mcp_gateway.caller import Caller
from deployments.mcp_gateway.gateway import Gateway
from deployments.security.gateway_tokens import GatewayTokens, Granted
from deployments.security.principal import Principal
from deployments.security.standing import FRESH_S, STALE_S
from routing.errors import AccessError
from tests.contract.sign_on_world import API, SITE
from tests.identity_provider import CLIENT, Idp, identity_provider
from tests.scim_world import CORE, Directory, Scim, directory, directory_settings
from tests.unit.gateway.tool_world import Shop, tool

SESSION = "__Host-supportmax"
OUT = {"op": "Replace", "path": "active", "value": "False"}
IN = {"op": "Replace", "path": "active", "value": "True"}


@pytest.fixture(scope="module")
def idp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Idp]:
    callbacks = [f"{SITE}/auth/sso/callback"]
    with identity_provider(tmp_path_factory.mktemp("idp"), callbacks, API) as idp:
        yield idp


@pytest.fixture
async def world(tmp_path: Path, idp: Idp) -> AsyncIterator[Directory]:
    async with directory(tmp_path, directory_settings(idp)) as world:
        yield world


@pytest.fixture
async def scim(world: Directory) -> Scim:
    return Scim(world.http, await world.key("provisioner"))


async def sign_on(browser: httpx2.AsyncClient, idp: Idp) -> httpx2.Response:
    """What comes of coming back from the provider."""
    begun = await browser.post("/auth/sso/login?provider=oidc&next=/")
    back = await asyncio.to_thread(idp.sign_on, begun.json()["redirect"])
    return await browser.get(back)


async def permissions(browser: httpx2.AsyncClient) -> dict[str, object]:
    answer = await browser.get("/auth/user/permissions")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_who_is_put_out_has_nothing_left_in_any_replica(
    world: Directory, scim: Scim, idp: Idp
) -> None:
    """A session, a token, keys they made; and none of it comes back when they do."""
    ann, program = await scim.person("ann"), await scim.person(CLIENT)
    await scim.group("Support Agents", ann["id"], program["id"])
    async with world.browser() as browser, world.browser(world.other) as elsewhere:
        assert (await sign_on(browser, idp)).status_code == 303
        elsewhere.cookies.set(SESSION, browser.cookies[SESSION], domain="support.acme.test")
        token = {"authorization": f"Bearer {idp.program_token()}"}
        first = await world.key("service", owner="oidc:ann")
        second = await world.key("service", owner=f"oidc:{CLIENT}")
        stranger = await world.key("service")
        world.clock.ahead_s += FRESH_S
        for replica, session in ((world.http, browser), (world.other, elsewhere)):
            assert (await session.get("/probe")).status_code == 200
            for credential in (token, first, second, stranger):
                assert (await replica.get("/probe", headers=credential)).status_code == 200
        assert (await scim.patch(f"/Users/{ann['id']}", OUT)).status_code == 200
        assert (await scim.ask("DELETE", f"/Users/{program['id']}")).status_code == 204
        world.clock.ahead_s += FRESH_S
        for replica, session in ((world.http, browser), (world.other, elsewhere)):
            assert (await session.get("/probe")).status_code == 401
            for credential in (token, first, second):
                assert (await replica.get("/probe", headers=credential)).status_code == 401
            assert (await replica.get("/probe", headers=stranger)).status_code == 200
        assert (await sign_on(browser, idp)).status_code == 401, "nor do they come in again"
        assert (await scim.patch(f"/Users/{ann['id']}", IN)).status_code == 200
        await scim.person(CLIENT)
        world.clock.ahead_s += FRESH_S
        for replica, session in ((world.http, browser), (world.other, elsewhere)):
            assert (await session.get("/probe")).status_code == 401
            for credential in (token, first, second):
                assert (await replica.get("/probe", headers=credential)).status_code == 401
        async with world.browser() as again:
            assert (await sign_on(again, idp)).status_code == 303
            assert (await again.get("/probe")).status_code == 200


async def test_groups_give_and_take_roles_in_an_open_session(
    world: Directory, scim: Scim, idp: Idp
) -> None:
    """As the rules say; a group whose name only sounds like a role gives none."""
    ann = await scim.person("ann")
    group = await scim.group("Support Agents", ann["id"])
    await scim.group("admin", ann["id"])
    path = f"/Groups/{group['id']}"

    async with world.browser() as browser:
        await sign_on(browser, idp)

        async def roles() -> object:
            world.clock.ahead_s += FRESH_S
            return (await permissions(browser))["roles"]

        assert await roles() == ["agent"]
        leads = {"op": "replace", "path": "displayName", "value": "Support Leads"}
        await scim.patch(path, leads)
        assert await roles() == ["supervisor"]
        await scim.patch(path, {"op": "remove", "path": f'members[value eq "{ann["id"]}"]'})
        assert await roles() == []
        await scim.patch(path, {"op": "add", "path": "members", "value": [{"value": ann["id"]}]})
        assert await roles() == ["supervisor"]
        await scim.ask("DELETE", path)
        assert await roles() == []
        for member in ("roles", "entitlements", "groups"):
            more = {
                "op": "add",
                "value": {member: [{"value": "admin", "display": "Support Leads"}]},
            }
            await scim.patch(f"/Users/{ann['id']}", more)
        assert await roles() == []


async def test_keys_end_with_the_person_at_their_beginning(tmp_path: Path, idp: Idp) -> None:
    """Made in a browser, by that key, and in the place of another one; and the list says so."""
    rules = [{"group": "Admins", "role": "admin"}]
    async with directory(tmp_path, directory_settings(idp, roles=rules)) as world:
        scim = Scim(world.http, await world.key("provisioner"))
        ann = await scim.person("ann")
        await scim.group("Admins", ann["id"])
        theirs = await world.key("service")
        async with world.browser() as browser:
            await sign_on(browser, idp)
            proof = {
                "x-csrf-token": str((await permissions(browser))["csrf_token"]),
                "origin": SITE,
            }
            body = {"name": "first", "roles": ["admin"]}
            made = await browser.post("/admin/keys", json=body, headers=proof)
            first = {"x-api-key": made.json()["secret"]}
            body = {"name": "second", "roles": ["service"]}
            second = (await world.http.post("/admin/keys", json=body, headers=first)).json()
            rotate = f"/admin/keys/{second['id']}/rotate"
            third = (await world.http.post(rotate, json={}, headers=first)).json()
            admin = await world.key("admin")
            others = (await world.http.post("/admin/keys", json=body, headers=admin)).json()
        await scim.patch(f"/Users/{ann['id']}", OUT)
        world.clock.ahead_s += FRESH_S
        for secret in (first["x-api-key"], second["secret"], third["secret"]):
            answer = await world.other.get("/probe", headers={"x-api-key": secret})
            assert answer.status_code == 401
        for key in (theirs, {"x-api-key": others["secret"]}):
            assert (await world.other.get("/probe", headers=key)).status_code == 200
        listed = (await world.http.get("/admin/keys", headers=admin)).json()["keys"]
        gone = {row["id"] for row in listed if row["state"] == "revoked"}
        assert gone == {made.json()["id"], second["id"], third["id"]}


async def test_a_key_that_was_made_while_the_news_travelled_opens_nothing(
    world: Directory, scim: Scim
) -> None:
    """By somebody whom another replica had not heard of yet; nor when they are back."""
    ann = await scim.person("ann")
    await scim.patch(f"/Users/{ann['id']}", OUT)
    late = await world.key("service", owner="oidc:ann")
    world.clock.ahead_s += FRESH_S
    assert (await world.other.get("/probe", headers=late)).status_code == 401
    world.clock.ahead_s += 2 * FRESH_S
    await scim.patch(f"/Users/{ann['id']}", IN)
    world.clock.ahead_s += FRESH_S
    assert (await world.other.get("/probe", headers=late)).status_code == 401


async def test_whom_the_directory_does_not_know_does_not_come_in(tmp_path: Path, idp: Idp) -> None:
    """Unless the configuration lets them; who was put out is out either way."""
    token = {"authorization": f"Bearer {idp.program_token()}"}
    for number, required in enumerate((True, False)):
        settings = directory_settings(idp, require_provisioned=required)
        async with directory(tmp_path / str(number), settings) as world:
            scim = Scim(world.http, await world.key("provisioner"))
            answer = await world.http.get("/probe", headers=token)
            assert answer.status_code == (401 if required else 403)
            # A key asks only whether its maker was put out.
            key = await world.key("service", owner=f"oidc:{CLIENT}")
            assert (await world.http.get("/probe", headers=key)).status_code == 200
            program = await scim.person(CLIENT, active=False)
            world.clock.ahead_s += FRESH_S
            for credential in (token, key):
                answer = await world.http.get("/probe", headers=credential)
                assert answer.status_code == 401
            await scim.ask("DELETE", f"/Users/{program['id']}")
            world.clock.ahead_s += FRESH_S
            assert (await world.http.get("/probe", headers=token)).status_code == 401


async def test_who_has_another_id_from_now_on_is_somebody_else(
    world: Directory, scim: Scim, idp: Idp
) -> None:
    """A changed or missing id is the end of the old one; a PUT that forgets `active` lets nobody in."""
    token = {"authorization": f"Bearer {idp.program_token()}"}
    program = await scim.person(CLIENT)
    path = f"/Users/{program['id']}"
    assert (await world.http.get("/probe", headers=token)).status_code == 403
    body = {"schemas": [f"{CORE}:User"], "userName": CLIENT}
    assert (await scim.ask("PUT", path, body)).status_code == 200
    world.clock.ahead_s += FRESH_S
    assert (await world.http.get("/probe", headers=token)).status_code == 401
    await scim.patch(path, OUT)
    kept = await scim.ask("PUT", path, {**body, "externalId": CLIENT})
    assert kept.json()["active"] is False
    world.clock.ahead_s += FRESH_S
    assert (await world.http.get("/probe", headers=token)).status_code == 401


async def test_a_token_of_the_gateway_ends_with_whom_it_was_made_for(
    world: Directory, scim: Scim
) -> None:
    """A vendor's cloud shows it for five minutes, to a replica that never saw the person."""
    ann = await scim.person("ann")
    tokens = GatewayTokens([b"k" * 32], world.clock)
    person = Principal("acme", "oidc:ann", as_of=world.clock.now())
    by_key = Principal("acme", "key:1", as_of=world.clock.now(), owner="oidc:ann")
    shown = [
        tokens.mint(Granted(who, None, None, frozenset({"x"})), frozenset())
        for who in (person, by_key)
    ]
    read = [tokens.read(each) for each in shown]
    gate = world.entries[1].authentication
    for granted in read:
        assert granted is not None
        await gate.must_stand(granted.principal)
    await scim.patch(f"/Users/{ann['id']}", OUT)
    world.clock.ahead_s += FRESH_S
    for granted in read:
        assert granted is not None
        with pytest.raises(AccessError):
            await gate.must_stand(granted.principal)


async def test_an_answer_of_whoever_is_put_out_changes_nothing_more(
    world: Directory, scim: Scim
) -> None:
    """They were let in when it began; what they read meanwhile was asked for then."""
    ann = await scim.person("ann")
    person = Principal(
        "acme", "oidc:ann", permissions=frozenset({"mcp:tools"}), as_of=world.clock.now()
    )
    by_key = replace(person, subject="key:1", owner="oidc:ann")
    shop = Shop(tool("look"), tool("pay", side_effect="money"))
    gate = world.entries[1].authentication
    gateway = Gateway([shop], world.clock, must_stand=gate.must_stand)
    for who in (person, by_key):
        assert (await gateway.call(Caller(who), "shop__pay", {})).text == "done"
    await scim.patch(f"/Users/{ann['id']}", OUT)
    world.clock.ahead_s += FRESH_S
    for who in (person, by_key):
        with pytest.raises(AccessError, match="Nothing was done"):
            await gateway.call(Caller(who), "shop__pay", {})
        assert (await gateway.call(Caller(who), "shop__look", {})).text == "done"
    assert [name for name, _ in shop.calls].count("pay") == 2


async def test_a_directory_that_cannot_be_read_lets_no_person_in_and_programs_go_on(
    world: Directory, scim: Scim, idp: Idp
) -> None:
    """For half a minute what was read before holds."""
    await scim.person(CLIENT)
    token = {"authorization": f"Bearer {idp.program_token()}"}
    service = Principal("acme", "key:1")
    person = Principal("acme", f"oidc:{CLIENT}", as_of=world.clock.now())
    gate = world.entries[0].authentication
    assert (await world.http.get("/probe", headers=token)).status_code == 403
    await world.database.aclose()
    world.clock.ahead_s += FRESH_S
    await gate.must_stand(person)
    world.clock.ahead_s += STALE_S
    with pytest.raises(DatabaseUnavailable):
        await gate.must_stand(person)
    await gate.must_stand(service)
    refused = await world.http.get("/probe", headers=token)
    assert (refused.status_code, "retry-after" in refused.headers) == (503, True)
