"""The attacks on signatures again, as ID tokens and as logout tokens that are right in everything else."""

import hashlib
import hmac
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from deployments.security.errors import TokenRefused
from tests.unit.security.test_id_tokens import id_claims, logout_claims, off, read
from tests.unit.security.test_token_attacks import NONES
from tests.unit.security.token_world import NEXT, RSA, TokenWorld, b64, sign

_PUBLIC = RSA.public_key
PEM = _PUBLIC.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
DER = _PUBLIC.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
Claims = dict[str, Any]
Forge = Callable[[Claims, str], str]


def unsigned(alg: object) -> Forge:
    return lambda claims, kind: f"{b64({'alg': alg, 'kid': 'rsa-1', 'typ': kind})}.{b64(claims)}."


def by_hmac(secret: bytes, alg: str = "HS256") -> Forge:
    def forge(claims: Claims, kind: str) -> str:
        text = f"{b64({'alg': alg, 'kid': 'rsa-1', 'typ': kind})}.{b64(claims)}"
        return f"{text}.{b64(hmac.new(secret, text.encode(), hashlib.sha256).digest())}"

    return forge


def by_another_key(**header: object) -> Forge:
    return lambda claims, kind: sign(claims, NEXT, {"kid": "rsa-1", "typ": kind, **header})


def truly(**header: object) -> Forge:
    return lambda claims, kind: sign(claims, RSA, {"typ": kind, **header})


def respelt(change: Callable[[str], str]) -> Forge:
    return lambda claims, kind: change(sign(claims, RSA, {"typ": kind}))


def _others(claims: Claims, kind: str) -> str:
    """Of another provider, about itself."""
    return sign({**claims, "iss": "https://other.test/"}, RSA, {"typ": kind})


ATTACKS: dict[str, Forge] = {
    **{f"alg {alg!r}": unsigned(alg) for alg in NONES},
    "HS256 by the PEM": by_hmac(PEM),
    "HS256 by the DER": by_hmac(DER),
    "HS256 by nothing": by_hmac(b""),
    "RS256 announced, HS256 signed": by_hmac(PEM, "RS256"),
    "another's key of the same name": by_another_key(),
    "an embedded jwk": by_another_key(jwk=NEXT.as_dict(private=False)),
    "jku": by_another_key(jku="https://evil.test/keys"),
    "x5u": by_another_key(x5u="https://evil.test/cert"),
    "x5c": by_another_key(x5c=["MIIB"]),
    "an unknown kid": by_another_key(kid="rsa-2"),
    "no kid": truly(kid=None),
    "a kid that is a path": truly(kid="../../dev/null"),
    "a kid that is SQL": truly(kid="' OR 1=1 --"),
    "a kid of another key": truly(kid="ec-1"),
    "crit": truly(crit=["exp"], exp=1),
    "b64 false": truly(b64=False),
    "PS256": truly(alg="PS256"),
    "the type of an access token": truly(typ="at+jwt"),
    "the type of a DPoP proof": truly(typ="dpop+jwt"),
    "padded": respelt(lambda text: text + "="),
    "a fourth part": respelt(lambda text: text + ".x"),
    "a space": respelt(lambda text: text + " "),
    "no signature": respelt(lambda text: text.rpartition(".")[0] + "."),
    "another provider's": _others,
}


@pytest.mark.parametrize("name", ATTACKS)
async def test_a_forged_id_token_signs_nobody_on(name: str) -> None:
    world = TokenWorld()
    assert (await read(world, truly()(id_claims(world), "JWT"))).subject == "acme:ann"
    with pytest.raises(TokenRefused):
        await read(world, ATTACKS[name](id_claims(world), "JWT"))


@pytest.mark.parametrize("name", ATTACKS)
async def test_a_forged_logout_token_ends_no_session(name: str) -> None:
    world = TokenWorld()
    assert (await off(world, truly()(logout_claims(world), "logout+jwt"))).subject == "acme:ann"
    with pytest.raises(TokenRefused):
        await off(world, ATTACKS[name](logout_claims(world), "logout+jwt"))


@pytest.mark.parametrize("value", [None, True, 0, 1, "", [], {}, [None], [[]], {"a": []}, -1])
@pytest.mark.parametrize(
    "name", ["iss", "sub", "aud", "exp", "iat", "nonce", "azp", "at_hash", "events", "nbf"]
)
async def test_no_claim_of_another_kind_makes_an_id_token_of_somebody_else(
    name: str, value: object
) -> None:
    """Refused, or what it was: a claim that may be missing may be null in nobody's words."""
    world = TokenWorld()
    claims = {**id_claims(world), name: value}
    try:
        found = await read(world, truly()(claims, "JWT"))
    except TokenRefused:
        return
    assert found.subject == "acme:ann"
