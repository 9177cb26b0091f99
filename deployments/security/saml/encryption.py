"""Assertions that only we can read: RSA-OAEP around AES-GCM, and nothing weaker.

CBC and PKCS #1 v1.5 are refused before anything is decrypted: each answers a patient stranger,
question by question, what the plaintext is.
"""

import base64

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from deployments.security.errors import TokenRefused
from deployments.security.saml.document import SIGNATURE, Element, at_most_one, one

_CIPHERS = {
    "http://www.w3.org/2009/xmlenc11#aes128-gcm": 16,
    "http://www.w3.org/2009/xmlenc11#aes192-gcm": 24,
    "http://www.w3.org/2009/xmlenc11#aes256-gcm": 32,
}
_OAEP_SHA1_MASK = "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p"
_OAEP = "http://www.w3.org/2009/xmlenc11#rsa-oaep"
_HASHES: dict[str, hashes.HashAlgorithm] = {
    # SHA-1 in OAEP needs no collision resistance, and is what mgf1p means without a DigestMethod.
    f"{SIGNATURE}sha1": hashes.SHA1(),  # noqa: S303
    "http://www.w3.org/2001/04/xmlenc#sha256": hashes.SHA256(),
    "http://www.w3.org/2001/04/xmlenc#sha512": hashes.SHA512(),
}
_MASKS: dict[str, hashes.HashAlgorithm] = {
    "http://www.w3.org/2009/xmlenc11#mgf1sha1": hashes.SHA1(),  # noqa: S303  as above
    "http://www.w3.org/2009/xmlenc11#mgf1sha256": hashes.SHA256(),
    "http://www.w3.org/2009/xmlenc11#mgf1sha512": hashes.SHA512(),
}
_XENC11 = "{http://www.w3.org/2009/xmlenc11#}"
_NONCE = 12


def decrypted(envelope: Element, key: RSAPrivateKey) -> bytes:
    """What is in an EncryptedAssertion.

    Raises:
        TokenRefused: it is not for this key, or not encrypted as it has to be.
    """
    data = one(envelope, "xenc:EncryptedData")
    size = _CIPHERS.get(_method(data).get("Algorithm"))
    wrapped = one(envelope, ".//xenc:EncryptedKey")
    if size is None:
        raise TokenRefused("encryption")
    scheme = _padding(_method(wrapped))
    try:
        secret = key.decrypt(_value(wrapped), scheme)
        sealed = _value(data)
        if len(secret) != size:
            raise TokenRefused("encryption")
        return AESGCM(secret).decrypt(sealed[:_NONCE], sealed[_NONCE:], None)
    except (ValueError, InvalidTag) as error:
        raise TokenRefused("encryption") from error


def _method(parent: Element) -> Element:
    return one(parent, "xenc:EncryptionMethod")


def _padding(method: Element) -> padding.OAEP:
    digest = at_most_one(method, "ds:DigestMethod")
    named = f"{SIGNATURE}sha1" if digest is None else digest.get("Algorithm")
    mask = method.find(f"{_XENC11}MGF")
    match method.get("Algorithm"), mask:
        case (str(name), None) if name in {_OAEP_SHA1_MASK, _OAEP}:
            masking: hashes.HashAlgorithm | None = hashes.SHA1()  # noqa: S303  as above
        case (str(name), _) if name == _OAEP:
            masking = _MASKS.get(mask.get("Algorithm"))
        case _:
            masking = None
    hashing = _HASHES.get(str(named))
    if hashing is None or masking is None or at_most_one(method, "xenc:OAEPparams") is not None:
        raise TokenRefused("encryption")
    return padding.OAEP(padding.MGF1(masking), hashing, None)


def _value(parent: Element) -> bytes:
    text = one(parent, "xenc:CipherData/xenc:CipherValue").text or ""
    return base64.b64decode("".join(text.split()), validate=True)
