"""An identity provider in memory: keys to sign with, documents to read, and a clock to move."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import httpx2
from joserfc.jwk import ECKey, RSAKey
from joserfc.jws import JWSRegistry

from config.identity import IdentityProvider
from config.security import RoleRule
from deployments.security.bearer_tokens import BearerTokens, Entitlements
from deployments.security.discovery import Directory
from deployments.security.tokens import TokenVerifier
from routing.clock import ManualClock

ISSUER = "https://login.acme.test/"
API = "https://api.acme.test"
GRANTS = {
    "agent": frozenset({"chat:create", "tickets:read"}),
    "admin": frozenset({"chat:create", "tickets:read", "budgets:configure"}),
}
ACME = IdentityProvider(
    name="acme",
    issuer=ISSUER,
    tenant="acme",
    algorithms=frozenset({"RS256", "ES256"}),
    token_types=frozenset({"at+jwt"}),
    subject_claim="sub",
    client_claim="client_id",
    audiences=frozenset({API}),
    roles=(
        RoleRule(claim="groups", equals="Agents", role="agent"),
        RoleRule(claim="groups", equals="Admins", role="admin"),
    ),
)
# Making a key takes 50 ms; the tests share these.
RSA = RSAKey.generate_key(2048, {"kid": "rsa-1", "use": "sig"})
NEXT = RSAKey.generate_key(2048, {"kid": "rsa-2", "use": "sig"})
EC = ECKey.generate_key("P-256", {"kid": "ec-1", "use": "sig"})


def b64(data: bytes | str | Mapping[str, Any]) -> str:
    """base64url without padding; a mapping as its JSON."""
    if isinstance(data, Mapping):
        data = json.dumps(data)
    raw = data.encode() if isinstance(data, str) else data
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def sign(
    payload: Mapping[str, Any] | str,
    key: RSAKey | ECKey = RSA,
    header: Mapping[str, Any] | None = None,
) -> str:
    """A token over `payload`; `header` replaces members of the usual one, None takes one away."""
    algorithm = "RS256" if isinstance(key, RSAKey) else "ES256"
    whole = {"alg": algorithm, "kid": key.kid, "typ": "at+jwt", **(header or {})}
    whole = {name: value for name, value in whole.items() if value is not None}
    text = payload if isinstance(payload, str) else json.dumps(payload)
    # By the algorithm alone: the library would refuse to sign half of what an attacker sends.
    model = JWSRegistry.algorithms[algorithm if "alg" not in (header or {}) else str(whole["alg"])]
    signed = f"{b64(whole)}.{b64(text)}"
    return f"{signed}.{b64(model.sign(signed.encode(), key))}"


@dataclass
class TokenWorld:
    """One provider or several, the verifier over them, and what was asked of whom."""

    providers: tuple[IdentityProvider, ...] = (ACME,)
    clock: ManualClock = field(default_factory=ManualClock)
    keys: dict[str, list[Any]] = field(default_factory=dict)
    discovery: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    down: bool = False
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for provider in self.providers:
            public: list[Any] = [key.as_dict(private=False) for key in (RSA, EC)]
            self.keys.setdefault(provider.issuer.rstrip("/") + "/keys", public)
        self.http = httpx2.AsyncClient(transport=httpx2.MockTransport(self._answer))
        self.directory = Directory(self.providers, self.http, self.clock)
        self.verifier = TokenVerifier(self.providers, self.directory, self.clock)
        self.bearer = BearerTokens(self.verifier, Entitlements(self.providers, GRANTS))

    def claims(self, **changed: Any) -> dict[str, Any]:
        """Good claims of ACME; a changed one that is None is left out."""
        now = int(self.clock.now())
        whole = {
            "iss": ISSUER,
            "sub": "ann",
            "aud": API,
            "client_id": "cli",
            "iat": now,
            "exp": now + 3600,
            "groups": ["Agents"],
            **changed,
        }
        return {name: value for name, value in whole.items() if value is not None}

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        url = str(request.url)
        self.asked.append(url)
        if self.down:
            raise httpx2.ConnectError("nobody is there")
        if url in self.keys:
            return httpx2.Response(200, json={"keys": self.keys[url]}, headers=self.headers)
        issuer = next(
            each.issuer for each in self.providers if url.startswith(each.issuer.rstrip("/"))
        )
        document = {"issuer": issuer, "jwks_uri": issuer.rstrip("/") + "/keys", **self.discovery}
        return httpx2.Response(200, json=document)


def other(name: str, **changed: Any) -> IdentityProvider:
    """Another provider, of another tenant, at an address of its own."""
    return replace(
        ACME, **{"name": name, "issuer": f"https://{name}.test/", "tenant": name, **changed}
    )
