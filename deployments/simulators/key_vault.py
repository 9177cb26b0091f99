"""Simulates Azure Key Vault and a Managed HSM: one key in its versions, wrapping and unwrapping."""

import base64
import secrets

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deployments.simulators.key_service import KeyService, answered, read_json

_OAEP = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
_RSA_BITS = 2048
# Key Vault tells who shows no token where to get one.
_CHALLENGE = (
    'Bearer authorization="https://login.microsoftonline.com/00000000-0000-0000-0000-000000000001",'
    ' resource="https://vault.azure.net"'
)
_CODES = {
    400: "BadParameter",
    401: "Unauthorized",
    403: "Forbidden",
    404: "KeyNotFound",
    429: "Throttled",
    503: "ServiceUnavailable",
}


def key_vault(service: KeyService, name: str) -> Starlette:
    """The vault with this key; it takes any bearer token."""
    return _Vault(service, name).app()


class _Vault:
    def __init__(self, service: KeyService, name: str) -> None:
        self._service = service
        self._name = name
        # Beside the versions that the service counts, the key of each in the vault's own kinds.
        self._rsa: dict[int, rsa.RSAPrivateKey] = {}
        self._aes: dict[int, bytes] = {}

    def app(self) -> Starlette:
        path = "/keys/{name}/{version}"
        return Starlette(
            routes=[
                Route("/keys/{name}/", self._get, methods=["GET"]),
                Route("/keys/{name}", self._get, methods=["GET"]),
                Route(path, self._get, methods=["GET"]),
                Route(f"{path}/{{action}}", self._use, methods=["POST"]),
                Route("/keys/{name}/{action}", self._use, methods=["POST"]),
            ]
        )

    async def _get(self, request: Request) -> Response:
        return await answered(self._service, _refusal, lambda: self._described(request))

    async def _use(self, request: Request) -> Response:
        return await answered(self._service, _refusal, lambda: self._used(request))

    async def _described(self, request: Request) -> Response:
        version = self._version(request)
        if isinstance(version, Response):
            return version
        public = self._rsa_of(version).public_key().public_numbers()
        key = {
            "kid": self._kid(request, version),
            "kty": "RSA",
            "key_ops": ["wrapKey", "unwrapKey"],
            "n": _text(public.n.to_bytes(_RSA_BITS // 8, "big")),
            "e": _text(public.e.to_bytes(3, "big")),
        }
        return JSONResponse({"key": key, "attributes": {"enabled": True}})

    async def _used(self, request: Request) -> Response:
        version = self._version(request)
        if isinstance(version, Response):
            return version
        body = await read_json(request)
        value, algorithm = _bytes(str(body["value"])), str(body["alg"])
        try:
            match request.path_params["action"], algorithm:
                case "wrapkey", "RSA-OAEP-256":
                    made = self._rsa_of(version).public_key().encrypt(value, _OAEP)
                case "unwrapkey", "RSA-OAEP-256":
                    made = self._rsa_of(version).decrypt(value, _OAEP)
                case "wrapkey", "A256KW":
                    made = aes_key_wrap(self._aes_of(version), value)
                case "unwrapkey", "A256KW":
                    made = aes_key_unwrap(self._aes_of(version), value)
                case _:
                    return _refusal(400, f"The algorithm {algorithm} is not supported.")
        except (ValueError, InvalidUnwrap):
            return _refusal(400, "The parameter is incorrect.")
        return JSONResponse({"kid": self._kid(request, version), "value": _text(made)})

    def _version(self, request: Request) -> int | Response:
        """Which one is asked for, or why there is none."""
        if not request.headers.get("authorization", "").startswith("Bearer "):
            refused = _refusal(401, "AKV10000: Request is missing a Bearer or PoP token.")
            refused.headers["WWW-Authenticate"] = _CHALLENGE
            return refused
        named = request.path_params.get("version", "")
        version = int(named, 16) if named else self._service.newest
        if request.path_params["name"] != self._name or version not in self._service.versions:
            return _refusal(404, "A key with (name/id) was not found in this key vault.")
        return version

    def _kid(self, request: Request, version: int) -> str:
        base = f"{request.url.scheme}://{request.url.netloc}"
        return f"{base}/keys/{self._name}/{version:032x}"

    def _rsa_of(self, version: int) -> rsa.RSAPrivateKey:
        if version not in self._rsa:
            self._rsa[version] = rsa.generate_private_key(65_537, _RSA_BITS)
        return self._rsa[version]

    def _aes_of(self, version: int) -> bytes:
        return self._aes.setdefault(version, secrets.token_bytes(32))


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _refusal(status: int, message: str) -> Response:
    error = {"code": _CODES.get(status, "Unknown"), "message": message}
    return JSONResponse({"error": error}, status)
