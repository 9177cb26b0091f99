"""A provider signs somebody off while its own word of them is on its way here: nothing opens by it."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import func, select

from actors.audit import AuditRecord
from actors.database import open_database
from actors.database.identity_tables import logout_mark, session
from actors.database.logouts import Logout
from actors.database.sessions import SessionStore
from config.scim import ScimSettings
from config.settings import Settings
from deployments.security.attempts import ATTEMPT_S, ENTRY_S, LOGOUT_HELD_S
from deployments.security.id_tokens import LOGOUT_EVENT
from deployments.security.principal import Principal
from deployments.security.sessions import Sessions
from deployments.security.trail import Trail
from routing.clock import ManualClock
from routing.errors import AccessError
from tests.audit_world import AuditWorld
from tests.contract import test_sign_on_faults as oidc
from tests.contract.sign_on_world import Site, site
from tests.contract.test_saml_sign_off import PATH, begin, by_form, form_for, logout, settings_in
from tests.unit.security.saml_world import NOW, instant
from tests.unit.security.token_world import sign

ACS, SESSION = "/auth/sso/saml/acme/acs", "__Host-supportmax"
Change = Callable[[str], str]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path, settings_in(tmp_path)) as world:
        world.clock.ahead_s = NOW - world.clock.now()
        yield world


@pytest.fixture
async def browser(world: Site) -> AsyncIterator[httpx2.AsyncClient]:
    async with world.browser() as browser:
        yield browser


def swapped(*pairs: tuple[str, str]) -> Change:
    def change(text: str) -> str:
        for old, new in pairs:
            text = text.replace(old, new)
        return text

    return change


async def signs_off(world: Site, text: str, at_s: float = 0.0) -> None:
    """The provider's LogoutRequest, dated so many seconds after everything began."""
    change = swapped((instant(0), instant(at_s)), ('"_off"', f'"_{secrets.token_hex(8)}"'))
    answer = await world.http.post(PATH, data=by_form(change(text)))
    assert answer.status_code == 303, answer.text


ISSUED = f'IssueInstant="{instant(0)}"'
# What the provider says when it signs somebody off, how its assertion differs, and what comes of that.
CASES: dict[str, tuple[str, Change, int]] = {
    "all of the person": (logout(), str, 401),
    "this session": (logout(str, "ann", "_s"), str, 401),
    "this session and others": (logout(str, "ann", "_r", "_s"), str, 401),
    "a session, and this one has no name": (
        logout(str, "ann", "_r"), swapped((' SessionIndex="_s"', "")), 401,
    ),
    "in the same second": (logout(), swapped((ISSUED, ISSUED.replace("Z", ".900Z"))), 401),
    "another session": (logout(str, "ann", "_r"), str, 303),
    "another person": (logout(str, "bob"), str, 303),
    "another person's session of that name": (logout(str, "bob", "_s"), str, 303),
    "before it said this": (logout(), swapped((ISSUED, f'IssueInstant="{instant(1)}"')), 303),
}  # fmt: skip


@pytest.mark.parametrize("is_shown", [False, True], ids=["before the form", "before the hop"])
@pytest.mark.parametrize("name", CASES)
async def test_an_assertion_opens_no_session_that_its_provider_has_ended(
    world: Site, browser: httpx2.AsyncClient, name: str, is_shown: bool
) -> None:
    """Wherever on its way the LogoutRequest overtakes it; other sessions and later words are good."""
    said, change, status = CASES[name]
    form = form_for(*await begin(browser), change)
    if not is_shown:
        await signs_off(world, said)
    admitted = await browser.post(ACS, data=form)
    assert admitted.status_code == 303, admitted.text
    if is_shown:
        await signs_off(world, said)
        world.clock.ahead_s += ENTRY_S - 1
    answer = await browser.get(admitted.headers["location"])
    assert answer.status_code == status, answer.text
    assert (SESSION in browser.cookies) is (status == 303)


async def test_a_person_on_their_way_is_met_in_any_spelling(tmp_path: Path) -> None:
    """Where the directory takes several for one person."""
    scim = ScimSettings(provider="acme", subject="userName", require_provisioned=False)
    settings = settings_in(tmp_path).model_copy(update={"scim": (scim,)})
    async with site(tmp_path, settings) as world, world.browser() as browser:
        world.clock.ahead_s = NOW - world.clock.now()
        form = form_for(*await begin(browser), swapped((">ann</", ">Ann</")))
        await signs_off(world, logout(str, "ANN"))
        admitted = await browser.post(ACS, data=form)
        assert admitted.status_code == 303, admitted.text
        assert (await browser.get(admitted.headers["location"])).status_code == 401


async def test_a_logout_holds_for_as_long_as_anything_from_before_it_could_come(
    world: Site, browser: httpx2.AsyncClient
) -> None:
    """To the last second of the attempt and of the hop, whatever else is swept in between."""
    lasting = swapped((instant(300), instant(ATTEMPT_S + 60)))
    form = form_for(*await begin(browser), lasting)
    await signs_off(world, logout())
    world.clock.ahead_s += ATTEMPT_S - 1
    admitted = await browser.post(ACS, data=form)
    assert admitted.status_code == 303, admitted.text
    world.clock.ahead_s += ENTRY_S - 1
    await signs_off(world, logout(str, "bob"), ATTEMPT_S + ENTRY_S - 2)
    assert (await browser.get(admitted.headers["location"])).status_code == 401
    assert SESSION not in browser.cookies
    world.clock.ahead_s += 2 * LOGOUT_HELD_S
    await signs_off(world, logout(str, "bob"), ATTEMPT_S + ENTRY_S - 2 + 2 * LOGOUT_HELD_S)
    counted = select(func.count()).select_from(logout_mark)
    assert await world.database.read(lambda connection: connection.execute(counted).scalar()) == 1


