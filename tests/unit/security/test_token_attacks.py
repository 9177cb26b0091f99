"""Everything that has ever passed for a token, shown to the verifier: not one is let in."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey, RSAKey
from joserfc.jws import JWSRegistry

from deployments.security.compact import TOKEN_MAX
from routing.errors import AccessError
from tests.unit.security.token_world import (
    ACME,
    API,
    ISSUER,
    NEXT,
    RSA,
    TokenWorld,
    b64,
    other,
    sign,
)

Attack = Callable[[TokenWorld], str]

MALLORY = RSAKey.generate_key(2048, {"kid": "rsa-1"})
_PUBLIC = RSA.public_key
PEM = _PUBLIC.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
PKCS1 = _PUBLIC.public_bytes(Encoding.PEM, PublicFormat.PKCS1)
DER = _PUBLIC.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
JWK_N = str(RSA.as_dict(private=False)["n"]).encode()
LOGOUT = "http://schemas.openid.net/event/backchannel-logout"


def unsigned(alg: object, signature: str = "") -> Attack:
    header = {"alg": alg, "kid": "rsa-1", "typ": "at+jwt"}
    return lambda world: f"{b64(header)}.{b64(world.claims())}.{signature}"


def hmac_with(secret: bytes, alg: str = "HS256") -> Attack:
    def attack(world: TokenWorld) -> str:
        head = {"alg": alg, "kid": "rsa-1", "typ": "at+jwt"}
        signed = f"{b64(head)}.{b64(world.claims())}"
        digest = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}[alg]
        return f"{signed}.{b64(hmac.new(secret, signed.encode(), digest).digest())}"

    return attack


def header(key: RSAKey | ECKey = RSA, **members: object) -> Attack:
    return lambda world: sign(world.claims(), key, members)


def raw_header(text: str) -> Attack:
    """Truly signed by the issuer's key, under a header that is written by hand."""
    return lambda world: signed_raw(text.encode(), json.dumps(world.claims()).encode())


def signed_raw(head: bytes, body: bytes) -> str:
    signed = f"{b64(head)}.{b64(body)}"
    return f"{signed}.{b64(JWSRegistry.algorithms['RS256'].sign(signed.encode(), RSA))}"


def claims(**changed: object) -> Attack:
    """Truly signed by the issuer, and yet nothing to let in."""
    return lambda world: sign(world.claims(**changed))


def spelt(change: Callable[[str], str]) -> Attack:
    return lambda world: change(sign(world.claims()))


def part(index: int, change: Callable[[str], str]) -> Attack:
    def attack(world: TokenWorld) -> str:
        parts = sign(world.claims()).split(".")
        parts[index] = change(parts[index])
        return ".".join(parts)

    return attack


def payload(change: Callable[[str], str]) -> Attack:
    """Signed truly, over a payload that means two things."""
    return lambda world: sign(change(json.dumps(world.claims())))


def nested(world: TokenWorld) -> str:
    return sign(b64(sign(world.claims())), RSA, {"cty": "JWT"})


