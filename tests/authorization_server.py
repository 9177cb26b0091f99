"""A simulator of an authorization server on loopback; its tokens say that it is one.

It knows its clients, verifies signed subject tokens, and gives tokens for one resource each: by
token exchange (RFC 8693), by an assertion as Microsoft Entra takes it, and to clients themselves.
"""

import base64
import json
from urllib.parse import parse_qsl, unquote

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey
from starlette.types import Receive, Scope, Send

from tests.federation_world import reply, reply_json

ISSUER = "https://simulated.example"
OURS = "https://supportmax.example"
CLIENT, SECRET = "supportmax", "s3cret&more"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
BEHALF = "urn:ietf:params:oauth:grant-type:jwt-bearer"
TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105  a name of RFC 8693
LIVES_S = 300


class AuthorizationServer:
    """Gives tokens for `resources`; `orders` are the forms it was sent."""

    def __init__(self, *resources: str) -> None:
        self.resources = set(resources)
        self.orders: list[dict[str, str]] = []
        self.lives_s: float = LIVES_S
        self.passes_through = False
        self.is_down = False
        self._key = ECKey.generate_key("P-256")

    def subject(self, name: str, tenant: str = "northwind") -> str:
        """The token of a person, as they come with it to SupportMax."""
        claims = {"iss": ISSUER, "aud": OURS, "sub": name, "tenant": tenant, "exp": 4_000_000_000}
        return jwt.encode({"alg": "ES256"}, claims, self._key)

    def claims(self, token: str) -> dict[str, object]:
        """What a token says; JoseError if it is not of this server."""
        return dict(jwt.decode(token, self._key, algorithms=["ES256"]).claims)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The token endpoint."""
        if scope["type"] != "http":
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            return
        body = (await receive()).get("body", b"")
        form = dict(parse_qsl(body.decode(), strict_parsing=True))
        self.orders.append(form)
        if self.is_down:
            await reply(send, 503, b"away")
            return
        headers = {k.decode(): v.decode() for k, v in scope["headers"]}
        try:
            token = self._token(form, headers)
        except (JoseError, ValueError, KeyError) as error:
            said = json.dumps({"error": "invalid_grant", "error_description": str(error)})
            await reply(send, 400, said.encode(), "application/json")
            return
        granted = {"access_token": token, "token_type": "Bearer", "issued_token_type": TOKEN}
        await reply_json(send, {**granted, "expires_in": self.lives_s})

    def _token(self, form: dict[str, str], headers: dict[str, str]) -> str:
        behalf = form["grant_type"] == BEHALF or "client_secret" in form
        self._must_be_client(form, headers, posts=behalf)
        resource = form["scope"].removesuffix("/.default") if behalf else form["resource"]
        if resource not in self.resources:
            raise ValueError("invalid_target")
        claims: dict[str, object] = {"iss": ISSUER, "aud": resource, "simulated": True}
        match form["grant_type"]:
            case "client_credentials":
                claims["sub"] = CLIENT
            case _:
                if not behalf and (form["subject_token_type"], form["requested_token_type"]) != (TOKEN, TOKEN):  # fmt: skip
                    raise ValueError("invalid_request")
                given = form["assertion"] if behalf else form["subject_token"]
                subject = self.claims(given)
                if subject["aud"] != OURS:
                    raise ValueError("the subject token is for somebody else")
                if self.passes_through:
                    return given
                claims |= {
                    "sub": subject["sub"],
                    "tenant": subject["tenant"],
                    "act": {"sub": CLIENT},
                }
        return jwt.encode({"alg": "ES256"}, {**claims, "n": len(self.orders)}, self._key)

    def _must_be_client(
        self, form: dict[str, str], headers: dict[str, str], *, posts: bool
    ) -> None:
        if posts:
            who = form["client_id"], form["client_secret"]
        else:
            plain = base64.b64decode(headers["authorization"].removeprefix("Basic ")).decode()
            name, _, secret = plain.partition(":")
            who = unquote(name), unquote(secret)
        if who != (CLIENT, SECRET):
            raise ValueError("invalid_client")
