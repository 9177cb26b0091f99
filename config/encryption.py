"""Settings of data at rest: who holds the key that wraps tenants' keys, and how it is reached.

No secret stands here. Credentials are the process's own identity, or lie in files that are named.
"""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from config.values import Section, Text
from config.workload_identity import TokenFile

KeyProviderName = Literal["file", "aws_kms", "azure_key_vault", "google_kms", "vault"]

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def _endpoint(text: str) -> str:
    message = "write an address like https://vault.example.com:8200"
    try:
        parts = urlsplit(text)
        host = parts.hostname
    except ValueError:
        raise ValueError(message) from None
    if not host or parts.query or parts.fragment or parts.username is not None:
        raise ValueError(message)
    # Keys in clear cross this connection; on loopback nobody else is on it.
    if parts.scheme != "https" and not (parts.scheme == "http" and host in _LOOPBACK):
        raise ValueError(f"{message}; http is for loopback alone")
    return text.rstrip("/")


Endpoint = Annotated[Text, AfterValidator(_endpoint)]


class FileKeys(Section):
    """A file of keys on this machine: the first line wraps, every line unwraps.

    Without a path it is `data.keys` in the data directory, made at the first start.
    """

    path: TokenFile | None = Field(default=None, examples=["/run/secrets/data.keys"])


class AwsKms(Section):
    """A symmetric key of AWS KMS, by its ARN; the region is read from it.

    Credentials are the process's: web identity, the container's, or the environment's.
    `endpoint` and `sts_endpoint` are for private endpoints (a VPC's).
    """

    key_arn: Text = Field(
        pattern=r"^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$",
        examples=["arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"],
    )
    endpoint: Endpoint | None = Field(default=None, examples=["https://vpce-0.kms.example.com"])
    sts_endpoint: Endpoint | None = Field(default=None, examples=["https://vpce-0.sts.example.com"])


class AzureKeyVault(Section):
    """A key of Azure Key Vault (RSA) or of a Managed HSM (RSA or AES).

    Credentials are the process's identity: workload, managed, or the environment's.
    """

    vault_url: Endpoint = Field(examples=["https://contoso.vault.azure.net"])
    key_name: Text = Field(pattern=r"^[A-Za-z0-9-]{1,127}$", examples=["supportmax"])
    # RSA needs 2048 bits at least: what is wrapped has 64 bytes.
    algorithm: Literal["RSA-OAEP-256", "A256KW"] = Field(
        default="RSA-OAEP-256", examples=["RSA-OAEP-256"]
    )


class GoogleKms(Section):
    """A symmetric key of Google Cloud KMS. Credentials are the application default ones."""

    key: Text = Field(
        pattern=r"^projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+$",
        examples=["projects/acme/locations/europe-west3/keyRings/support/cryptoKeys/data"],
    )
    endpoint: Endpoint | None = Field(default=None, examples=["https://cloudkms.p.googleapis.com"])


class VaultTransit(Section):
    """A key of Vault's transit engine, of a type that authenticates data (`aes256-gcm96`).

    One way in: Kubernetes (`kubernetes_role`), AppRole (`role_id` and `secret_id_file`) or
    `token_file`, which somebody else keeps up to date.
    """

    address: Endpoint = Field(examples=["https://vault.example.com:8200"])
    key: Text = Field(pattern=r"^[A-Za-z0-9_.-]{1,128}$", examples=["supportmax"])
    mount: Text = Field(default="transit", pattern=r"^[A-Za-z0-9_./-]+$", examples=["transit"])
    namespace: Text | None = Field(default=None, examples=["support"])
    ca_file: TokenFile | None = Field(default=None, examples=["/run/secrets/vault-ca.pem"])
    kubernetes_role: Text | None = Field(default=None, examples=["supportmax"])
    kubernetes_token_file: TokenFile = Field(
        default="/var/run/secrets/kubernetes.io/serviceaccount/token",
        examples=["/var/run/secrets/kubernetes.io/serviceaccount/token"],
    )
    role_id: Text | None = Field(default=None, examples=["59d6d1ca-47bb-4e7e-a40b-8be3bc5a0ba8"])
    secret_id_file: TokenFile | None = Field(default=None, examples=["/run/secrets/vault-secret"])
    token_file: TokenFile | None = Field(default=None, examples=["/run/secrets/vault-token"])

    @model_validator(mode="after")
    def _one_way_in(self) -> "VaultTransit":
        if (self.role_id is None) != (self.secret_id_file is None):
            raise ValueError("role_id and secret_id_file belong together")
        ways = (self.kubernetes_role, self.role_id, self.token_file)
        if sum(way is not None for way in ways) != 1:
            raise ValueError("write kubernetes_role, or role_id and secret_id_file, or token_file")
        return self


class EncryptionSettings(Section):
    """What conversations, facts and answers are sealed with when they are kept.

    `provider` wraps new keys. Every other one that is set up here can still unwrap what it
    wrapped: leave the old one in until `supportmax data reseal` is through. `refuse_clear`: a text
    that is not sealed is shown to nobody; `supportmax data verify` says when nothing is in clear.
    """

    provider: KeyProviderName = Field(default="file", examples=["aws_kms"])
    refuse_clear: bool = Field(default=False, examples=[True])
    file: FileKeys = FileKeys()
    aws_kms: AwsKms | None = None
    azure_key_vault: AzureKeyVault | None = None
    google_kms: GoogleKms | None = None
    vault: VaultTransit | None = None

    @model_validator(mode="after")
    def _is_set_up(self) -> "EncryptionSettings":
        if getattr(self, self.provider) is None:
            raise ValueError(f"provider: {self.provider} needs the section {self.provider}:")
        return self