def flipped(text: str) -> str:
    """The last letter's unused bits set: other text, the same bytes."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return text[:-1] + letters[letters.index(text[-1]) ^ 1]


NONES: tuple[object, ...] = (
    "none", "None", "NONE", "nOnE", " none", "none ", "", None, 0, [], ["none"], {},
)  # fmt: skip
ATTACKS: dict[str, Attack] = {
    **{
        f"alg {alg!r}": unsigned(alg)
        for alg in NONES
    },
    "alg none, with the signature of another token": lambda world: (
        unsigned("none")(world) + sign(world.claims()).rpartition(".")[2]
    ),
    "alg none, signature AA": unsigned("none", "AA"),
    "no alg": raw_header('{"kid":"rsa-1","typ":"at+jwt"}'),
    "RS256 without a signature": unsigned("RS256"),
    "RS256 with an empty one": unsigned("RS256", "AA"),
    "two parts": spelt(lambda token: token.rpartition(".")[0]),
    "HS256 by the PEM": hmac_with(PEM),
    "HS256 by the PEM without its line end": hmac_with(PEM.strip()),
    "HS256 by the PKCS1": hmac_with(PKCS1),
    "HS256 by the DER": hmac_with(DER),
    "HS256 by n": hmac_with(JWK_N),
    "HS256 by nothing": hmac_with(b""),
    "HS384 by the PEM": hmac_with(PEM, "HS384"),
    "HS512 by the PEM": hmac_with(PEM, "HS512"),
    "another's key of the same name": lambda world: sign(world.claims(), MALLORY),
    "an embedded jwk": header(MALLORY, jwk=MALLORY.as_dict(private=False)),
    "an embedded jwk, signed truly": header(jwk=RSA.as_dict(private=False)),
    "jku": header(MALLORY, jku="https://evil.test/keys"),
    "x5u": header(MALLORY, x5u="https://evil.test/cert"),
    "x5c": header(MALLORY, x5c=["MIIB"]),
    "crit": header(crit=["exp"], exp=1),
    "crit, empty": raw_header('{"alg":"RS256","kid":"rsa-1","typ":"at+jwt","crit":[]}'),
    "b64 false": raw_header('{"alg":"RS256","kid":"rsa-1","typ":"at+jwt","b64":false}'),
    "zip": header(zip="DEF"),
    "an unheard-of member": header(url="https://evil.test"),
    "no kid": header(kid=None),
    "an empty kid": header(kid=""),
    "kid of a path": header(kid="../../../dev/null"),
    "kid of SQL": header(kid="rsa-1' OR '1'='1"),
    "kid with NUL": header(kid="rsa-1\x00"),
    "kid of a command": header(kid="rsa-1|id"),
    "kid that is a list": raw_header('{"alg":"RS256","kid":["rsa-1"],"typ":"at+jwt"}'),
    "kid that is a number": raw_header('{"alg":"RS256","kid":1,"typ":"at+jwt"}'),
    "kid of another key of the issuer": header(kid="ec-1"),
    "an unknown kid": lambda world: sign(world.claims(), NEXT),
    "an algorithm not allowed": header(alg="RS512"),
    "PS256 by the key of RS256": header(alg="PS256"),
    "ES256 announced, RS256 signed": raw_header('{"alg":"ES256","kid":"rsa-1","typ":"at+jwt"}'),
    "RS256 announced twice": raw_header('{"alg":"none","alg":"RS256","kid":"rsa-1","typ":"at+jwt"}'),
    "a psychic signature": lambda world: (
        f"{b64({'alg': 'ES256', 'kid': 'ec-1', 'typ': 'at+jwt'})}.{b64(world.claims())}.{b64(bytes(64))}"
    ),
    "an ID token by its type": header(typ="JWT"),
    "an ID token by its nonce": claims(nonce="n"),
    "an ID token by its at_hash": claims(at_hash="h"),
    "an ID token by its c_hash": claims(c_hash="h"),
    "an ID token by its audience": claims(aud="cli"),
    "a logout token by its type": header(typ="logout+jwt"),
    "a logout token by its event": claims(events={LOGOUT: {}}),
    "a DPoP proof by its type": header(typ="dpop+jwt"),
    "a token bound to a key of its holder": claims(cnf={"jkt": "x"}),
    "no type": header(typ=None),
    "a type that is a list": raw_header('{"alg":"RS256","kid":"rsa-1","typ":["at+jwt"]}'),
    "another issuer": claims(iss="https://evil.test/"),
    "the issuer without its slash": claims(iss=ISSUER.rstrip("/")),
    "the issuer in capitals": claims(iss=ISSUER.upper()),
    "the issuer with a path": claims(iss=ISSUER + "x"),
    "the issuer in a list": claims(iss=[ISSUER]),
    "no issuer": claims(iss=None),
    "another audience": claims(aud="https://api.other.test"),
    "an audience ours begins with": claims(aud=API[:-1]),
    "an audience that begins with ours": claims(aud=API + ".evil.test"),
    "no audience": claims(aud=None),
    "an audience of none": claims(aud=[]),
    "an audience in an object": claims(aud={API: True}),
    "ours among things that are no audiences": claims(aud=[API, 1]),
    "a hundred audiences": claims(aud=[API] * 100),
    "no subject": claims(sub=None),
    "an empty subject": claims(sub=""),
    "a subject that is a number": claims(sub=1),
    "a subject that is a list": claims(sub=["ann"]),
    "a subject that breaks the line": claims(sub="ann\nadmin"),
    "a subject with a space at its end": claims(sub="ann "),
    "an endless subject": claims(sub="a" * 300),
    "no client": claims(client_id=None),
    "expired": claims(exp=1),
    "no end": claims(exp=None),
    "an end that is text": claims(exp="9999999999"),
    "an end that is true": claims(exp=True),
    "an end that is a list": claims(exp=[9999999999]),
    "an end in a thousand years": claims(exp=33_000_000_000),
    "an endless number": payload(lambda text: text.replace('"exp": ', '"exp": 1e999, "x": ')),
    "Infinity": payload(lambda text: text.replace('"exp": ', '"exp": Infinity, "x": ')),
    "NaN": payload(lambda text: text.replace('"exp": ', '"exp": NaN, "x": ')),
    "a negative end": claims(exp=-1),
    "no beginning": claims(iat=None),
    "made tomorrow": lambda world: sign(world.claims(iat=int(world.clock.now()) + 86_400)),
    "valid from tomorrow": lambda world: sign(world.claims(nbf=int(world.clock.now()) + 86_400)),
    "nbf that is text": claims(nbf="0"),
    "a member twice": payload(lambda text: '{"sub": "root", ' + text[1:]),
    "a member twice, deep inside": payload(lambda text: text[:-1] + ', "x": {"a": 1, "a": 2}}'),
    "a member twice by an escape": payload(lambda text: '{"\\u0073ub": "root", ' + text[1:]),
    "a list": lambda world: sign("[]"),
    "text": lambda world: sign('"x"'),
    "null": lambda world: sign("null"),
    "nothing": lambda world: sign(""),
    "UTF-16": lambda world: signed_raw(
        b'{"alg":"RS256","kid":"rsa-1","typ":"at+jwt"}', json.dumps(world.claims()).encode("utf-16")
    ),
    "a byte order mark": lambda world: signed_raw(
        b'{"alg":"RS256","kid":"rsa-1","typ":"at+jwt"}', b"\xef\xbb\xbf" + json.dumps(world.claims()).encode()
    ),
    "a NUL behind the object": payload(lambda text: text + "\x00"),
    "two objects": payload(lambda text: text + text),
    "a very deep object": lambda world: sign('{"a":' * 2000 + "1" + "}" * 2000),
    "padded": spelt(lambda token: token + "="),
    "padded twice": spelt(lambda token: token + "=="),
    "a padded payload": part(1, lambda text: text + "="),
    "a space in front": spelt(lambda token: " " + token),
    "a line end": spelt(lambda token: token + "\n"),
    "a line end inside": part(2, lambda text: text[:9] + "\n" + text[9:]),
    "a tab": part(0, lambda text: text + "\t"),
    "the other alphabet": part(2, lambda text: text.replace("-", "+").replace("_", "/") + "+"),
    "stray bits": part(2, flipped),
    "stray bits in the payload": part(1, lambda text: text + "A"),
    "a fourth part": spelt(lambda token: token + ".x"),
    "five parts": spelt(lambda token: token + ".x.y"),
    "an encrypted one": lambda world: ".".join(
        [b64({"alg": "RSA-OAEP", "enc": "A256GCM", "kid": "rsa-1"}), "AA", "AA", "AA", "AA"]
    ),
    "in JSON": lambda world: json.dumps({"payload": "e30", "signatures": []}),
    "a token in a token": nested,
    "a huge one": claims(x="a" * TOKEN_MAX),
    "letters from elsewhere": spelt(lambda token: token.replace("e", "\u0435", 1)),
    "a claim changed after the signature": lambda world: ".".join(
        [sign(world.claims()).split(".")[0], b64(world.claims(sub="root")),
         sign(world.claims()).split(".")[2]]
    ),
    "dots": lambda world: "..",
    "nothing at all": lambda world: "",
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
async def test_an_attack_is_refused_before_and_after_a_good_token_was_seen(name: str) -> None:
    """Cold, and with everything remembered that could be confused with it."""
    world = TokenWorld()
    attack = ATTACKS[name](world)
    assert attack != sign(world.claims())
    with pytest.raises(AccessError) as refused:
        await world.bearer.authenticate(attack)
    assert refused.value.code == "unauthenticated"
    good = await world.bearer.authenticate(sign(world.claims()))
    assert good.subject == "acme:ann"
    with pytest.raises(AccessError):
        await world.bearer.authenticate(attack)


async def test_nothing_of_a_token_is_asked_for_but_its_issuers_own_documents() -> None:
    """No attack makes us call an address that it brought."""
    world = TokenWorld()
    for attack in ATTACKS.values():
        with pytest.raises(AccessError):
            await world.bearer.authenticate(attack(world))
    assert {url.startswith(ISSUER) for url in world.asked} == {True}


async def test_an_issuer_vouches_for_its_own_tenant_alone() -> None:
    """The keys of one provider under the name of another, both ways, with the same names of keys."""
    evil = other("evil")
    world = TokenWorld((ACME, evil))
    world.keys["https://evil.test/keys"] = [MALLORY.as_dict(private=False)]
    mine = sign(world.claims(iss="https://evil.test/"), MALLORY)
    principal = await world.bearer.authenticate(mine)
    assert (principal.tenant, principal.subject) == ("evil", "evil:ann")
    with pytest.raises(AccessError, match="signature"):
        await world.bearer.authenticate(sign(world.claims(), MALLORY))
    with pytest.raises(AccessError, match="signature"):
        await world.bearer.authenticate(sign(world.claims(iss="https://evil.test/"), RSA))


async def test_a_tenant_of_entra_is_not_another_one() -> None:
    """`tid` and the issuer have both to be the configured tenant's."""
    world = TokenWorld((replace(ACME, required={"tid": "t-1", "ver": "2.0"}),))
    good = {"tid": "t-1", "ver": "2.0"}
    await world.bearer.authenticate(sign(world.claims(**good)))
    for wrong in ({"tid": "t-2"}, {"tid": None}, {"tid": ["t-1"]}, {"ver": "1.0"}, {"ver": 2.0}):
        with pytest.raises(AccessError, match="required claim"):
            await world.bearer.authenticate(sign(world.claims(**{**good, **wrong})))