async def test_who_was_signed_off_on_the_way_signs_on_again(
    world: Site, browser: httpx2.AsyncClient
) -> None:
    """And on record they came in once: the other time they were refused."""
    form = form_for(*await begin(browser))
    await signs_off(world, logout())
    where = (await browser.post(ACS, data=form)).headers["location"]
    refused = await browser.get(where)
    assert "acme has signed you off since" in refused.json()["detail"]
    assert (await browser.get(where)).status_code == 401
    form = form_for(*await begin(browser), swapped((instant(0), instant(1))))
    where = (await browser.post(ACS, data=form)).headers["location"]
    assert (await browser.get(where)).status_code == 303
    async with asyncio.timeout(10):
        while len(found := sign_ons(world.audit)) < 2:  # noqa: ASYNC110  a thread's word
            await asyncio.sleep(0.01)
    assert found == [("denied", "signed off since"), ("done", "signed_on")]


def sign_ons(audit: AuditWorld) -> list[tuple[object, object]]:
    """What is on record of them."""
    every = [row for row in audit.records() if row["action"] == "auth.sign_on"]
    return [(row["outcome"], row["reason"]) for row in every]


@pytest.fixture
def provider() -> oidc.Provider:
    return oidc.Provider()


@pytest.fixture
async def openid(tmp_path: Path, provider: oidc.Provider) -> AsyncIterator[Site]:
    transport = httpx2.MockTransport(provider.answer)
    folder = tmp_path / "openid"
    folder.mkdir()
    async with site(folder, Settings.model_validate(oidc.SETTINGS), transport) as world:
        provider.now = world.clock.now
        yield world


async def tells(world: Site, **claims: Any) -> None:
    """The provider's logout token."""
    token = {
        "iss": oidc.ISSUER, "aud": "web", "iat": int(world.clock.now()), "jti": secrets.token_hex(8),
        "events": {LOGOUT_EVENT: {}}, **claims,
    }  # fmt: skip
    signed = sign(token, header={"typ": "logout+jwt"})
    answer = await world.http.post("/auth/sso/backchannel-logout", data={"logout_token": signed})
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("told", "sid", "status"),
    [
        ({"sub": "ann"}, "s-1", 401),
        ({"sub": "ann"}, None, 401),
        ({"sid": "s-1"}, "s-1", 401),
        ({"sub": "ann", "sid": "s-1"}, "s-1", 401),
        ({"sub": "ann", "sid": "s-1"}, None, 401),
        ({"sub": "ann", "sid": "s-2"}, "s-1", 303),
        ({"sid": "s-1"}, None, 303),
        ({"sub": "bob"}, "s-1", 303),
    ],
)
async def test_a_code_opens_no_session_that_its_provider_has_ended(
    openid: Site, provider: oidc.Provider, told: dict[str, str], sid: str | None, status: int
) -> None:
    """Though the ID token for it is made afterwards, and says so; an attempt begun later is good."""
    if sid is not None:
        provider.claims["sid"] = sid
    async with openid.browser() as browser:
        back, _ = provider.code_for(await oidc.begin(browser))
        await tells(openid, **told)
        openid.clock.ahead_s += 5
        answer = await browser.get(back)
        assert answer.status_code == status, answer.text
        assert (SESSION in browser.cookies) is (status == 303)
        back, _ = provider.code_for(await oidc.begin(browser))
        assert (await browser.get(back)).status_code == 303


async def test_a_logout_between_the_record_and_the_session_is_in_time(tmp_path: Path) -> None:
    """The row is refused where it would be written; nobody gets its secret."""
    database = open_database(tmp_path / "race.db")
    await database.migrate()
    audit, clock, store = AuditWorld(tmp_path), ManualClock(), SessionStore(database)
    now = clock.now()
    told = Logout("acme", "j", now + 600, "acme", "acme:ann", None, now, now + LOGOUT_HELD_S)
    log = audit.log()

    class Overtaken:
        """The log, while the provider signs everybody off whose sign-on is put on record."""

        is_failing = False

        def note(self, record: AuditRecord) -> None:
            log.note(record)

        async def commit(self, record: AuditRecord) -> None:
            await log.commit(record)
            assert await store.end_by_provider(told, now) == ()

    trail = Trail(Overtaken(), audit.keys, clock)
    sessions = Sessions(store, lambda row: Principal("acme", row.subject), clock, trail)
    with pytest.raises(AccessError, match="signed you off since"):
        await sessions.open("acme", "acme:ann", "acme", frozenset(), "_s", "", vouched_at=now)
    counted = select(func.count()).select_from(session)
    assert await database.read(lambda connection: connection.execute(counted).scalar()) == 0
    await log.aclose()
    assert sign_ons(audit) == [("done", "signed_on"), ("denied", "signed off since")]
    await database.aclose()
