"""Simulates Google Cloud KMS by its REST wire: encrypt and decrypt of one symmetric key."""

import base64
import os

from cryptography.exceptions import InvalidTag
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deployments.simulators.key_service import KeyService, answered, read_json

_NONCE_BYTES = 12
_VERSION_BYTES = 4
_WORDS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
}


def cloud_kms(service: KeyService, key: str) -> Starlette:
    """The service with this key: projects/…/cryptoKeys/…; it takes any bearer token."""

    async def asked(request: Request) -> Response:
        return await answered(service, _refusal, lambda: _answer(service, key, request))

    return Starlette(routes=[Route("/v1/{rest:path}", asked, methods=["POST"])])


async def _answer(service: KeyService, key: str, request: Request) -> Response:
    if not request.headers.get("authorization", "").startswith("Bearer "):
        return _refusal(401, "Request is missing required authentication credential.")
    name, _, action = request.path_params["rest"].partition(":")
    if name != key:
        return _refusal(404, f"CryptoKey {name} not found.")
    body = await read_json(request)
    data = _bytes(body, "additionalAuthenticatedData")
    if action == "encrypt":
        version, nonce = service.newest, os.urandom(_NONCE_BYTES)
        plain = _bytes(body, "plaintext")
        sealed = nonce + service.versions[version].encrypt(nonce, plain, data)
        blob = version.to_bytes(_VERSION_BYTES, "big") + sealed
        made = {"name": f"{key}/cryptoKeyVersions/{version}", "ciphertext": _text(blob)}
        return JSONResponse({**made, "protectionLevel": "SOFTWARE"})
    blob = _bytes(body, "ciphertext")
    version_key = service.versions.get(int.from_bytes(blob[:_VERSION_BYTES], "big"))
    if version_key is None:
        return _refusal(400, "The CryptoKeyVersion is not enabled, current state is: DESTROYED.")
    sealed = blob[_VERSION_BYTES:]
    try:
        plain = version_key.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], data)
    except (InvalidTag, ValueError):
        return _refusal(
            400, "Decryption failed: verify that 'name' refers to the correct CryptoKey."
        )
    return JSONResponse({"plaintext": _text(plain), "usedPrimary": True})


def _bytes(body: dict[str, object], name: str) -> bytes:
    # The protocol's JSON has bytes in either alphabet of base64.
    text = str(body.get(name, "")).replace("-", "+").replace("_", "/")
    return base64.b64decode(text + "=" * (-len(text) % 4))


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _refusal(status: int, message: str) -> Response:
    error = {"code": status, "message": message, "status": _WORDS.get(status, "UNKNOWN")}
    return JSONResponse({"error": error}, status)
