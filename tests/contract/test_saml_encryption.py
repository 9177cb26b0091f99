"""Encrypted assertions as another program writes them: Apache's library, by its own command."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree  # type: ignore[import-untyped]

from deployments.security.errors import TokenRefused
from deployments.security.saml.document import ASSERTION
from tests.unit.security.saml_world import OWN_CERTIFICATE, assertion, response, shown, sign

ENC, DS = "http://www.w3.org/2001/04/xmlenc#", "http://www.w3.org/2000/09/xmldsig#"
GCM = "http://www.w3.org/2009/xmlenc11#aes{0}-gcm"
OAEP = f"{ENC}rsa-oaep-mgf1p"
DIGEST = f'<DigestMethod xmlns="{DS}" Algorithm="{DS}sha1"/>'


@pytest.fixture
def xmlsec() -> str:
    found = shutil.which("xmlsec1")
    if found is None:
        if os.environ.get("CI") == "true":
            raise RuntimeError("xmlsec1 is missing; install the package xmlsec1")
        pytest.skip("xmlsec1 is not installed")
    return found


def encrypted_by(xmlsec: str, folder: Path, cipher: str, bits: int, wrapping: str) -> bytes:
    """A response with the signed assertion encrypted for us."""
    certificate, held, template, out = (folder / name for name in ("own.pem", "a", "t", "o"))
    certificate.write_bytes(OWN_CERTIFICATE.public_bytes(Encoding.PEM))
    held.write_bytes(etree.tostring(sign(assertion())))
    template.write_text(
        f'<EncryptedData xmlns="{ENC}" Type="{ENC}Element"><EncryptionMethod Algorithm="{cipher}"/>'
        f'<KeyInfo xmlns="{DS}"><EncryptedKey xmlns="{ENC}"><EncryptionMethod {wrapping}'
        "<CipherData><CipherValue/></CipherData></EncryptedKey></KeyInfo>"
        "<CipherData><CipherValue/></CipherData></EncryptedData>"
    )
    command = [
        xmlsec, "--encrypt", "--pubkey-cert-pem", str(certificate), "--session-key", f"aes-{bits}",
        "--xml-data", str(held), "--output", str(out), str(template),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    envelope = etree.Element(f"{{{ASSERTION}}}EncryptedAssertion")
    envelope.append(etree.fromstring(out.read_bytes()))
    return bytes(etree.tostring(response(envelope)))


@pytest.mark.parametrize("bits", [128, 256])
@pytest.mark.parametrize("digest", ["", DIGEST])
def test_what_another_program_encrypts_for_us_is_read(
    xmlsec: str, tmp_path: Path, bits: int, digest: str
) -> None:
    wrapping = f'Algorithm="{OAEP}">{digest}</EncryptionMethod>'
    found = shown(encrypted_by(xmlsec, tmp_path, GCM.format(bits), bits, wrapping))
    assert (found.name, found.session) == ("ann", "_s")


@pytest.mark.parametrize(
    ("cipher", "wrapping"),
    [
        (f"{ENC}aes256-cbc", f'Algorithm="{OAEP}"/>'),
        (GCM.format(256), f'Algorithm="{ENC}rsa-1_5"/>'),
    ],
)
def test_what_it_encrypts_in_a_way_that_answers_questions_is_refused(
    xmlsec: str, tmp_path: Path, cipher: str, wrapping: str
) -> None:
    """CBC and PKCS #1 v1.5: though the key is ours and the signature true."""
    with pytest.raises(TokenRefused, match="encryption"):
        shown(encrypted_by(xmlsec, tmp_path, cipher, 256, wrapping))
