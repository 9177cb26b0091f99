"""AWS KMS: Encrypt and Decrypt under one symmetric key, bound to what is wrapped by its encryption context."""

import base64
from typing import Final

import httpx2
import orjson

from actors.sealing.errors import ProviderRefused, ProviderUnavailable
from actors.sealing.provider import KeyContext
from config.encryption import AwsKms
from deployments.key_management.aws_identity import AwsIdentity
from deployments.key_management.sigv4 import Scope, sign
from routing.clock import Clock

CONNECT_S: Final = 2.0
# As `Patient` bounds a whole try; this one is for a socket that says nothing.
ANSWER_S: Final = 5.0
CONNECTIONS_MAX: Final = 16
# What passes when it is asked again; every other refusal is KMS's last word.
_PASSING = frozenset(
    {
        "ThrottlingException",
        "LimitExceededException",
        "KMSInternalException",
        "InternalFailure",
        "ServiceUnavailable",
        "DependencyTimeoutException",
        "KeyUnavailableException",
    }
)
_EXPIRED = frozenset({"ExpiredTokenException", "ExpiredToken", "UnrecognizedClientException"})
_SAID_MAX = 300


class AwsKmsProvider:
    """A key of KMS. Whoever opens it closes it."""

    name = "aws_kms"

    def __init__(self, settings: AwsKms, clock: Clock) -> None:
        self._key = settings.key_arn
        partition, _, region = settings.key_arn.split(":")[1:4]
        domain = "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com"
        self._url = settings.endpoint or f"https://kms.{region}.{domain}"
        self._scope = Scope(region, "kms")
        self._clock = clock
        self._http = httpx2.AsyncClient(
            timeout=httpx2.Timeout(ANSWER_S, connect=CONNECT_S),
            limits=httpx2.Limits(max_connections=CONNECTIONS_MAX),
            trust_env=False,
        )
        sts = settings.sts_endpoint or f"https://sts.{region}.{domain}"
        self._identity = AwsIdentity(self.name, self._http, sts, clock)

    async def wrap(self, key: bytes, context: KeyContext) -> str:
        """The key, encrypted by KMS."""
        text = base64.b64encode(key).decode()
        answer = await self._ask("Encrypt", {"Plaintext": text}, context)
        return str(answer["CiphertextBlob"])

    async def unwrap(self, wrapped: str, context: KeyContext) -> bytes:
        """The key again; KMS looks that the context is the same, and writes it into CloudTrail."""
        answer = await self._ask("Decrypt", {"CiphertextBlob": wrapped}, context)
        return base64.b64decode(str(answer["Plaintext"]))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _ask(
        self, action: str, what: dict[str, str], context: KeyContext
    ) -> dict[str, object]:
        credentials = await self._identity.get()
        body = orjson.dumps({"KeyId": self._key, "EncryptionContext": context.pairs(), **what})
        headers = {
            "content-type": "application/x-amz-json-1.1",
            "x-amz-target": f"TrentService.{action}",
        }
        url = f"{self._url}/"
        signed = sign("POST", url, headers, body, credentials, self._scope, self._clock.now())
        try:
            answer = await self._http.post(url, content=body, headers=signed)
        except httpx2.HTTPError as error:
            said = f"{type(error).__name__}: {error}"
            raise ProviderUnavailable(self.name, said) from error
        try:
            found = orjson.loads(answer.content)
        except ValueError:
            found = None
        if answer.status_code == 200 and isinstance(found, dict):
            return found
        raise self._error(answer.status_code, found)

    def _error(self, status: int, found: object) -> ProviderRefused | ProviderUnavailable:
        fields = found if isinstance(found, dict) else {}
        kind = str(fields.get("__type", "")).rpartition("#")[2] or f"status {status}"
        said = f"{kind}: {fields.get('message') or fields.get('Message') or ''}"[:_SAID_MAX]
        if kind in _EXPIRED:
            self._identity.forget()
        if kind in _EXPIRED | _PASSING or status >= 500 or status == 429 or not fields:
            return ProviderUnavailable(self.name, said)
        return ProviderRefused(self.name, said)
