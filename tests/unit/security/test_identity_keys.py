"""An issuer's keys: rotated, withdrawn, unreachable, and unfit ones never used."""

import asyncio
from typing import Any

import pytest
from joserfc.jwk import ECKey, RSAKey

from deployments.security.discovery import addresses_of
from deployments.security.errors import IdentityProviderUnavailable
from deployments.security.renewed import LIFE_S, PAUSE_S, STALE_S
from deployments.security.signing_keys import SigningKeys
from deployments.security.tokens import CACHE_S
from routing.errors import AccessError
from tests.unit.security.token_world import ACME, EC, ISSUER, NEXT, RSA, TokenWorld, b64, sign

KEYS = ISSUER + "keys"


def public(*keys: RSAKey | ECKey) -> list[Any]:
    return [key.as_dict(private=False) for key in keys]


async def test_a_rotated_key_is_found_at_its_first_token_and_the_old_one_stays_good() -> None:
    """One more reading of the keys, and nobody signed on is thrown out."""
    world = TokenWorld()
    await world.bearer.authenticate(sign(world.claims()))
    world.keys[KEYS] = public(RSA, NEXT)
    world.clock.advance(PAUSE_S)
    await world.bearer.authenticate(sign(world.claims(), NEXT))
    await world.bearer.authenticate(sign(world.claims(), RSA))
    assert world.asked.count(KEYS) == 2


async def test_a_withdrawn_key_opens_nothing_once_the_keys_are_read_again() -> None:
    """Not even by a token that is remembered."""
    world = TokenWorld()
    token = sign(world.claims())
    await world.bearer.authenticate(token)
    world.keys[KEYS] = public(NEXT)
    world.clock.advance(PAUSE_S)
    await world.bearer.authenticate(sign(world.claims(), NEXT))
    with pytest.raises(AccessError, match="key id"):
        await world.bearer.authenticate(token)


async def test_a_withdrawn_key_dies_when_its_document_has_lived() -> None:
    """Also when nobody comes with a new one."""
    world = TokenWorld()
    token = sign(world.claims())
    await world.bearer.authenticate(token)
    world.keys[KEYS] = public(NEXT)
    world.clock.advance(LIFE_S)
    with pytest.raises(AccessError, match="key id"):
        await world.bearer.authenticate(token)


async def test_invented_names_of_keys_cause_one_reading_in_ten_seconds() -> None:
    """A stranger cannot make us flood an identity provider."""
    world = TokenWorld()
    await world.bearer.authenticate(sign(world.claims()))
    for number in range(500):
        world.clock.advance(0.1)
        with pytest.raises(AccessError):
            await world.bearer.authenticate(sign(world.claims(), EC, {"kid": f"k{number}"}))
    assert world.asked.count(KEYS) <= 1 + 50 / PAUSE_S


async def test_all_who_come_first_wait_for_one_reading() -> None:
    """A hundred requests after a start, one question to the provider."""
    world = TokenWorld()
    tokens = [sign(world.claims(sub=f"u{number}")) for number in range(100)]
    await asyncio.gather(*(world.bearer.authenticate(token) for token in tokens))
    assert world.asked.count(KEYS) == 1


async def test_tokens_open_while_the_provider_is_away_and_for_a_bounded_time() -> None:
    """What was read last holds for six hours; then nobody is let in, and it is said why."""
    world = TokenWorld()
    await world.bearer.authenticate(sign(world.claims()))
    world.down = True
    for _ in range(5):
        world.clock.advance(3600)
        await world.bearer.authenticate(sign(world.claims()))
    world.clock.advance(STALE_S)
    with pytest.raises(IdentityProviderUnavailable):
        await world.bearer.authenticate(sign(world.claims()))
    world.down = False
    world.clock.advance(PAUSE_S)
    await world.bearer.authenticate(sign(world.claims()))


async def test_a_provider_that_was_never_there_lets_nobody_in_and_is_asked_rarely() -> None:
    """Neither an error of ours nor a way in."""
    world = TokenWorld(down=True)
    for _ in range(20):
        with pytest.raises(IdentityProviderUnavailable):
            await world.bearer.authenticate(sign(world.claims()))
    assert len(world.asked) == 1


async def test_a_remembered_token_ends_with_its_own_time() -> None:
    """The memory is for a minute and never past the end."""
    world = TokenWorld()
    now = int(world.clock.now())
    short = sign(world.claims(iat=now, exp=now + 10))
    await world.bearer.authenticate(short)
    world.clock.advance(CACHE_S + 10)
    with pytest.raises(AccessError, match="expired"):
        await world.bearer.authenticate(short)


@pytest.mark.parametrize(
    "weak",
    [
        {"kty": "oct", "k": "c2VjcmV0", "kid": "weak"},
        {
            **RSA.as_dict(private=False),
            "n": b64(((1 << 1024) - 105).to_bytes(128, "big")),
            "kid": "weak",
        },
        {**RSA.as_dict(private=False), "e": "Aw", "kid": "weak"},
        {**RSA.as_dict(private=False), "use": "enc", "kid": "weak"},
        {**RSA.as_dict(private=False), "key_ops": ["encrypt"], "kid": "weak"},
        {**ECKey.generate_key("secp256k1").as_dict(private=False), "kid": "weak"},
        {**EC.as_dict(private=False), "x": "AA", "kid": "weak"},
        {"kty": "RSA", "kid": "weak"},
        {"kid": "weak"},
        "weak",
    ],
)
def test_a_key_that_is_unfit_is_not_used_and_spoils_no_other(weak: object) -> None:
    """A set of nothing else is no set."""
    with pytest.raises(ValueError, match="no key"):
        SigningKeys({"keys": [weak]})
    SigningKeys({"keys": [weak, *public(RSA)]})


async def test_two_keys_of_one_name_are_none() -> None:
    """Whichever were tried, it might be the wrong one."""
    world = TokenWorld()
    twin = {**NEXT.as_dict(private=False), "kid": "rsa-1"}
    world.keys[KEYS] = [*public(RSA, EC), twin]
    with pytest.raises(AccessError, match="key id"):
        await world.bearer.authenticate(sign(world.claims()))
    await world.bearer.authenticate(sign(world.claims(), EC))


async def test_a_private_key_among_the_public_ones_is_read_as_public() -> None:
    """A provider's mistake does not make us hold its secret."""
    world = TokenWorld(keys={KEYS: [RSA.as_dict(private=True)]})
    await world.bearer.authenticate(sign(world.claims()))


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://evil.test/", "jwks_uri": KEYS},
        {"issuer": ISSUER},
        {"jwks_uri": KEYS},
        {"issuer": ISSUER, "jwks_uri": "http://login.acme.test/keys"},
        {"issuer": ISSUER, "jwks_uri": "file:///etc/passwd"},
        {"issuer": ISSUER, "jwks_uri": "https://user@login.acme.test/keys"},
        {"issuer": ISSUER, "jwks_uri": ["https://login.acme.test/keys"]},
        {"issuer": ISSUER, "jwks_uri": KEYS, "token_endpoint": "http://login.acme.test/t"},
    ],
)
def test_a_document_of_another_issuer_or_of_plain_addresses_is_refused(
    document: dict[str, object],
) -> None:
    """Who could write it would be the identity provider."""
    with pytest.raises(ValueError, match=r"issuer's|address|no keys"):
        addresses_of(ACME, document)