async def test_only_the_named_programs_may_show_tokens() -> None:
    """A list of clients closes the door for every other application of the same provider."""
    world = TokenWorld((replace(ACME, clients=frozenset({"cli"})),))
    await world.bearer.authenticate(sign(world.claims()))
    with pytest.raises(AccessError, match="client"):
        await world.bearer.authenticate(sign(world.claims(client_id="elsewhere")))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a year ahead", lambda now: now + 365 * 86_400),
        ("beyond the leeway", lambda now: now + 61),
        ("milliseconds", lambda now: now * 1000),
        ("beyond every float", lambda now: 10**400),
        ("a text", str),
        ("a truth", lambda now: True),
        ("below zero", lambda now: -1),
        ("nothing", lambda now: None),
    ],
)
async def test_no_access_token_makes_a_sign_on_fresh_for_ever(
    name: str, said: Callable[[int], object]
) -> None:
    """A time that is to come, or none, is no `auth_time`: the token is refused as an ID token is."""
    world = TokenWorld()
    claims = world.claims()
    with pytest.raises(AccessError, match=r"times|not yet valid"):
        await world.bearer.authenticate(sign({**claims, "auth_time": said(claims["iat"])}))


async def test_an_endless_time_of_signing_on_is_none() -> None:
    """JSON of some writers has numbers that are none."""
    world = TokenWorld()
    for endless in ("1e400", "Infinity", "NaN"):
        text = json.dumps({**world.claims(), "auth_time": 0.5}).replace("0.5", endless)
        with pytest.raises(AccessError):
            await world.bearer.authenticate(sign(text))
    good = world.claims(auth_time=int(world.clock.now()) - 30)
    assert (await world.bearer.authenticate(sign(good))).signed_on_at == good["auth_time"]


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "cli"},
        {"sub": "cli", "client_id": "else", "azp": "cli"},
        {"sub": "cli", "client_id": "else", "appid": "cli"},
        {"sub": "cli", "client_id": "else", "cid": "cli"},
        {"idtyp": "app"},
        {"sub": "cli@clients", "gty": "client-credentials"},
        {"preferred_username": "service-account-cli"},
    ],
)
async def test_a_program_that_shows_a_token_of_its_own_is_nobody(claims: dict[str, object]) -> None:
    """As Entra, Okta, Auth0, Keycloak and RFC 9068 write it: it neither is a person nor becomes one."""
    world = TokenWorld()
    principal = await world.bearer.authenticate(sign(world.claims(**claims)))
    assert principal.subject == f"client:acme:{claims.get('sub', 'ann')}"
    assert not principal.is_somebody
    assert not replace(principal, subject="key:1", owner=principal.subject).is_somebody


