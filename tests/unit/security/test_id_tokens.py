"""ID tokens and logout tokens: each only what it is, for us, and for this attempt."""

import base64
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from deployments.security.errors import TokenRefused
from deployments.security.id_tokens import (
    LOGOUT_EVENT,
    LOGOUT_LIFE_S,
    SignedOn,
    SignOff,
    read_id_token,
    read_logout_token,
)
from tests.unit.security.token_world import ACME, API, NEXT, TokenWorld, b64, sign

OURS = replace(ACME, client_id="web", public_url="https://support.acme.test")
NONCE = "n" * 43
ID = {"typ": "JWT"}


@pytest.fixture
def world() -> TokenWorld:
    return TokenWorld((OURS,))


def id_claims(world: TokenWorld, **changed: Any) -> dict[str, Any]:
    return world.claims(**{"aud": "web", "client_id": None, "nonce": NONCE, **changed})


def logout_claims(world: TokenWorld, **changed: Any) -> dict[str, Any]:
    plain = {"aud": "web", "client_id": None, "groups": None, "exp": None}
    return world.claims(
        **{**plain, "jti": "j", "sid": "s", "events": {LOGOUT_EVENT: {}}, **changed}
    )


async def read(world: TokenWorld, text: str, access: str | None = None) -> SignedOn:
    return await read_id_token(text, OURS, world.directory, NONCE, access, world.clock.now())


async def off(world: TokenWorld, text: str) -> SignOff:
    return await read_logout_token(text, OURS, world.directory, world.clock.now())


def at_hash(access: str) -> str:
    return (
        base64.urlsafe_b64encode(hashlib.sha256(access.encode()).digest()[:16])
        .rstrip(b"=")
        .decode()
    )


async def test_an_id_token_says_who_signed_on(world: TokenWorld) -> None:
    claims = id_claims(world, sid="s", at_hash=at_hash("access"))
    found = await read(world, sign(claims, header=ID), "access")
    assert (found.subject, found.session) == ("acme:ann", "s")
    several = id_claims(world, aud=["web", "else"], azp="web")
    assert (await read(world, sign(several, header=ID))).subject == "acme:ann"


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"nonce": "m" * 43}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"nonce": [NONCE]}, "nonce"),
        ({"nonce": ""}, "nonce"),
        ({"aud": API}, "audience"),
        ({"aud": "other", "azp": "web"}, "audience"),
        ({"aud": ["web", "other"]}, "audience"),
        ({"aud": ["web", "other"], "azp": "other"}, "audience"),
        ({"azp": "other"}, "audience"),
        ({"azp": ["web"]}, "audience"),
        ({"iss": "https://evil.test/"}, "issuer"),
        ({"exp": 1}, "expired"),
        ({"exp": None}, "times"),
        ({"iat": None}, "times"),
        ({"sub": None}, "subject"),
        ({"at_hash": at_hash("another")}, "at_hash"),
        ({"at_hash": ""}, "at_hash"),
        ({"at_hash": 1}, "at_hash"),
        ({"events": {LOGOUT_EVENT: {}}}, "not an ID token"),
    ],
)
async def test_an_id_token_of_anything_else_is_refused(
    world: TokenWorld, changed: Mapping[str, object], why: str
) -> None:
    with pytest.raises(TokenRefused, match=why):
        await read(world, sign(id_claims(world, **changed), header=ID), "access")


async def test_an_id_token_is_signed_by_the_provider_and_by_nothing_else(world: TokenWorld) -> None:
    """Also when the discovery document says that unsigned ones are fine."""
    world.discovery["id_token_signing_alg_values_supported"] = ["none", "HS256"]
    unsigned = f"{b64({'alg': 'none', 'kid': 'rsa-1'})}.{b64(id_claims(world))}."
    wrong = [unsigned, unsigned + "AA", sign(id_claims(world), NEXT, {**ID, "kid": "rsa-1"})]
    for text in (*wrong, sign(id_claims(world), header={"typ": "at+jwt"})):
        with pytest.raises(TokenRefused):
            await read(world, text)


async def test_a_logout_token_names_a_session_or_a_person(world: TokenWorld) -> None:
    typed = {"typ": "logout+jwt"}
    told = await off(world, sign(logout_claims(world), header=typed))
    assert (told.token_id, told.subject, told.session) == ("j", "acme:ann", "s")
    one = await off(world, sign(logout_claims(world, sub=None), header=typed))
    assert (one.subject, one.session) == (None, "s")


@pytest.mark.parametrize(
    "changed",
    [
        {"nonce": NONCE},
        {"events": None},
        {"events": {}},
        {"events": {LOGOUT_EVENT: True}},
        {"events": [LOGOUT_EVENT]},
        {"aud": "other"},
        {"iss": "https://evil.test/"},
        {"iat": None},
        {"iat": "now"},
        {"jti": None},
        {"jti": ""},
        {"sub": None, "sid": None},
        {"sub": ["ann"], "sid": None},
    ],
)
async def test_nothing_else_ends_a_session(
    world: TokenWorld, changed: Mapping[str, object]
) -> None:
    with pytest.raises(TokenRefused):
        await off(world, sign(logout_claims(world, **changed), header={"typ": "logout+jwt"}))


async def test_a_logout_token_is_for_now(world: TokenWorld) -> None:
    """An old one, found in a log, ends nothing."""
    text = sign(logout_claims(world), header={"typ": "logout+jwt"})
    world.clock.advance(LOGOUT_LIFE_S)
    with pytest.raises(TokenRefused, match="expired"):
        await off(world, text)


_Reader = Callable[[TokenWorld, str], Any]


@pytest.mark.parametrize(
    ("claims", "header", "reader"),
    [
        (lambda world: world.claims(), {"typ": "at+jwt"}, read),
        (lambda world: world.claims(), {"typ": "at+jwt"}, off),
        (lambda world: world.claims(), ID, read),
        (lambda world: world.claims(), ID, off),
        (id_claims, ID, off),
        (logout_claims, {"typ": "logout+jwt"}, read),
        (logout_claims, ID, read),
    ],
)
async def test_no_kind_of_token_passes_for_another(
    world: TokenWorld,
    claims: Callable[[TokenWorld], dict[str, Any]],
    header: Mapping[str, Any],
    reader: _Reader,
) -> None:
    with pytest.raises(TokenRefused):
        await reader(world, sign(claims(world), header=header))
