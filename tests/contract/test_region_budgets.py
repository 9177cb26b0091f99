"""Two regions over real HTTP share one budget: leased, spent while cut off, settled, never overspent."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from actors.coordinator import loans
from actors.database import open_database
from actors.database.budget_books import BudgetBooks
from deployments.agent import budgets
from deployments.ingress import lease_courier
from deployments.ingress.lease_courier import LeaseCourier
from deployments.ingress.lending import LEASES, digest_of
from routing.budget import (
    Budget,
    Claim,
    Key,
    Payer,
    Scope,
    to_pico,
    to_usd,
)
from routing.errors import BudgetExceeded, BudgetUnavailable
from routing.loan import RETRY_S, TELL_S
from tests.region_world import (
    DAILY,
    EACH,
    ELSEWHERES,
    ONE_USD,
    TODAY,
    Noon,
    Region,
    client,
    served,
)


@contextlib.asynccontextmanager
async def region(name: str, folder: Path) -> AsyncIterator[Region]:
    database = open_database(folder / f"{name}.db")
    await database.migrate()
    yield Region(name, database, Noon())
    await database.aclose()


@pytest.fixture
async def us(tmp_path: Path) -> AsyncIterator[Region]:
    async with region("us", tmp_path) as us:
        await us.definitions.declare([DAILY, EACH, ELSEWHERES])
        await us.purse.learn()
        yield us


@pytest.fixture
async def eu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Region]:
    # Two busy cores are not to be taken for an ocean.
    monkeypatch.setattr(budgets, "HOME_WAIT_S", 20.0)
    monkeypatch.setattr(budgets, "REFILL_S", 20.0)
    monkeypatch.setattr(lease_courier, "LETTER_TIMEOUT_S", 20.0)
    # A letter with nothing in it goes soon.
    monkeypatch.setattr(loans, "LETTER_WAIT_S", 0.1)
    monkeypatch.setattr(loans, "LOOK_EVERY_S", 0.1)
    async with region("eu", tmp_path) as eu:
        yield eu


def put_forward(region: Region, seconds: float) -> None:
    """Put its clock forward."""
    assert isinstance(region.clock, Noon)
    region.clock.ahead_s += seconds


async def meet(eu: Region, courier: LeaseCourier) -> None:
    """The first letter, and one that brings the reserves which it told of."""
    assert await courier.carry("us")
    assert await courier.carry("us")
    await eu.purse.learn()


async def test_a_region_holds_a_reserve_before_anybody_needs_it(us: Region, eu: Region) -> None:
    """A tenth of what is left of each budget that names whom it is for; both sides show it."""
    async with served(us.app()) as home, served(eu.app()) as there:
        await meet(eu, eu.courier(home.url))
        at_home = await home.get("/v3/budgets/daily")
        [lease] = at_home["leases"]
        assert (lease["region"], lease["leased_usd"], lease["spent_usd"]) == ("eu", 0.1, 0.0)
        assert not lease["has_run_out"]
        assert (at_home["left_usd"], at_home["reserved_usd"]) == (0.9, 0.1)
        held = await there.get("/v3/budgets/daily")
        assert (held["home"], held["left_usd"], held["usd_per_day"]) == ("us", 0.1, 1.0)
        assert held["leases"][0]["region"] == "eu"
        each = await there.get("/v3/budgets/each")
        assert (each["left_usd"], each["subjects"]) == (None, [])


async def test_a_region_whose_home_is_gone_spends_what_it_holds_and_says_who_has_the_rest(
    us: Region, eu: Region
) -> None:
    async with served(us.app()) as home:
        courier = eu.courier(home.url)
        await meet(eu, courier)
        await home.dies()
        assert not await courier.carry("us")
        await eu.spend("0.06")
        with pytest.raises(BudgetUnavailable, match=r"eu holds 0.04 USD of the budget daily") as no:
            await eu.spend("0.06")
        assert "whose home us cannot be asked" in str(no.value)
        await eu.spend("0.04")
    async with served(us.app()) as again:
        back = eu.courier(again.url)
        await eu.purse._report(1e9)
        put_forward(eu, TELL_S)
        assert await back.carry("us")
        row = await again.get("/v3/budgets/daily")
        assert row["spent_usd"] == 0.1
        await eu.spend("0.05")


async def test_the_first_request_of_a_user_waits_for_his_lease_and_the_next_for_nobody(
    us: Region, eu: Region
) -> None:
    # No other budget: which of two is the scarcer turns on whether a second letter was carried.
    assert await us.definitions.delete("acme", "daily")
    async with served(us.app()) as home:
        courier = eu.courier(home.url)
        await meet(eu, courier)
        courier.start()
        await eu.spend("0.01", user="ann")
        await courier.aclose()
        await home.dies()
        await eu.spend("0.01", user="ann")
        assert not await courier.carry("us")
        with pytest.raises(BudgetUnavailable, match="each"):
            await eu.spend("0.9", user="ann")
    books = await BudgetBooks(us.database).books("acme", [EACH], us.clock.now())
    assert books["each"]["ann"].committed >= to_pico(Decimal("0.02"))


async def test_a_request_that_is_dearer_than_what_is_held_is_paid_from_home(
    us: Region, eu: Region
) -> None:
    """What the home has left is left for whoever asks here."""
    async with served(us.app()) as home:
        courier = eu.courier(home.url)
        await meet(eu, courier)
        courier.start()
        await eu.spend("0.02")
        await eu.spend("0.6")
        with pytest.raises(BudgetExceeded, match="daily of the region us has, in the region eu,"):
            await eu.spend("0.6")
        await courier.aclose()


async def test_two_regions_together_spend_one_budget_and_no_cent_more(
    us: Region, eu: Region
) -> None:
    """Both ask at once until neither is given anything."""
    spent = Decimal(0)

    async def spends(region: Region, tenant: str) -> None:
        nonlocal spent
        while True:
            try:
                await region.spend("0.04", tenant)
            except BudgetExceeded:
                return
            spent += Decimal("0.04")

    await us.definitions.put(Budget("shared", Scope.TENANT, ONE_USD, "drifter"))
    await us.purse.learn()
    async with served(us.app()) as home:
        courier = eu.courier(home.url)
        await meet(eu, courier)
        courier.start()
        await asyncio.gather(spends(us, "drifter"), spends(eu, "drifter"))
        await courier.aclose()
        assert Decimal("0.7") <= spent <= 1
        assert to_usd(to_pico(spent)) == spent
        row = await home.get("/v3/budgets/shared", "smk_drifter")
        assert row["spent_usd"] + row["reserved_usd"] + row["left_usd"] == pytest.approx(1.0)


async def test_a_region_that_was_never_told_which_budgets_there_are_refuses(eu: Region) -> None:
    await eu.purse.learn()
    with pytest.raises(BudgetUnavailable, match="in the region us, which did not tell"):
        eu.purse.due(Payer("acme"))
    assert eu.purse.due(Payer("abroad")) == {}, "its own tenants' it knows"
    async with served(eu.app()) as there:
        assert (await there.get("/v3/budgets"))["code"] == "budget_unavailable"


async def test_a_budget_is_changed_at_home_and_nowhere_else(us: Region, eu: Region) -> None:
    async with served(us.app()) as home, served(eu.app()) as there, client("smk_admin") as http:
        body = {"scope": "tenant", "usd_per_day": 1.0}
        path = "/admin/budgets/more"
        refused = await http.put(there.url + path, json=body)
        assert (refused.status_code, refused.json()["region"]) == (421, "us")
        assert (await http.delete(there.url + path)).status_code == 421
        courier = eu.courier(home.url)
        await meet(eu, courier)
        assert (await http.put(home.url + path, json=body)).status_code == 200
        assert await courier.carry("us")
        await eu.purse.learn()
        assert {key.budget for key in eu.purse.due(Payer("acme"))} == {"daily", "more"}


@pytest.mark.parametrize("key", ["smk_service", "smk_admin"])
async def test_a_tenants_own_key_leases_nothing(us: Region, eu: Region, key: str) -> None:
    """Not an administrator's either: it would reach other tenants' budgets."""
    async with served(us.app()) as home:
        courier = eu.courier(home.url, key)
        assert not await courier.carry("us")
        refused = await home.post(letter(), key)
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert await eu.abroad.all() == {}


def claim(**fields: object) -> dict[str, object]:
    key = {
        "tenant": "acme", "budget": "daily", "scope": "tenant", "subject": "acme",
        "day": TODAY,
    }  # fmt: skip
    changed = {name: fields.pop(name) for name in list(fields) if name in key}
    whole = {"lease": "eu-1", "seq": 1, "want": 10, "spent": 0, "returned": 0}
    return {"key": key | changed, **whole, **fields}


def letter(*claims: dict[str, object], **fields: object) -> dict[str, object]:
    return {"version": 1, "region": "eu", "digest": "", "claims": list(claims)} | fields


async def test_what_cannot_be_meant_is_refused_with_its_place(us: Region) -> None:
    """And nothing of the letter is taken."""
    async with served(us.app()) as home:
        for body, where in (
            (letter(claim(want=-1)), "/claims/0/want"),
            (letter(claim(spent=-5)), "/claims/0/spent"),
            (letter(claim(), claim(returned=-5)), "/claims/1/returned"),
            (letter(claim(want=2**63)), "/claims/0/want"),
            (letter(claim(want=0.5)), "/claims/0/want"),
            (letter(claim(seq=0)), "/claims/0/seq"),
            (letter(claim(scope="team")), "/claims/0/key/scope"),
            (letter(claim(day=-1)), "/claims/0/key/day"),
            (letter(claim(note="a text")), "/claims/0/note"),
            (letter(region="EU West"), "/region"),
            (letter(version=2), "/version"),
            (letter(version=0), "/version"),
        ):
            refused = await home.post(body)
            assert refused.status_code == 422, (body, refused.text)
            assert [e["pointer"] for e in refused.json()["errors"]] == [where]
        unknown = await home.post(letter(claim(), region="mars"))
        assert (unknown.status_code, unknown.json()["code"]) == (403, "forbidden")
        assert "mars" in unknown.json()["detail"]
        assert (await home.get("/v3/budgets/daily"))["leases"] == []


async def test_claims_that_are_nobodys_affair_here_are_refused_one_by_one(us: Region) -> None:
    """The others of the same letter are lent to; what is told of is no other tenant's."""
    async with served(us.app()) as home:
        answer = await home.post(
            letter(
                claim(tenant="abroad", subject="abroad"),
                claim(tenant="stays", subject="stays", budget="theirs"),
                claim(budget="none"),
                claim(day=TODAY - 7),
                claim(want=7),
            )
        )
        said = answer.json()
        assert [(s["refused"], s["granted"]) for s in said["standings"]] == [
            ("not_at_home", 0), ("not_elsewhere", 0), ("unknown_budget", 0), ("other_day", 0),
            (None, 7),
        ]  # fmt: skip
        assert {b["id"] for b in said["budgets"]} == {"daily", "each"}
        known = await home.post(letter(digest=said["digest"]))
        assert known.json()["budgets"] is None
        twice = await home.post(letter(claim(want=7)))
        assert twice.json()["standings"][0]["granted"] == 7
        [lease] = (await home.get("/v3/budgets/daily"))["leases"]
        assert to_pico(Decimal(str(lease["leased_usd"]))) == 7


