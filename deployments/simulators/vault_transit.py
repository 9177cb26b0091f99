"""Simulates Vault's transit engine and its two ways in, on the real wire: paths, JSON and errors."""

import base64
import os
import secrets

from cryptography.exceptions import InvalidTag
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deployments.simulators.key_service import KeyService, answered, read_json

TOKEN_S = 60
"""How long a token lives, in seconds."""
_NONCE_BYTES = 12
# What a key that there is not says; Vault has no other word for a blob of another kind.
_NO_MATCH = "cipher: message authentication failed"


def vault_transit(service: KeyService, *, jwt: str = "", secret_id: str = "") -> Starlette:
    """The engine mounted at `transit`; who shows the JWT or the secret id is given a token."""
    return _Vault(service, jwt, secret_id).app()


class _Vault:
    def __init__(self, service: KeyService, jwt: str, secret_id: str) -> None:
        self._service = service
        self._jwt = jwt
        self._secret_id = secret_id
        self._tokens = set[str]()

    def app(self) -> Starlette:
        ways = {"POST", "PUT"}
        return Starlette(
            routes=[
                Route("/v1/auth/kubernetes/login", self._kubernetes, methods=ways),
                Route("/v1/auth/approle/login", self._approle, methods=ways),
                Route("/v1/transit/{action}/{key}", self._transit, methods=ways),
            ]
        )

    async def _kubernetes(self, request: Request) -> Response:
        return self._enter((await read_json(request)).get("jwt"), self._jwt)

    async def _approle(self, request: Request) -> Response:
        return self._enter((await read_json(request)).get("secret_id"), self._secret_id)

    def _enter(self, shown: object, expected: str) -> Response:
        if not expected or shown != expected:
            return _refusal(403, "permission denied")
        token = f"hvs.{secrets.token_hex(12)}"
        self._tokens.add(token)
        entered = {"client_token": token, "lease_duration": TOKEN_S, "renewable": True}
        return JSONResponse({"auth": entered})

    async def _transit(self, request: Request) -> Response:
        return await answered(self._service, _refusal, lambda: self._asked(request))

    async def _asked(self, request: Request) -> Response:
        if request.headers.get("x-vault-token") not in self._tokens:
            return _refusal(403, "permission denied")
        body = await read_json(request)
        data = base64.b64decode(str(body.get("associated_data", "")))
        match request.path_params["action"]:
            case "encrypt":
                return self._encrypt(base64.b64decode(str(body["plaintext"])), data)
            case "decrypt":
                return self._decrypt(str(body["ciphertext"]), data)
            case _:
                return _refusal(404, "unsupported path")

    def _encrypt(self, plain: bytes, data: bytes) -> Response:
        version, nonce = self._service.newest, os.urandom(_NONCE_BYTES)
        sealed = nonce + self._service.versions[version].encrypt(nonce, plain, data)
        text = f"vault:v{version}:{base64.b64encode(sealed).decode()}"
        return JSONResponse({"data": {"ciphertext": text, "key_version": version}})

    def _decrypt(self, text: str, data: bytes) -> Response:
        parts = text.split(":")
        if len(parts) != 3 or parts[0] != "vault" or not parts[1][1:].isdigit():
            return _refusal(400, "invalid ciphertext: no prefix")
        key = self._service.versions.get(int(parts[1][1:]))
        if key is None:
            return _refusal(
                400, "ciphertext or signature version is disallowed by policy (too old)"
            )
        sealed = base64.b64decode(parts[2])
        try:
            plain = key.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], data)
        except InvalidTag:
            return _refusal(400, _NO_MATCH)
        return JSONResponse({"data": {"plaintext": base64.b64encode(plain).decode()}})


def _refusal(status: int, message: str) -> Response:
    return JSONResponse({"errors": [message]}, status)
