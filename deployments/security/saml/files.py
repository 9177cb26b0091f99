"""A provider of SAML with what its files hold: its certificates or metadata, and our key."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from config.identity import must_be_safe
from config.saml import SamlProvider
from deployments.security.errors import IdentityProviderUnavailable, TokenRefused
from deployments.security.saml.document import DOCUMENT_MAX
from deployments.security.saml.metadata import read_metadata
from deployments.security.saml.response import Expected
from routing.errors import ConfigError

_RSA_BITS_MIN = 2048


@dataclass(frozen=True, slots=True)
class Known:
    """A provider with what its files hold. `slo_answers` is where it takes our answers to its logouts.

    Its metadata says until when that holds, in seconds since the epoch.
    """

    provider: SamlProvider
    certificates: tuple[x509.Certificate, ...]
    key: rsa.RSAPrivateKey | None = field(default=None, repr=False)
    own: x509.Certificate | None = None
    slo_answers: str | None = None
    valid_until: float | None = None

    def expects(self, request_id: str, now: float) -> Expected:
        """What an answer to that request of ours has to fit.

        Raises:
            IdentityProviderUnavailable: what its metadata said is over; a newer file is needed.
        """
        if self.valid_until is not None and now >= self.valid_until:
            name = self.provider.name
            raise IdentityProviderUnavailable(name, f"the metadata of {name} is over")
        return Expected(
            issuer=self.provider.issuer,
            certificates=self.certificates,
            audience=self.provider.entity_id,
            recipient=self.provider.recipient,
            request_id=request_id,
            key=self.key,
            contexts=self.provider.authn_contexts,
            persistent=self.provider.persistent_names,
        )


def read_all(providers: Iterable[SamlProvider], now: float) -> Mapping[str, Known]:
    """Every provider with what its files hold, by name; raises ConfigError as `read_files`."""
    known = {each.name: read_files(each, now) for each in providers}
    issuers = [each.provider.issuer for each in known.values()]
    if len(set(issuers)) != len(issuers):
        message = "two providers have the same issuer; which tenant is it for?"
        raise ConfigError("configuration", None, "sso_providers", message)
    return known


def read_files(provider: SamlProvider, now: float) -> Known:
    """What the provider's files say, and our key.

    Raises:
        ConfigError: a file cannot be read, is over, or holds a key too weak to mean anything.
    """
    known = (
        _with_metadata(provider, now) if provider.metadata_file else _with_certificates(provider)
    )
    if provider.key_file is None or provider.key_certificate_file is None:
        # Nobody would believe a logout of ours that is not signed.
        return replace(known, provider=replace(known.provider, slo_url=None), slo_answers=None)
    try:
        key = serialization.load_pem_private_key(_bytes(provider.key_file), None)
    except (ValueError, TypeError) as error:
        raise _unusable(provider.key_file, "is no private key in PEM") from error
    own = _certificate(provider.key_certificate_file)
    if not isinstance(key, rsa.RSAPrivateKey) or key.public_key() != own.public_key():
        raise _unusable(provider.key_file, "is not the RSA key of key_certificate_file")
    return replace(known, key=key, own=own)


def _with_certificates(provider: SamlProvider) -> Known:
    certificates = tuple(_certificate(file) for file in provider.certificate_files)
    return Known(provider, certificates, slo_answers=provider.slo_url)


def _with_metadata(provider: SamlProvider, now: float) -> Known:
    file, signer = provider.metadata_file, provider.metadata_certificate_file
    assert file is not None  # noqa: S101  for the types
    signers = () if signer is None else (_certificate(signer),)
    try:
        theirs = read_metadata(_bytes(file), provider.issuer, signers, now)
    except TokenRefused as error:
        raise _unusable(file, f"is no metadata to go by: {error.reason}") from error
    for certificate in theirs.certificates:
        _must_be_strong(certificate, file)
    for address in (theirs.sso_url, theirs.slo_url, theirs.slo_answers):
        if address is not None:
            must_be_safe(address, f"sso_providers.{provider.name}.metadata_file")
    complete = replace(
        provider, issuer=theirs.issuer, sso_url=theirs.sso_url, slo_url=theirs.slo_url
    )
    return Known(
        complete,
        theirs.certificates,
        slo_answers=theirs.slo_answers,
        valid_until=theirs.valid_until,
    )


def _certificate(file: Path) -> x509.Certificate:
    try:
        found = x509.load_pem_x509_certificate(_bytes(file))
    except ValueError as error:
        raise _unusable(file, "is no certificate in PEM") from error
    _must_be_strong(found, file)
    return found


def _must_be_strong(certificate: x509.Certificate, file: Path) -> None:
    try:
        key = certificate.public_key()
    except ValueError as error:
        raise _unusable(file, "holds a certificate of an unknown key") from error
    strong = isinstance(key, rsa.RSAPublicKey) and key.key_size >= _RSA_BITS_MIN
    if not strong and not isinstance(key, ec.EllipticCurvePublicKey):
        raise _unusable(file, "has a key that is neither RSA of 2048 bits nor of an elliptic curve")


def _bytes(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            found = opened.read(DOCUMENT_MAX + 1)
    except OSError as error:
        raise _unusable(file, f"cannot be read ({error.strerror})") from error
    return found


def _unusable(file: Path, message: str) -> ConfigError:
    return ConfigError(str(file), None, "", message)