@pytest.mark.parametrize(
    "changed",
    [
        {"version": 2},
        {"region": "ap"},
        {"lease_s": 1.0},
        {"lease_s": 1e9},
        {"budgets": [{"id": "x"}]},
        {"note": "a text"},
    ],
)
async def test_an_answer_that_cannot_be_taken_changes_nothing(
    us: Region, eu: Region, changed: dict[str, object]
) -> None:
    """One of a later version above all; the lease is asked for again, and is one lease."""

    async def altered(request: Request) -> Response:
        async with client("smk_region") as http:
            true = await http.post(home.url + LEASES, json=await request.json())
        return JSONResponse({**true.json(), **changed})

    later = Starlette(routes=[Route(LEASES, altered, methods=["POST"])])
    async with served(us.app()) as home, served(later) as strange:
        await meet(eu, eu.courier(home.url))
        now = eu.clock.now()
        key = Key("acme", "each", Scope.USER, "ann", TODAY)
        await eu.coordinator.borrow("us", [Claim(key, "p-1", 1, 100)])
        assert not await eu.courier(strange.url).carry("us")
        [standing] = await eu.coordinator.borrow("us", [Claim(key, "p-1", 2, 100)])
        assert standing.granted == 0
        books = await BudgetBooks(us.database).books("acme", [EACH], now)
        lent = books["each"]["ann"].committed
        assert lent > 0, "the home has booked it"
        put_forward(eu, RETRY_S)
        assert await eu.courier(home.url).carry("us")
        [standing] = await eu.coordinator.borrow("us", [Claim(key, "p-1", 3, 100)])
        assert standing.granted == 100
        books = await BudgetBooks(us.database).books("acme", [EACH], now)
        assert books["each"]["ann"].committed == lent


def test_a_digest_says_the_same_of_the_same_budgets_in_any_order() -> None:
    assert digest_of([DAILY, EACH]) == digest_of([EACH, DAILY]) != digest_of([DAILY])