@pytest.mark.parametrize(
    ("subject_claim", "subject"), [("oid", "client:acme:ann"), ("sub", "acme:ann")]
)
async def test_an_object_that_is_its_own_subject_is_a_program_of_entra_and_a_person_of_azure_ad_b2c(
    subject_claim: str, subject: str
) -> None:
    """Entra gives a person another `sub` in every application; B2C gives everybody their object's id."""
    world = TokenWorld((replace(ACME, subject_claim=subject_claim),))
    principal = await world.bearer.authenticate(sign(world.claims(oid="ann")))
    assert principal.subject == subject


async def test_a_person_is_one_whatever_program_they_use() -> None:
    """The claims that make a program, with values that do not."""
    world = TokenWorld()
    person = world.claims(
        azp="web", appid="web", idtyp="user", gty="password", oid="o", preferred_username="ann"
    )
    principal = await world.bearer.authenticate(sign(person))
    assert (principal.subject, principal.is_somebody) == ("acme:ann", True)


async def test_a_provider_without_an_audience_lets_no_token_in() -> None:
    """Its access tokens are for others; that it signs people on changes nothing."""
    world = TokenWorld((replace(ACME, audiences=frozenset()),))
    with pytest.raises(AccessError, match="issuer"):
        await world.bearer.authenticate(sign(world.claims()))


