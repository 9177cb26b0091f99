"""What strangers may send to sign on, and what they are answered, is what /openapi.json says of it."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest

from config.settings import Settings
from tests.contract.sign_on_world import Site, site
from tests.contract.test_sign_on_faults import SETTINGS, Provider

LOGIN, LOGOUT = "/auth/sso/login", "/auth/sso/backchannel-logout"
ACS, SLO = "/auth/sso/saml/{provider}/acs", "/auth/sso/saml/{provider}/slo"
JSON, FORM = "application/json", "application/x-www-form-urlencoded"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Site]:
    transport = httpx2.MockTransport(Provider().answer)
    async with site(tmp_path, Settings.model_validate(SETTINGS), transport) as world:
        yield world


async def described(world: Site, path: str) -> Mapping[str, Any]:
    document = (await world.http.get("/openapi.json")).json()
    found: Mapping[str, Any] = document["paths"][path]["post"]
    return found


@pytest.mark.parametrize(
    ("path", "kind"), [(LOGIN, JSON), (LOGOUT, FORM), (ACS, FORM), (SLO, FORM)]
)
async def test_a_body_that_is_taken_is_described_and_so_is_each_refusal_of_one(
    world: Site, path: str, kind: str
) -> None:
    row = await described(world, path)
    assert set(row["requestBody"]["content"]) == {kind}
    assert row["requestBody"]["required"] is (path != LOGIN)
    answers = [
        await world.http.post(
            path.format(provider="corp"), content=sent, headers={"content-type": said}
        )
        for sent, said in ((b"x" * (1 << 20) + b"x", kind), (b"{", kind), (b"{", "text/plain"))
    ]
    assert [answer.status_code for answer in answers][::2] == [413, 415]
    for answer in answers:
        promised = row["responses"].get(str(answer.status_code))
        assert promised is not None, f"{path}: {answer.status_code} is not in the document"
        assert answer.headers["content-type"] in promised["content"]


async def test_a_body_of_sign_on_that_is_no_json_is_a_400_which_is_described(world: Site) -> None:
    answer = await world.http.post(LOGIN, content=b"{", headers={"content-type": JSON})
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_json")
    assert "400" in (await described(world, LOGIN))["responses"]


@pytest.mark.parametrize(("length", "status"), [(0, 401), (128, 401), (129, 422)])
async def test_what_a_provider_says_may_be_as_long_as_the_document_says(
    world: Site, length: int, status: int
) -> None:
    document = (await world.http.get("/openapi.json")).json()
    [state] = [
        each
        for each in document["paths"]["/auth/sso/callback"]["get"]["parameters"]
        if each["name"] == "state"
    ]
    assert state["schema"] == {"type": "string", "minLength": 0, "maxLength": 128}
    answer = await world.http.get("/auth/sso/callback", params={"state": "s" * length})
    assert answer.status_code == status


async def test_all_that_a_provider_may_say_at_once_finds_room_in_the_line_of_a_request(
    world: Site,
) -> None:
    """HAProxy takes 15,360 bytes of line and headers, and refuses more in words that are not ours."""
    document = (await world.http.get("/openapi.json")).json()
    for path, methods in document["paths"].items():
        for method, row in methods.items():
            asked = [each for each in row.get("parameters", []) if each["in"] == "query"]
            longest = sum(len(each["name"]) + each["schema"].get("maxLength", 0) for each in asked)
            assert longest < 10_000, f"{method} {path}"