# A signature takes a millisecond, on a busy machine a hundred.
UNHURRIED = settings(deadline=None)


_SIGNED = sign(TokenWorld().claims())
_ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@UNHURRIED
@given(st.integers(0, len(_SIGNED) - 1), st.characters(max_codepoint=0x250))
def test_a_token_with_one_letter_changed_is_no_token(at: int, letter: str) -> None:
    """Wherever the letter stands and whatever it becomes."""
    changed = _SIGNED[:at] + letter + _SIGNED[at + 1 :]
    assert (_shown(changed) is None) == (changed != _SIGNED)


@UNHURRIED
@given(st.sampled_from(["iss", "aud", "sub", "exp", "iat", "client_id"]), _ANYTHING)
def test_a_claim_of_any_other_kind_never_makes_somebody_else(name: str, value: Any) -> None:
    """Truly signed and still: refused, or the very subject that was signed."""
    shown = _shown(sign({**TokenWorld().claims(), name: value}))
    assert shown is None or shown == ("acme", f"acme:{value if name == 'sub' else 'ann'}")


@UNHURRIED
@given(st.text())
def test_nothing_but_a_refusal_comes_of_what_a_stranger_sends(text: str) -> None:
    """Any text at all; no other error escapes."""
    assert _shown(text) is None


@UNHURRIED
@given(st.dictionaries(st.sampled_from(["alg", "kid", "typ", "jwk", "crit", "b64"]), _ANYTHING))
def test_no_header_makes_a_foreign_key_good(header: dict[str, Any]) -> None:
    """Mallory may write into the header what she likes, as long as she signs it herself."""
    text = f"{b64(header)}.{b64(TokenWorld().claims())}"
    signature = JWSRegistry.algorithms["RS256"].sign(text.encode(), MALLORY)
    assert _shown(f"{text}.{b64(signature)}") is None


def _shown(text: str) -> tuple[str, str] | None:
    """The tenant and the subject a token opens, None where it opens nothing."""

    async def show() -> tuple[str, str] | None:
        try:
            principal = await TokenWorld().bearer.authenticate(text)
        except AccessError:
            return None
        return principal.tenant, principal.subject

    return asyncio.run(show())
